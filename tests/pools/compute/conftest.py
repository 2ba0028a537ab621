"""A compute pool's service on a free port, in a thread of the test process, over stand-ins."""

from __future__ import annotations

import asyncio
import datetime
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import pyarrow as pa
import pytest

from bdc.sealing import Recipient, seal
from pools.compute.metrics import Tally
from pools.compute.queries import Admission, Queries
from pools.compute.requests import Requests
from pools.compute.session import Pool
from pools.compute.settings import Limits
from pools.compute.wire.server import Encryption, Server
from tests.patience import PATIENCE
from tests.pools.compute.cluster import Cluster, running_cluster
from tests.pools.compute.standin import PASSWORD, StandInCatalogs, StandInEngine
from tests.services.postgresql import PostgresqlServer


@dataclass
class RunningPool:
    engine: StandInEngine
    catalogs: StandInCatalogs
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    port: int = 0
    server: Server | None = None
    queries: Queries | None = None
    tally: Tally = field(default_factory=Tally)

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
def running_pool(limits: Limits | None = None, encryption: Encryption | None = None) -> Iterator[RunningPool]:
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
        pool.queries = Queries(threads, Admission(limits.running, limits.wait_seconds), over=(pool.tally.note,))
        requests = Requests(lambda: engine, pool.queries, lambda sealed, *_: f"opened {sealed}")
        pool.server = Server(Pool(lambda: engine, pool.queries, catalogs, requests, limits), 3, encryption or Encryption())
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


@pytest.fixture(scope="package")
def cluster(postgresql: PostgresqlServer) -> Iterator[Cluster]:
    """The whole way, every process real: users ada (admin) and alice, virtual tables orders and endless over database ``legacy``."""
    with postgresql.connect() as admin:
        admin.execute("CREATE DATABASE legacy")
        with psycopg.connect(postgresql.dsn("legacy"), autocommit=True) as legacy:
            legacy.execute("CREATE TABLE orders AS SELECT g AS id, 'customer ' || g % 100 AS customer, (g * 1.5)::numeric(12,2) AS amount FROM generate_series(1, 20000) g")  # fmt: skip  # noqa: E501
            legacy.execute("ANALYZE orders")
            legacy.execute("CREATE VIEW endless AS SELECT pg_sleep(60)::text AS t")
        with running_cluster() as running:
            running.add_user("ada", "admin", "user")
            running.add_user("alice")
            with running.connect("ada") as ada:
                location = f"postgresql://127.0.0.1:{postgresql.port}/legacy"
                sealed = seal(postgresql.password, Recipient(running.public_key, location, postgresql.user))
                ada.execute(
                    "CALL bdc.create_data_source('legacy', 'postgresql', %s, '{}', %s)",
                    (location, json.dumps({"user": postgresql.user, "sealed": sealed})),
                )
                ada.execute("CALL bdc.create_virtual_table('public.orders', 'legacy', 'public.orders')")
                ada.execute("CALL bdc.create_virtual_table('public.endless', 'legacy', 'public.endless')")
                ada.execute("GRANT SELECT ON public.orders, public.endless TO alice")
            yield running
        admin.execute("DROP DATABASE legacy WITH (FORCE)")
