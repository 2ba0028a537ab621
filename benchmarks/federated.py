"""``federated``: FedTPC-H-lite over PostgreSQL and Parquet, through the master and at the compute pool directly, beside DuckDB's
PostgreSQL scanner, chDB, Spark with JDBC, and Trino; in rounds, sides in shuffled order, every answer compared. ``BDC_BENCH_SCALE``:
TPC-H's scale (default 1); ``BDC_BENCH_PEERS``: names of peers, DuckDB among them (default: all).
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import geometric_mean

import psycopg

from benchmarks.federated_peers import Target, peers
from benchmarks.federated_queries import FILES, KEYS, QUERIES, REMOTE
from benchmarks.federated_worker import cell
from benchmarks.peers import POSTGRESQL_MEMORY, fill_heap
from benchmarks.report import Figure, Report, median
from benchmarks.tpch import tables
from tests.services import cluster as stage
from tests.services.postgresql import PostgresqlServer, postgresql_server

ROUNDS = 5
WARM = 2
MASTER, DIRECT = "master", "direct"
Ask = Callable[[str], tuple[float, list[list[str]]]]
Spent = dict[str, dict[str, list[float]]]
"""Seconds by side and query."""


@dataclass(frozen=True)
class Setting:
    """What is measured over what."""

    place: stage.Stage
    server: PostgresqlServer
    files: Mapping[str, Path]


@contextlib.contextmanager
def setting(scale: float) -> Iterator[Setting]:
    """A cluster with the files in its HDFS, and a PostgreSQL with the other tables."""
    made = tables(scale, *REMOTE, *FILES)
    with stage.cluster() as place, postgresql_server("log_statement=none", *POSTGRESQL_MEMORY) as server:
        fill_heap(server, {name: made[name] for name in REMOTE})
        with server.connect() as session:
            for table, key in KEYS.items():
                session.execute(f"ALTER TABLE {table} ADD PRIMARY KEY ({key})".encode())
            session.execute("VACUUM (FREEZE, ANALYZE)")
        place.bdc("hdfs", "mkdir", "hdfs:/tpch", output=None)
        for table in FILES:
            place.bdc("hdfs", "cp", str(made[table]), f"hdfs:/tpch/{table}.parquet", output=None)
            place.bdc("table", "create", table, "--source", "hdfs", "--location", f"/tpch/{table}.parquet", output=None)
        yield Setting(place, server, {table: made[table] for table in FILES})


def add_source(place: stage.Stage, server: PostgresqlServer, port: int) -> None:
    """Source ``legacy`` at ``port``, and its tables."""
    place.bdc(
        "source", "create", "legacy", "--connector", "postgresql", "--location", f"postgresql://127.0.0.1:{port}/postgres",
        "--user", server.user, "--password-stdin", output=None, secret=server.password + "\n",
    )  # fmt: skip
    for table in REMOTE:
        place.bdc("table", "create", table, "--source", "legacy", "--location", f"public.{table}", output=None)


def ours(session: psycopg.Connection[stage.Row]) -> Ask:
    """A connection as a side."""

    def ask(sql: str) -> tuple[float, list[list[str]]]:
        text = sql.format(**{table: table for table in (*REMOTE, *FILES)})
        began = time.perf_counter()
        rows = session.execute(text.encode()).fetchall()
        return time.perf_counter() - began, sorted([cell(value) for value in row] for row in rows)

    return ask


def rounds_of(sides: Mapping[str, Ask], rounds: int, warm: int = WARM) -> tuple[Spent, list[str]]:
    """Every query on every side, in shuffled order; the first rounds don't count. Lines: sides whose answer differs from the first's."""
    spent: Spent = {side: {query: [] for query in QUERIES} for side in sides}
    wrong: dict[str, None] = {}
    order, dice = list(sides), random.Random(1)
    for round_ in range(-warm, rounds):
        for query, sql in QUERIES.items():
            dice.shuffle(order)
            answers = {}
            for side in order:
                seconds, answers[side] = sides[side](sql)
                if round_ >= 0:
                    spent[side][query].append(seconds)
            first = answers[next(iter(sides))]
            wrong |= {f"{query}: {side} answers otherwise": None for side in order if answers[side] != first}
    return spent, list(wrong)


def ratios(spent: Spent, side: str, peer: str) -> dict[str, float]:
    """Our median ÷ the peer's, by query."""
    return {query: median(spent[side][query]) / median(spent[peer][query]) for query in QUERIES}


ASKED = ("Q3", "Q4", "Q5", "Q10", "Q12", "Q18", "J1", "J2")


def figures(spent: Spent, side: str, suffix: str = "") -> Iterator[Figure]:
    """Those of one of our sides."""
    against = ratios(spent, side, "duckdb")
    yield Figure(f"geomean_vs_duckdb{suffix}", geometric_mean([against[q] for q in ASKED]), "ratio", "<= 0.75", "our seconds ÷ DuckDB's")
    yield Figure(f"worst_vs_duckdb{suffix}", max(against[q] for q in ASKED), "ratio", "<= 1.3")
    yield Figure(f"j2_vs_duckdb{suffix}", against["J2"], "ratio", "<= 0.15", "34 keys of a file select from 1.5 M remote rows")
    yield Figure(f"same_vs_duckdb{suffix}", against["SAME"], "ratio", "<= 0.8", "a join of one source, grouped")
    for peer, reach in (("spark", "<= 0.12"), ("trino", "<= 0.3"), ("chdb", None)):
        if peer in spent:
            found = ratios(spent, side, peer)
            yield Figure(f"geomean_vs_{peer}{suffix}", geometric_mean([found[q] for q in ASKED]), "ratio", reach)


def table(spent: Spent) -> list[str]:
    """Medians in milliseconds."""
    lines = [f"{'':<8}" + "".join(f"{side:>10}" for side in spent)]
    lines += [f"{query:<8}" + "".join(f"{median(spent[side][query]) * 1000:>8.0f}ms" for side in spent) for query in QUERIES]
    return lines


def run(rounds: int | None) -> Report:
    """All sides."""
    scale = float(os.environ.get("BDC_BENCH_SCALE", "1"))
    count = rounds or ROUNDS
    with setting(scale) as made, contextlib.ExitStack() as stack:
        add_source(made.place, made.server, made.server.port)
        sides: dict[str, Ask] = {
            DIRECT: ours(stack.enter_context(made.place.sql(port=compute_port(made.place)))),
            MASTER: ours(stack.enter_context(made.place.sql())),
        }
        wanted = os.environ.get("BDC_BENCH_PEERS", "duckdb,chdb,spark,trino").split(",")
        target = Target(made.server.port, made.server.user, made.server.password, made.files)
        for name, peer in stack.enter_context(peers(target, wanted)).items():
            sides[name] = peer.ask
        spent, wrong = rounds_of(sides, count)
    found = (*figures(spent, DIRECT), *figures(spent, MASTER, "_master"), Figure("different_answers", len(wrong), "", "<= 0"))
    seconds = {side: {query: [round(s, 4) for s in values] for query, values in of.items()} for side, of in spent.items()}
    return Report("federated", found, (*table(spent), *wrong), {"rounds": count, "scale": scale, "seconds": seconds})


def compute_port(place: stage.Stage) -> int:
    """Where the first compute replica listens: beside the master."""
    return int(place.endpoint("sql-server-master").rpartition("//")[2].partition("/")[0].rpartition(":")[2]) + 1
