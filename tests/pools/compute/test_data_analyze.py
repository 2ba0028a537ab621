"""ANALYZE of a table of the data pool: a sample is fetched, not the table, and the master then has whole joins done by the shards."""

from __future__ import annotations

import secrets
from typing import Any

import psycopg
import pyarrow as pa

from tests.services.data_pool import DataPool

ROWS = 40_000


def make(pool: DataPool, session: psycopg.Connection[Any]) -> str:
    name = f"analysed_{secrets.token_hex(4)}"
    columns = '[{"name": "id", "type": "bigint"}, {"name": "grp", "type": "integer"}]'
    session.execute("CALL bdc.create_data_table(%s, %s)", [name, columns])
    client = pool.client("admin")
    half = ROWS // 2
    parts = {
        number: pa.table({"id": pa.array(range(number * half, (number + 1) * half), pa.int64()), "grp": pa.array([7] * half, pa.int32())})
        for number in (0, 1)
    }
    client.load(f"public.{name}", parts)
    client.close()
    return name


def test_analyze_fetches_a_sample_and_knows_how_many_rows_there_are(data_pool: DataPool) -> None:
    with data_pool.connect("admin") as session:
        name = make(data_pool, session)
        session.execute("SET default_statistics_target = 10")
        session.execute(f"ANALYZE {name}".encode())
        row = session.execute("SELECT reltuples FROM pg_class WHERE relname = %s", [name]).fetchone()
        known = session.execute("SELECT attname, n_distinct FROM pg_stats WHERE tablename = %s ORDER BY 1", [name]).fetchall()
    assert row is not None and 0.8 * ROWS < row[0] < 1.2 * ROWS
    assert dict(known)["grp"] == 1 and dict(known)["id"] < 0


def test_the_rows_are_counted_for_the_question_of_analyze(data_pool: DataPool) -> None:
    with data_pool.connect("admin") as session, data_pool.direct("admin") as pool:
        name = make(data_pool, session)
        asked = f"SELECT reltuples, relkind FROM pg_catalog.pg_class WHERE oid = 'public.{name}'::pg_catalog.regclass"
        assert pool.execute(asked.encode()).fetchall() == [(ROWS, "f")]
