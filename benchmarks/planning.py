"""``planning``: milliseconds to plan a text that was not seen before, with 1 and with 10,000 virtual tables in the catalog; one that was
seen; and a join of eight tables. In this process, over a PostgreSQL source whose facts are known; nothing is run."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.report import Figure, Report, median
from tests.services.postgresql import PostgresqlServer, postgresql_server
from virtualization.catalog import Catalog, Column, Credential, DataSource, MemoryCatalog, VirtualTable
from virtualization.engine import Engine
from virtualization.in_process import close_default_engines, default_engine

ROUNDS = 200
MANY = 10_000
COLUMNS = (
    Column("id", "bigint"),
    Column("customer", "bigint"),
    Column("status", "character varying(10)"),
    Column("total", "numeric(15,2)"),
    Column("made", "date"),
    Column("clerk", "text"),
    Column("priority", "integer"),
    Column("note", "text"),
)


def catalog(server: PostgresqlServer, tables: int) -> MemoryCatalog:
    """Two sources that are one server; tables ``t0`` … of the first, ``u0`` … ``u7`` of the second."""
    login = Credential(server.user, server.password)
    location = f"postgresql://127.0.0.1:{server.port}/postgres"
    sources = [DataSource(name, "postgresql", location, {}, login) for name in ("one", "two")]
    names = [(f"t{number}", "one") for number in range(tables)] + [(f"u{number}", "two") for number in range(8)]
    return MemoryCatalog.of(sources, [VirtualTable("public", name, source, f"public.{name}", COLUMNS, {}, 1e6) for name, source in names])


def point(number: int) -> str:
    """A text of a shape of its own: neither plan nor template is known for it."""
    return (
        f"SELECT id, total AS total_{number} FROM t0 WHERE customer = {number} AND status = 'open' AND made >= date '2024-01-01' "
        "ORDER BY total DESC LIMIT 10"
    )


def join8(number: int) -> str:
    """Eight tables of two sources, a group over them."""
    tables = [f"{'t0' if at == 0 else f'u{at}'} AS a{at}" for at in range(8)]
    on = " ".join(f"JOIN {table} ON a{at}.id = a{at - 1}.customer" for at, table in enumerate(tables) if at)
    where = "WHERE a0.made > date '2024-01-01' GROUP BY a1.status"
    return f"SELECT a1.status, count(*) AS n_{number}, sum(a7.total) FROM {tables[0]} {on} {where}"


def timed(engine: Engine, over: Catalog, texts: Callable[[int], str], rounds: int) -> float:
    """Median milliseconds of planning each text once; the first ten don't count."""
    spent = []
    for number in range(rounds + 10):
        text = texts(number)
        began = time.perf_counter()
        engine.plan(text, over)
        spent.append((time.perf_counter() - began) * 1000)
    return median(spent[10:])


def run(rounds: int | None) -> Report:
    """All of it."""
    count = rounds or ROUNDS
    with postgresql_server("log_statement=none") as server:
        engine = default_engine(server.dsn())
        few, many = catalog(server, 1), catalog(server, MANY)
        figures = (
            Figure("p50_ms", timed(engine, few, point, count), "ms", "<= 5", "a text not seen before"),
            Figure("p50_ms_10000", timed(engine, many, lambda number: point(number + count + 10), count), "ms", "<= 6", f"{MANY:,} tables"),
            Figure("cached_ms", timed(engine, few, lambda number: point(0), count), "ms", "<= 1", "seen before"),
            Figure("join8_ms", timed(engine, few, join8, count), "ms", "<= 60", "eight tables of two sources"),
        )
        close_default_engines()
    return Report("planning", figures, more={"rounds": count})
