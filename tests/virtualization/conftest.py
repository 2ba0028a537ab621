"""Small tables of two sources in one PostgreSQL, and engines over them with stand-in connectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psycopg
import pytest
from sqlglot import exp

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.postgresql_stand_ins import Rows, StandInConnector, StandInExecutor, fetch_text
from virtualization.catalog import Column, DataSource, MemoryCatalog, VirtualTable
from virtualization.engine import Engine
from virtualization.in_process import close_default_engines
from virtualization.plan import QueryContext

TABLES = {
    # name: (source, columns, rows)
    "orders": (
        "shop",
        {"id": "integer", "cust": "integer", "amt": "numeric(12,2)", "d": "date", "note": "text"},
        [
            (1, 1, "10.50", "2024-01-01", "a"),
            (2, 1, "20.00", "2024-02-01", None),
            (3, 2, None, "2024-02-01", "b"),
            (4, None, "5.25", None, "a"),
            (5, 3, "20.00", "2024-03-05", "a%b"),
            (6, 9, "-1.00", "2023-12-31", "A"),
        ],
    ),
    "customer": (
        "shop",
        {"id": "integer", "name": "text", "region": "text"},
        [(1, "ann", "r1"), (2, "bob", "r2"), (3, None, "r1"), (4, "dan", None), (4, "dan", None)],
    ),
    "visits": (
        "web",
        {"cust": "integer", "n": "bigint", "page": "text", "id": "integer"},
        [(1, 10, "x", 1), (1, 20, "y", 2), (2, None, "x", 3), (None, 5, "z", 4), (7, 1, None, 5), (3, 10, "x", 5)],
    ),
    "pages": (
        "web",
        {"page": "text", "title": "text", "Weight": "double precision"},
        [("x", "Ex", 1.5), ("y", None, 2), ("q", "Qu", -0.5)],
    ),
    "empty": ("web", {"id": "integer", "v": "text"}, []),
}


def catalog(split: bool = True, **options: str) -> MemoryCatalog:
    """``split``: two sources as declared, else all of one."""
    sources = [DataSource("shop", "stand-in", "", options), DataSource("web", "stand-in", "", options)]
    tables = [
        VirtualTable("public", name, source if split else "shop", f"public.{name}", tuple(Column(c, t) for c, t in columns.items()))
        for name, (source, columns, _) in TABLES.items()
    ]
    return MemoryCatalog.of(sources, tables)


@pytest.fixture(scope="session", autouse=True)
def default_engines_end() -> Iterator[None]:
    """They would stay until the process ends, with their folders."""
    yield
    close_default_engines()


@pytest.fixture(scope="session")
def database(postgresql: PostgresqlServer) -> Iterator[psycopg.Connection]:
    with postgresql.connect() as server:
        server.execute("CREATE DATABASE planner")
    with postgresql.connect("planner") as connection:
        connection.prepare_threshold = None  # the stand-in executor makes its temporary tables anew for each query
        for name, (_, columns, rows) in TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({', '.join(f'{chr(34)}{c}{chr(34)} {t}' for c, t in columns.items())})")
            with connection.cursor() as cursor:
                if rows:
                    cursor.executemany(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * len(columns))})", rows)
        yield connection


@dataclass
class Lab:
    """An engine over stand-ins, and plain PostgreSQL beside it."""

    connection: psycopg.Connection
    catalog: MemoryCatalog
    takes: Callable[[exp.Query], bool] = lambda query: True
    applies: Callable[[exp.Expr], bool] = lambda predicate: True
    connectors: dict[str, StandInConnector] = field(default_factory=dict)
    executors: list[StandInExecutor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.executors = self.executors or [StandInExecutor(self.connection)]
        self.engine = Engine(self.executors, {"stand-in": self._connector})

    def _connector(self, source: DataSource) -> StandInConnector:
        made = StandInConnector(source, self.connection, self.takes, self.applies)
        self.connectors[source.name] = made
        return made

    def rows(self, sql: str) -> Rows:
        plan = self.engine.plan(sql, self.catalog)
        result = self.engine.run(plan, QueryContext())
        rows: Rows = []
        for batch in result:
            rows += (
                list(zip(*[column.to_pylist() for column in batch.columns], strict=True)) if batch.num_columns else [()] * batch.num_rows
            )
        result.close()
        return rows

    def plain(self, sql: str) -> Rows:
        return fetch_text(self.connection, sql)

    def texts(self, sql: str) -> list[str]:
        return [fragment.text for fragment in self.engine.plan(sql, self.catalog).fragments]

    def residual(self, sql: str) -> str | None:
        plan = self.engine.plan(sql, self.catalog)
        return None if plan.residual is None else plan.residual.sql("postgres")


def lab_of(connection: psycopg.Connection, mode: str) -> Lab:
    """``full``: one source that takes everything; ``split``: two such; ``scan``: two that only scan; ``inexact``: scans that apply
    nothing; ``no_joins``: no joins, no sub-queries; ``off``: pushdown switched off."""
    if mode == "full":
        return Lab(connection, catalog(split=False))
    if mode == "split":
        return Lab(connection, catalog())
    if mode == "scan":
        return Lab(connection, catalog(), takes=lambda q: False)
    if mode == "inexact":
        return Lab(connection, catalog(), takes=lambda q: False, applies=lambda p: isinstance(p, exp.EQ))
    if mode == "no_joins":
        return Lab(connection, catalog(split=False), takes=lambda q: not q.find(exp.Join, exp.Subquery, exp.SetOperation, exp.Order))
    return Lab(connection, catalog(split=False, pushdown="off"))


MODES = ("full", "split", "scan", "inexact", "no_joins", "off")
