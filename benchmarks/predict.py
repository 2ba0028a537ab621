"""``predict``: an app in SQL over 1 M rows of the data pool, two shards: the house example, a model with twelve inputs.

``rows_per_s``: one SELECT on a connection to the compute pool that predicts for every row and adds up. ``out_rows_per_s``: one that gives
each row's prediction to the client, read with libpq. ``score_rows_per_s``: the same rows by ``bdc.score`` through the master, as JSON.
Beside them what the same queries cost without the app.
"""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
import time

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import pq as libpq

from benchmarks.loading import Login, load_file
from benchmarks.report import Figure, Report, median
from tests.services.cluster import Stage, cluster

ROWS, ROUNDS = 1_000_000, 3
HOUSE = pathlib.Path(__file__).parent.parent / "examples" / "apps" / "house"
FIRST = json.loads((HOUSE / "first.json").read_text())
INPUTS = ", ".join(name.lower() for name in FIRST)


def write_houses(path: pathlib.Path) -> None:
    """Rows around the example's first one."""
    drawn = np.random.default_rng(1)
    columns = {name.lower(): pa.array(value * drawn.uniform(0.5, 1.5, ROWS)) for name, value in FIRST.items()}
    pq.write_table(pa.table({"id": pa.array(range(ROWS), pa.int64()), **columns}), path, row_group_size=65_536)


def direct(place: Stage) -> psycopg.Connection[tuple[object, ...]]:
    """To the compute pool itself."""
    host, _, port = place.endpoint("compute-0").rpartition("//")[2].partition("/")[0].rpartition(":")
    return place.sql(host=host, port=int(port))


def seconds(session: psycopg.Connection[tuple[object, ...]], sql: str, rows: int) -> float:
    """Of one query, its rows read in chunks, without turning them into Python objects."""
    connection, began, count = session.pgconn, time.perf_counter(), 0
    connection.send_query(sql.encode())
    connection.set_chunked_rows_mode(1000)
    while result := connection.get_result():
        if result.status not in (libpq.ExecStatus.TUPLES_OK, libpq.ExecStatus.TUPLES_CHUNK):
            raise RuntimeError(result.get_error_message())
        count += result.ntuples
    if count != rows:
        raise RuntimeError(f"{count} rows instead of {rows}")
    return time.perf_counter() - began


def run(rounds: int | None) -> Report:
    """The first round warms up and does not count."""
    queries = {
        "rows": (f"SELECT sum(predict('house', {INPUTS})) FROM houses", 1),
        "plain": (f"SELECT {', '.join(f'sum({name.lower()})' for name in FIRST)} FROM houses", 1),
        "out": (f"SELECT id, predict('house', {INPUTS}) FROM houses", ROWS),
        "out_plain": ("SELECT id, crim FROM houses", ROWS),
    }
    score = ("SELECT * FROM bdc.score('house', 'SELECT * FROM houses')", ROWS)
    spent: dict[str, list[float]] = {name: [] for name in (*queries, "score")}
    with cluster() as place, tempfile.TemporaryDirectory(prefix="openbdc-", dir="/var/tmp") as folder:
        file = pathlib.Path(folder) / "houses.parquet"
        write_houses(file)
        load_file(Login.at(place), "houses", file, "HASH(id)")
        place.bdc("app", "create", "-s", str(HOUSE))
        with direct(place) as pool, place.sql() as master:
            for number in range((rounds or ROUNDS) + 1):
                for name, (sql, rows) in queries.items():
                    spent[name].append(seconds(pool, sql, rows))
                if number < 2:  # some ten seconds each
                    spent["score"].append(seconds(master, *score))
    took = {name: median(values[1:]) for name, values in spent.items()}
    return Report(
        "predict",
        (
            Figure("rows_per_s", ROWS / took["rows"], "rows/s", ">= 200000", f"without the app {ROWS / took['plain']:,.0f}"),
            Figure("out_rows_per_s", ROWS / took["out"], "rows/s", None, f"without the app {ROWS / took['out_plain']:,.0f}"),
            Figure("score_rows_per_s", ROWS / took["score"], "rows/s", None, "bdc.score through the master, as JSON"),
        ),
        (f"{ROWS:,} rows in two shards, {len(FIRST)} inputs; load average at the end {os.getloadavg()[0]:.1f}",),
        {"rounds": rounds or ROUNDS, "inputs": len(FIRST)},
    )
