"""All kinds of sources at once, each with tables of traps: what the verifier's random queries go over, in CI and in the long runs.

    east, west, south   PostgreSQL            src     files of five formats     documents  MongoDB
    ora                 Oracle's stand-in     maria, lite  ODBC                 data_pool  two shards

Where Debian's ODBC packages can't be had, ``maria`` and ``lite`` are missing (their own tests say so).
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from tests.services import odbc
from tests.services.mariadb import mariadb_server
from tests.services.mongodb import mongodb_server
from tests.services.oracle import oracle_stand_in
from tests.services.postgresql import PostgresqlServer
from tests.virtualization import mixed
from tests.virtualization.connectors.datapool.lab import COMPANY, LAYOUTS, columns_of, fill
from tests.virtualization.connectors.datapool.shards import SOURCE as DATA_POOL
from tests.virtualization.connectors.datapool.shards import Shards, shards
from tests.virtualization.connectors.hdfs import formats
from tests.virtualization.connectors.hdfs.local import SOURCE as FILES
from tests.virtualization.connectors.hdfs.local import Lake
from tests.virtualization.connectors.mongodb.lab import COLUMNS, documents
from tests.virtualization.connectors.odbc import traps
from tests.virtualization.connectors.oracle import edges as oracle_edges
from tests.virtualization.verify import edges
from virtualization.catalog import DataSource, MemoryCatalog, VirtualTable
from virtualization.engine import Engine
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.executors.scratch import ScratchExecutor
from virtualization.plan import QueryContext

Part = tuple[Iterable[DataSource], Iterable[VirtualTable]]


@dataclass(frozen=True)
class World:
    """``scratch``: a PostgreSQL for executor and copies; ``contexts``: of its queries."""

    engine: Engine
    catalog: MemoryCatalog
    scratch: str
    contexts: Callable[[], QueryContext]


@contextmanager
def world(server: PostgresqlServer, folder: pathlib.Path, prefix: str = "world") -> Iterator[World]:
    """Start and fill everything beside ``server``; all of it ends with the block."""
    with ExitStack() as stack:
        lake = Lake(_made(folder / "lake"))
        stack.callback(lake.connector.close)
        pool = stack.enter_context(shards(_made(folder / "shards"), 2))
        catalog = edges.fill(server, prefix)
        parts: list[Part] = [
            (catalog.sources.values(), catalog.tables()),
            ([FILES], formats.write(lake, FILES.name)),
            ([DATA_POOL], _stored(pool)),
            _documents(stack),
            _oracle(stack, server, prefix),
            _odbc(stack, folder),
        ]
        scratch = edges.scratch(server, prefix)
        executors = [DuckDbExecutor(1 << 30, _made(folder / "spill"), 1), ScratchExecutor(scratch)]
        engine = Engine(executors, {"hdfs": lambda _: lake.connector, "datapool": pool.connector})
        stack.callback(engine.close)
        whole = MemoryCatalog.of([one for named, _ in parts for one in named], [table for _, tables in parts for table in tables])
        yield World(engine, whole, scratch, pool.context)


def _made(folder: pathlib.Path) -> pathlib.Path:
    folder.mkdir()
    return folder


def _stored(pool: Shards) -> list[VirtualTable]:
    """A small company, its tables laid out in every way."""
    content = mixed.rows()
    return [
        fill(pool, "hashed", name, columns_of(of), LAYOUTS["hashed"][name], content[name])
        for name, of in COMPANY.items()
        if name not in ("part", "supplier")
    ]


def _documents(stack: ExitStack) -> Part:
    server = stack.enter_context(mongodb_server())
    database = server.client[server.database]
    database.fitting.insert_many(documents(strange=False))
    database.strange.insert_many(documents(strange=True))
    mismatch = {"fitting": "error", "strange": "null"}
    tables = [VirtualTable("public", name, "documents", name, COLUMNS, {"mismatch": told}, rows=50) for name, told in mismatch.items()]
    return [replace(server.source(), name="documents")], tables


def _oracle(stack: ExitStack, server: PostgresqlServer, prefix: str) -> Part:
    stand_in = stack.enter_context(oracle_stand_in(server, f"{prefix}_oracle"))
    return [replace(stand_in.source(), name="ora")], [replace(table, source="ora") for table in oracle_edges.create(stand_in)]


def _odbc(stack: ExitStack, folder: pathlib.Path) -> Part:
    if odbc.why_not() is not None:
        return [], []
    made = traps.catalog(stack.enter_context(mariadb_server()), folder)
    return made.sources.values(), made.tables()
