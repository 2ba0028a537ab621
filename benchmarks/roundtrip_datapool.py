"""``roundtrip_datapool``: the lines of one order by the key that lineitem (6 M rows, two shards) is spread by, through the master, on
an open connection; a different key each time."""

from __future__ import annotations

import random
import time

import psycopg
import pyarrow.parquet as pq

from benchmarks.loading import KEYS, Login, load_tpch
from benchmarks.report import Figure, Report, median, percentile
from benchmarks.tpch import tables
from tests.services import cluster as stage

WARM_UP = 50
SETTLE_SECONDS = 5
"""What follows a load (publishing, the first compaction) is not part of a query."""


def milliseconds(session: psycopg.Connection[tuple[object, ...]], key: int) -> float:
    """One query with its fetch."""
    began = time.perf_counter()
    rows = session.execute(
        f"SELECT l_orderkey, l_linenumber, l_partkey, l_extendedprice, l_shipdate FROM lineitem WHERE l_orderkey = {key}"
    ).fetchall()
    spent = (time.perf_counter() - began) * 1000
    if not rows or any(row[0] != key for row in rows):
        raise RuntimeError(f"wrong answer for {key}: {rows}")
    return spent


def run(rounds: int | None) -> Report:
    """Keys of orders at random."""
    count = rounds or 1000
    known = pq.read_table(tables(1, "orders")["orders"], columns=["o_orderkey"]).column(0)
    keys = [known[place].as_py() for place in random.Random(1).sample(range(len(known)), count + WARM_UP)]
    with stage.cluster() as place:
        load_tpch(Login.at(place), {"lineitem": KEYS["lineitem"]})
        time.sleep(SETTLE_SECONDS)
        with place.sql() as session:
            session.execute("ANALYZE lineitem")
            spent = [milliseconds(session, key) for key in keys][WARM_UP:]
    figures = (Figure("p50_ms", median(spent), "ms", "<= 5"), Figure("p99_ms", percentile(spent, 0.99), "ms", "<= 15"))
    return Report("roundtrip_datapool", figures, more={"rounds": count})
