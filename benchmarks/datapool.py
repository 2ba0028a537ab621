"""``datapool``: five queries on TPC-H lineitem (6 M rows) and orders in two shards, through the master; beside DuckDB in this process
(same version, two threads, a file of its own) and beside a PostgreSQL heap with the same rows, analysed. None has an index
or a primary key; the three take turns."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import psycopg

from benchmarks.loading import ROWS, Login, load_tpch
from benchmarks.peers import POSTGRESQL_MEMORY, fill_heap, native
from benchmarks.report import Figure, Report, median
from tests.services import cluster as stage
from tests.services.postgresql import postgresql_server

Rows = list[tuple[Any, ...]]
Side = Callable[[str], Rows]

QUERIES = {
    "group_by": """SELECT l_returnflag, l_linestatus, sum(l_quantity), sum(l_extendedprice), sum(l_extendedprice * (1 - l_discount)),
        avg(l_quantity), avg(l_extendedprice), avg(l_discount), count(*) FROM lineitem WHERE l_shipdate <= date '1998-09-02'
        GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus""",
    "join": """SELECT o_orderpriority, count(*), sum(l_extendedprice) FROM lineitem JOIN orders ON l_orderkey = o_orderkey
        WHERE o_orderdate >= date '1995-01-01' AND l_shipmode = 'AIR' GROUP BY o_orderpriority ORDER BY o_orderpriority""",
    "topn": """SELECT l_orderkey, l_linenumber, l_extendedprice FROM lineitem
        ORDER BY l_extendedprice DESC, l_orderkey, l_linenumber LIMIT 10""",
    "distinct_key": "SELECT count(DISTINCT l_orderkey) FROM lineitem",
    "distinct_other": "SELECT count(DISTINCT l_partkey) FROM lineitem",
}
"""The same text for all; ``l_orderkey`` is what the rows are spread by, ``l_partkey`` is not."""

REPEATS = 3
"""The pool and DuckDB answer so often per round (PostgreSQL once, it takes seconds): what takes 20 ms is noisy."""


def analyse(session: psycopg.Connection[Any]) -> None:
    """What the master's planner must know to have whole queries done by the pool."""
    for table in ROWS:
        session.execute(f"ANALYZE {table}".encode())


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds per query and side. RuntimeError where the sides disagree."""
    with stage.cluster() as place, postgresql_server("log_statement=none", *POSTGRESQL_MEMORY) as server:
        files = load_tpch(Login.at(place))
        fill_heap(server, files)
        with native(files) as duck, place.sql() as pool, server.connect() as heap:
            analyse(pool)
            sides: dict[str, Side] = {"pool": _of(pool), "duckdb": _of(duck), "postgresql": _of(heap)}
            return {name: alternate(sides, name, text, rounds) for name, text in QUERIES.items()}


def _of(session: psycopg.Connection[Any] | duckdb.DuckDBPyConnection) -> Side:
    return lambda text: session.execute(text).fetchall()


def alternate(sides: Mapping[str, Side], name: str, text: str, rounds: int) -> dict[str, list[float]]:
    """One query at all sides in turn; the first round warms caches and does not count."""
    spent: dict[str, list[float]] = {side: [] for side in sides}
    for round_ in range(rounds + 1):
        answers = {}
        for side, ask in sides.items():
            for _ in range(1 if side == "postgresql" or round_ == 0 else REPEATS):
                began = time.perf_counter()
                answers[side] = ask(text)
                if round_:
                    spent[side].append(time.perf_counter() - began)
        if answers["pool"] != answers["postgresql"]:
            raise RuntimeError(f"{name}: the pool says {answers['pool'][:3]}, PostgreSQL {answers['postgresql'][:3]}")
    return spent


def run(rounds: int | None) -> Report:
    """Ratios of medians; over all queries their geometric mean."""
    count = rounds or 5
    spent = measure(count)
    seconds = {name: {side: median(values) for side, values in sides.items()} for name, sides in spent.items()}
    against = {other: [sides["pool"] / sides[other] for sides in seconds.values()] for other in ("duckdb", "postgresql")}
    mean = {other: math.exp(sum(map(math.log, ratios)) / len(ratios)) for other, ratios in against.items()}
    lines = [f"{name}: " + ", ".join(f"{side} {value * 1000:,.0f} ms" for side, value in sides.items()) for name, sides in seconds.items()]
    figures = (
        Figure("vs_duckdb", mean["duckdb"], "ratio", "<= 1.3", "our time ÷ in-process DuckDB's, geometric mean"),
        Figure("worst_vs_duckdb", max(against["duckdb"]), "ratio", "<= 2.5"),
        Figure("vs_postgresql", mean["postgresql"], "ratio", "<= 0.1", "our time ÷ PostgreSQL's, geometric mean"),
        *(Figure(f"{name}_ms", sides["pool"] * 1000, "ms") for name, sides in seconds.items()),
    )
    rounded = {name: {side: round(value * 1000, 1) for side, value in sides.items()} for name, sides in seconds.items()}
    return Report("datapool", figures, tuple(lines), {"rounds": count, "milliseconds": rounded, "duckdb": duckdb.__version__})
