"""The compute pool's process: ``python -m pools.compute.service --config FILE``.

The port opens when the first catalogs are read, so that a TCP probe means "can serve". SIGTERM and SIGINT stop in good order.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import gc
import os
import pathlib
import sys
import threading
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from pools import lean  # noqa: F401  # isort: skip (first: see there)

import structlog

from pools import log_lines
from pools.audit import Trail
from pools.compute import query_log
from pools.compute.auditing import Auditing
from pools.compute.clients import Clients
from pools.compute.engine import build_apps, build_engine, residuals_dsn
from pools.compute.history import History
from pools.compute.master import Address, Master
from pools.compute.memory import MemoryGuard
from pools.compute.metrics import Replica, Tally, listen
from pools.compute.queries import Admission, Queries
from pools.compute.requests import Requests
from pools.compute.runner import QueryRunner
from pools.compute.sealing import Opener
from pools.compute.session import Pool
from pools.compute.settings import ServiceSettings
from pools.compute.wire.link import ALPN
from pools.compute.wire.server import Encryption, Server
from pools.program import told_to_stop
from pools.tls import Files, ServerCertificate
from virtualization.catalog import DataSource

if TYPE_CHECKING:
    from pools.compute.loads.service import DataPool
    from pools.compute.scoring.apps import Apps

log = structlog.get_logger()

THREADS = 64
"""Workers for planning and engines; made when needed."""

SWITCH_SECONDS = 0.0001
"""How long a thread that computes may keep the event loop from going on (Python's default, 5 ms, is paid several times per message)."""

CLOSE_SECONDS = 2.0

REVOCATION_SECONDS = 2.0
"""How often the logins of open sessions are checked again."""


class LazyEngine:
    """Builds the engine on first use, on whatever thread that is: an idle pool is small. ``apps``: what its queries may call."""

    def __init__(self, build: Callable[[], QueryRunner], apps: Apps | None = None) -> None:
        self.apps = apps
        self._build = build
        self._lock = threading.Lock()
        self._engine: QueryRunner | None = None

    def __call__(self) -> QueryRunner:
        """The engine."""
        with self._lock:
            if self._engine is None:
                self._engine = self._build()
                # What was imported and built stays: a full collection would go through all of it, tens of milliseconds each time.
                gc.collect()
                gc.freeze()
            return self._engine

    def retain(self, sources: Collection[DataSource]) -> None:
        """Close the connectors of all other sources, if it was ever built."""
        with self._lock:
            engine = self._engine
        if engine is not None:
            engine.retain(sources)

    def close(self) -> None:
        """Close it if it was ever built."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
        if self.apps is not None:
            self.apps.close()


async def serve(settings: ServiceSettings, engine: LazyEngine, started: Callable[[int], None] = lambda port: None) -> None:
    """Until SIGTERM, SIGINT, or cancelled. ``started`` is told the port."""
    open_secret = Opener(pathlib.Path(settings.sealing_key_file))
    threads, limits = ThreadPoolExecutor(THREADS, "query"), settings.limits
    address = _master(settings)
    master = Master(address, open_secret, engine.retain)
    tally = Tally()
    certificate = _certificate(settings)
    audit = Auditing(_trail(settings), Clients(master.session_origin))
    data = _data_pool(settings, address, master, engine, (certificate, tally.load, audit))
    history = History(limits.history, None if settings.history_file is None else pathlib.Path(settings.history_file))
    over = (history.note, tally.note, query_log.note, audit.note)
    queries = Queries(threads, Admission(limits.running, limits.wait_seconds), settings.replica, over)
    requests = Requests(engine, queries, open_secret, data.actions if data is not None else frozenset(), history, audit)
    pool = Pool(engine, queries, master, requests, limits, data, functools.partial(residuals_dsn, settings), engine.apps)
    server = Server(pool, settings.replica, Encryption(certificate, settings.tls_required))
    stop = told_to_stop()
    guard = MemoryGuard(queries, None if limits.memory_mb is None else limits.memory_mb << 20)
    tasks: list[asyncio.Task[None]] = []
    try:
        if not await _unless(stop, master.first()):
            return
        if data is not None:
            log.info("serving loads", flight_port=await data.start(), shards=len(settings.shards))
            tasks.append(asyncio.create_task(data.run()))
        port = await server.start(settings.host, settings.port)
        tasks += [asyncio.create_task(work) for work in (master.run(), guard.run(), history.run(), _revoke(server, master))]
        listen(settings.metrics, tally, Replica(queries, limits, lambda: server.connections, master.connected))
        log.info("serving", port=port, replica=settings.replica)
        started(port)
        await _until(stop, tasks)
        log.info("stopping")
        await server.stop(limits.stop_seconds)
        if data is not None:
            await data.stop()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await master.stop()
        threads.shutdown(wait=False, cancel_futures=True)
        _close(engine, audit)


def _master(settings: ServiceSettings) -> Address:
    password = pathlib.Path(settings.pool_password_file).read_text().strip()
    return Address(settings.master_host, settings.master_port, password, f"bdc compute-{settings.replica}", settings.master_tls)


def _trail(settings: ServiceSettings) -> Trail:
    file = None if settings.audit_file is None else pathlib.Path(settings.audit_file)
    return Trail(file, f"compute-{settings.replica}", lambda why: log.error("the audit trail can't be written", why=why))


def _certificate(settings: ServiceSettings) -> ServerCertificate | None:
    """CertificateFileError where the files that the settings name can't be loaded."""
    if settings.certificate_file is None or settings.certificate_key_file is None:
        return None
    files = Files(settings.certificate_file, settings.certificate_key_file)
    found = ServerCertificate(files, (ALPN,), lambda why: log.warning("the old certificate stays in use", why=why))
    found.current()
    return found


def _data_pool(
    settings: ServiceSettings,
    address: Address,
    master: Master,
    engine: LazyEngine,
    more: tuple[ServerCertificate | None, Callable[[str, int], None], Auditing],
) -> DataPool | None:
    """Imported only where there are shards: a pool without them stays small."""
    if not settings.shards:
        return None
    from pools.compute.loads.service import DataPool

    certificate, counted, audit = more
    pool = DataPool(settings, address, master, engine, certificate)
    pool.coordinator.counted, pool.audit = counted, audit
    return pool


def _close(engine: LazyEngine, audit: Auditing) -> None:
    """Write the last entries, and close the engine, briefly: a source that hangs must not hold up the end of the process."""
    audit.trail.close()
    closing = threading.Thread(target=engine.close, name="close engine", daemon=True)
    closing.start()
    closing.join(CLOSE_SECONDS)
    if closing.is_alive():
        log.warning("the engine did not close in time", seconds=CLOSE_SECONDS)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do ``work`` unless ``stop`` comes first; whether it was done."""
    doing = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((doing, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not doing.done():
        doing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await doing
        return False
    await doing
    return True


async def _until(stop: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Wait for ``stop``; a background task that ends with an error is a defect: the process ends too and is started again."""
    stopping = asyncio.create_task(stop.wait())
    try:
        pending: set[asyncio.Task[Any]] = {stopping, *tasks}
        while not stop.is_set():
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
    finally:
        stopping.cancel()


async def _revoke(server: Server, master: Master) -> None:
    while True:
        await asyncio.sleep(REVOCATION_SECONDS)
        identities = server.identities
        if identities and (gone := await master.revoked(identities)):
            count = server.end(lambda identity: identity in gone, "terminating connection because the login was revoked")
            log.warning("logins revoked", users=sorted(identity.login for identity in gone), connections=count)


def main(arguments: list[str] | None = None) -> int:
    """The program; 2 for bad settings."""
    parser = argparse.ArgumentParser(prog="python -m pools.compute.service", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=pathlib.Path, required=True, help="JSON file of settings")
    parsed = parser.parse_args(arguments)
    log_lines.configure()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        settings = ServiceSettings.read(parsed.config)
    except ValueError as error:
        log.error("bad settings", why=str(error))
        return 2
    apps = build_apps(settings)
    asyncio.run(serve(settings, LazyEngine(lambda: build_engine(settings, apps), apps)))
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Nothing here is durable, and a worker that hangs in a driver would be waited for without end: leave without joining threads.
    os._exit(code)
