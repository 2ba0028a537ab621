"""``rows_out``: two million rows of a Parquet virtual table through the master to a client, beside the same rows from a heap table
of the master to the same client, alternating."""

from __future__ import annotations

import time

import psycopg
from psycopg import pq

from benchmarks.remote import ROWS, add_rows
from benchmarks.report import Figure, Report, median
from tests.services import cluster as stage

COLUMNS = "id bigint, grp integer, amount numeric(12,2), made_on date, note text, share double precision"


def seconds(session: psycopg.Connection[tuple[object, ...]], table: str) -> float:
    """Read all rows with libpq in chunks, without turning them into Python objects."""
    connection = session.pgconn
    began = time.perf_counter()
    connection.send_query(f"SELECT * FROM {table}".encode())
    connection.set_chunked_rows_mode(1000)
    rows = 0
    while result := connection.get_result():
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.TUPLES_CHUNK):
            raise RuntimeError(result.get_error_message())
        rows += result.ntuples
    if rows != ROWS:
        raise RuntimeError(f"{rows} rows of {table} instead of {ROWS}")
    return time.perf_counter() - began


def run(rounds: int | None) -> Report:
    """Alternate both tables; the first round warms caches and does not count."""
    spent: dict[str, list[float]] = {"rows_parquet": [], "rows_heap": []}
    with stage.cluster() as place:
        add_rows(place)
        with place.sql() as session:
            session.execute(f"CREATE TABLE rows_heap ({COLUMNS})")
            session.execute("INSERT INTO rows_heap SELECT * FROM rows_parquet")
            session.execute("VACUUM ANALYZE rows_heap")
            for _ in range((rounds or 5) + 1):
                for table, values in spent.items():
                    values.append(seconds(session, table))
    parquet, heap = (median(values[1:]) for values in spent.values())
    return Report(
        "rows_out",
        (
            Figure("rows_per_s", ROWS / parquet, "rows/s", ">= 500000"),
            Figure("vs_heap", heap / parquet, "ratio", ">= 0.35", "our rate ÷ heap's"),
            Figure("heap_rows_per_s", ROWS / heap, "rows/s"),
        ),
        (f"Parquet {', '.join(f'{s:.2f}' for s in spent['rows_parquet'])} s; heap {', '.join(f'{s:.2f}' for s in spent['rows_heap'])} s",),
        {"rounds": rounds or 5},
    )
