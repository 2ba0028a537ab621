"""What stands in front of MLflow, as a process: ``python -m pools.app.tracking.service --config FILE``.

It runs as the same OS user as MLflow, so that nobody else can reach MLflow's socket, and can't be looked into by it.
"""

from __future__ import annotations

import ctypes
import logging
import pathlib
import signal
import ssl
import sys
import time

import uvicorn

from pools.app.tokens import AUDIENCES, Tokens
from pools.app.tracking import metric_table as table
from pools.app.tracking.proxy import TrackingProxy
from pools.app.tracking.settings import TrackingSettings
from pools.bearer import Keys, fetching
from pools.bearer import Tokens as Judge
from pools.exposition import Book, text
from pools.memory import resident_bytes
from pools.metrics_listener import Listener
from pools.program import Program

CONNECTIONS = 200
DRAIN_SECONDS = 5
PR_SET_DUMPABLE = 4
logger = logging.getLogger("service")


async def serve(settings: TrackingSettings) -> int:
    """Until a signal; 1 where the port can't be had."""
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # it sees tokens, and MLflow is the same OS user
    book = Book()
    _tell(settings, book)
    fetch = fetching(settings.controller, lambda: ssl.create_default_context(cafile=settings.authority))
    judge = Judge(Keys(fetch, pathlib.Path(settings.data_folder) / "keys.json", logger.warning), settings.issuer, AUDIENCES)
    server = uvicorn.Server(
        uvicorn.Config(
            TrackingProxy(settings, Tokens(judge), book),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
    if settings.missing is not None:
        logger.warning("MLflow is not installed: %s", settings.missing)
    try:
        await server.serve()
    except SystemExit:
        logger.error("can't listen on %s:%d", settings.host, settings.port)
        return 1
    return 0


def _tell(settings: TrackingSettings, book: Book) -> None:
    """Metrics, for as long as the process lives. Who can't be asked for them still serves."""
    if settings.metrics is None:
        return
    started = time.time()

    def collect() -> bytes:
        return text(table.TABLE, book, (lambda: [(table.RESIDENT, (), resident_bytes()), (table.STARTED, (), started)],))

    try:
        Listener(settings.metrics, collect, lambda why: logger.error("metrics could not be collected: %s", why))
    except OSError as error:
        logger.error("metrics can't be served at %s: %s", settings.metrics, error)


def main(arguments: list[str] | None = None) -> int:
    """The program."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises the signal again once it has shut down
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    program = Program("pools.app.tracking.service", __doc__, TrackingSettings.read, serve, lambda level, said: getattr(logger, level)(said))
    return program.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
