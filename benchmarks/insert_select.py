"""``insert_select``: INSERT … SELECT of a million rows of a local table of the master into a table of the data pool, beside the same
into another local table; alternating."""

from __future__ import annotations

import json
import time

import psycopg

from benchmarks.report import Figure, Report, median
from tests.services import cluster as stage

ROWS = 1_000_000
COLUMNS = {
    "id": "bigint",
    "grp": "integer",
    "amount": "numeric(12,2)",
    "made_on": "date",
    "note": "text",
    "share": "double precision",
}
SOURCE = f"""CREATE TABLE insert_source AS
    SELECT n::bigint AS id, (n % 1000)::integer AS grp, ((n % 100000)::numeric / 100)::numeric(12,2) AS amount,
        date '2024-01-01' + (n % 365)::integer AS made_on, 'note ' || n % 5000 AS note, n * 0.5::double precision AS share
    FROM generate_series(1, {ROWS}) AS n"""
TOTALS = "SELECT count(*), sum(id), sum(amount), max(note) FROM {}"
TARGETS = ("insert_pool", "insert_heap")


def _prepare(session: psycopg.Connection[tuple[object, ...]]) -> None:
    session.execute(SOURCE.encode())
    session.execute("VACUUM ANALYZE insert_source")
    session.execute("CREATE TABLE insert_heap (LIKE insert_source)")
    columns = json.dumps([{"name": name, "type": of} for name, of in COLUMNS.items()])
    session.execute("CALL bdc.create_data_table('insert_pool', %s::jsonb, 'HASH(id)')", [columns])


def _seconds(session: psycopg.Connection[tuple[object, ...]], target: str) -> float:
    session.execute(f"TRUNCATE {target}".encode())
    began = time.perf_counter()
    session.execute(f"INSERT INTO {target} SELECT * FROM insert_source".encode())
    spent = time.perf_counter() - began
    found, wanted = (session.execute(TOTALS.format(table).encode()).fetchone() for table in (target, "insert_source"))
    if found != wanted:
        raise RuntimeError(f"{target} holds {found} instead of {wanted}")
    return spent


def run(rounds: int | None) -> Report:
    """Alternate both targets; the first round warms up and does not count."""
    spent: dict[str, list[float]] = {target: [] for target in TARGETS}
    with stage.cluster() as place, place.sql() as session:
        _prepare(session)
        for _ in range((rounds or 5) + 1):
            for target in TARGETS:
                spent[target].append(_seconds(session, target))
    pool, heap = (median(spent[target][1:]) for target in TARGETS)
    return Report(
        "insert_select",
        (
            Figure("rows_per_s", ROWS / pool, "rows/s", ">= 150000"),
            Figure("vs_heap", heap / pool, "ratio", None, "our rate ÷ that of a local table"),
            Figure("heap_rows_per_s", ROWS / heap, "rows/s"),
        ),
        tuple(f"{target}: {', '.join(f'{one:.2f}' for one in spent[target])} s" for target in TARGETS),
        {"rounds": rounds or 5},
    )
