"""The app proxy's process: ``python -m pools.app.service --config FILE``.

One event loop serves HTTP and speaks with the workers, which are its children. SIGTERM stops in good order: calls under way get their time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pathlib
import pwd
import signal
import ssl
import sys
from collections.abc import Coroutine
from typing import Any

import uvicorn

from pools.app import metrics
from pools.app.around import Around
from pools.app.hiding import hide
from pools.app.launching import Launcher, open_to_pass
from pools.app.proxy import Proxy
from pools.app.scheduler import Scheduler
from pools.app.settings import ProxySettings
from pools.app.slots import Slots
from pools.app.tokens import AUDIENCES, Tokens
from pools.app.versions import Versions
from pools.audit import Trail
from pools.audit_often import Often
from pools.bearer import Keys, fetching
from pools.bearer import Tokens as Judge
from pools.program import Program
from pools.tls import Files, ServerCertificate, reloading

MARKS = ("OPENBDC_CLUSTER_FOLDER", "OPENBDC_WORKLOAD")
OWN_USER = "bdc-"
"""With this the names of the OS users begin that a cluster of root's makes for its pools."""
PROCESSES = 512
CONNECTIONS = 1000
IDLE_SECONDS = 75
logger = logging.getLogger("service")


async def serve(settings: ProxySettings) -> int:
    """Until a signal; 1 where the port can't be had."""
    folder = pathlib.Path(settings.data_folder)
    marks = {name: os.environ[name] for name in MARKS if name in os.environ}
    own = _own_user()
    if own or settings.pod:
        hide()
    slots = _slots(folder)
    # a pod's user runs in other pods of the node too, and would share a limit of processes with them: there the kubelet's holds
    versions = Versions(
        folder,
        Around(
            marks=marks,
            processes=PROCESSES if own else None,
            closed=own or settings.pod,
            drain_seconds=settings.drain_seconds,
            slots=slots,
            sql=settings.sql,
            sql_tls=settings.sql_tls,
            pods_key=pathlib.Path(settings.pods_key_file).read_text().strip() if settings.pods_key_file else None,
            pods_seconds=settings.pods_seconds,
        ),
    )
    versions.restore()
    if versions.pods is not None:
        await versions.pods.listen(settings.host, settings.pods_port, _context(settings))
    scheduler = Scheduler(versions)
    scheduler.start()
    metrics.listen(settings.metrics, versions)
    fetch = fetching(settings.controller, lambda: ssl.create_default_context(cafile=settings.authority))
    judge = Judge(Keys(fetch, folder / "keys.json", logger.warning), settings.issuer, AUDIENCES)
    trail = Trail(folder / "audit.jsonl", "app-proxy", logger.error, echo=sys.stdout.write if settings.pod else None)
    often = Often(trail)
    server = uvicorn.Server(
        uvicorn.Config(
            Proxy(settings, Tokens(judge), versions, often),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=int(settings.drain_seconds),
        )
    )
    try:
        await server.serve()
    except SystemExit:
        logger.error("can't listen on %s:%d", settings.host, settings.port)
        return 1
    finally:
        await scheduler.close()
        await versions.close()
        await scheduler.settle()
        often.tell()
        trail.close()
    return 0


def _slots(folder: pathlib.Path) -> Slots | None:
    """The OS users of apps, where the supervisor gave some. They may go through our folders to what is theirs."""
    launcher = Launcher.inherited()
    if launcher is None:
        return None
    for place in (folder.parent, folder):
        open_to_pass(place)
    launcher.listen(_lost)
    return Slots(folder / "users.json", launcher)


def _context(settings: ProxySettings) -> ssl.SSLContext | None:
    """Of what pods call. CertificateFileError."""
    if settings.certificate is None or settings.certificate_key is None:
        return None
    files = Files(settings.certificate, settings.certificate_key)
    return reloading(ServerCertificate(files, failed=logger.error))


def _lost() -> None:
    """Without it no worker can be started or ended; the supervisor starts both anew."""
    logger.error("the launcher of workers is gone: the proxy ends too")
    os.kill(os.getpid(), signal.SIGTERM)


def _own_user() -> bool:
    """Whether this OS user runs nothing but apps: then what they may start is limited."""
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(os.geteuid()).pw_name.startswith(OWN_USER)
    return False


def main(arguments: list[str] | None = None) -> int:
    """The program."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # uvicorn raises the signal again once it has shut down; then the workers are to be ended in order
    signal.signal(signal.SIGTERM, lambda *_: None)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    program = Program("pools.app.service", __doc__, ProxySettings.read, serve, lambda level, said: getattr(logger, level)(said), _run)
    return program.main(arguments)


def _run(work: Coroutine[Any, Any, int | None]) -> int | None:
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


if __name__ == "__main__":
    sys.exit(main())
