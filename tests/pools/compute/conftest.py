"""A compute pool's service on a free port, in a thread of the test process, over stand-ins."""

from __future__ import annotations

import asyncio
import datetime
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import pyarrow as pa
import pytest

from pools.compute.queries import Admission, Queries
from pools.compute.requests import Requests
from pools.compute.session import Pool
from pools.compute.settings import Limits
from pools.compute.wire.server import Server
from tests.patience import PATIENCE
from tests.pools.compute.standin import PASSWORD, StandInCatalogs, StandInEngine


@dataclass
class RunningPool:
    engine: StandInEngine
    catalogs: StandInCatalogs
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    port: int = 0
    server: Server | None = None
    queries: Queries | None = None

    def connect(self, user: str = "fdw:alice", password: str = PASSWORD, **more: object) -> psycopg.Connection[tuple[object, ...]]:
        more.setdefault("autocommit", True)
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=user,
            password=password,
            dbname="sales",
            connect_timeout=60,
            **more,  # type: ignore[arg-type]
        )

    def call(self, work: object) -> object:
        """Run a coroutine on the service's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)  # type: ignore[arg-type]


@contextmanager
def running_pool(limits: Limits | None = None) -> Iterator[RunningPool]:
    limits = limits or Limits()
    engine = StandInEngine()
    numbers = pa.table({
        "id": pa.array(range(25_000), pa.int64()),
        "name": pa.array([f"name {n}" if n % 7 else None for n in range(25_000)]),
        "day": pa.array([datetime.date(2024, 1, 1) + datetime.timedelta(days=n % 366) for n in range(25_000)]),
    })  # fmt: skip
    catalogs = StandInCatalogs(
        engine.add("numbers", numbers), engine.add("slow", numbers.slice(0, 1)), engine.add("many", numbers.slice(0, 1))
    )
    pool = RunningPool(engine, catalogs)
    threads = ThreadPoolExecutor(64)

    async def start() -> None:
        pool.queries = Queries(threads, Admission(limits.running, limits.wait_seconds))
        requests = Requests(lambda: engine, pool.queries, lambda sealed, *_: f"opened {sealed}")
        pool.server = Server(Pool(lambda: engine, pool.queries, catalogs, requests, limits), replica=3)
        pool.port = await pool.server.start("127.0.0.1", 0)

    thread = threading.Thread(target=pool.loop.run_forever)
    thread.start()
    try:
        pool.call(start())
        yield pool
    finally:
        assert pool.server is not None
        pool.call(pool.server.stop(0))
        pool.loop.call_soon_threadsafe(pool.loop.stop)
        thread.join(PATIENCE)
        pool.loop.close()
        threads.shutdown(wait=True)
        engine.close()


@pytest.fixture
def pool() -> Iterator[RunningPool]:
    with running_pool() as running:
        yield running
