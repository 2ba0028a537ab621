"""Reads: what changes between the look at the segments and the statement, tables put at marks, readers that leave."""

from __future__ import annotations

import pathlib
import time
import uuid
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
from pyarrow import flight

from pools.data import reading
from pools.data.errors import ShardError
from tests.patience import PATIENCE
from tests.pools.data.stand import served, table

LONG = "SELECT sum(a.range * b.range)::DOUBLE FROM range(1000000) a, range(1000000) b"


def rows(*values: int) -> pa.Table:
    return pa.table({"a": pa.array(values, pa.int64())})


def test_marks_and_names_mean_the_same(tmp_path: pathlib.Path) -> None:
    of = table({"a": "bigint"})
    with served(tmp_path) as (client, _):
        client.load(of, rows(1, 2), 5)
        marked = client.column(of, 9, "SELECT x.a FROM \0t\0 AS x JOIN \0t\0 AS y ON x.a = y.a ORDER BY 1")
        assert marked == client.column(of, 9, "SELECT a FROM t ORDER BY 1") == [1, 2]
        assert client.column(of, 9, "WITH w AS (SELECT a FROM \0t\0) SELECT sum(a)::BIGINT FROM w") == [3]


def test_a_load_that_comes_between_is_not_seen(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a segment that the first look did not know are in the statement's transaction: it is run again, pinned."""
    of, late, plain = table({"a": "bigint"}), str(uuid.uuid4()), reading.streamed
    with served(tmp_path) as (client, _):
        client.load(of, rows(1), 5)

        def later(cursor: duckdb.DuckDBPyConnection, sql: str) -> pa.RecordBatchReader:
            monkeypatch.setattr(reading, "streamed", plain)
            client.put(of, rows(2), late)
            return plain(cursor, sql)

        monkeypatch.setattr(reading, "streamed", later)
        assert client.column(of, 9) == [1]


def test_the_private_call_answers_as_the_public_one() -> None:
    """``streamed`` stands on a call that DuckDB does not promise: with another version this is the first to fail."""
    with duckdb.connect(":memory:") as session:
        sql = "SELECT range AS a, range::VARCHAR AS b FROM range(100000)"
        assert reading.streamed(session, sql).read_all() == session.sql(sql).to_arrow_table()


@pytest.mark.parametrize(("a", "b"), [("2.50", "4.00"), ("999999999.99", "999999999.99")])
def test_products_that_64_bits_do_not_hold_are_computed_all_the_same(tmp_path: pathlib.Path, a: str, b: str) -> None:
    of, type_ = table({"a": "numeric(15,2)", "b": "numeric(15,2)"}), pa.decimal128(15, 2)
    product = Decimal(a) * Decimal(b)
    with served(tmp_path) as (client, _):
        client.load(of, pa.table({"a": pa.array([Decimal(a)], type_), "b": pa.array([Decimal(b)], type_)}), 5)
        sql = "SELECT sum(CAST(a AS DECIMAL(19,2)/*15*/) * CAST(b AS DECIMAL(15,2))) AS c0 FROM \0t\0 AS t"
        assert client.column(of, 9, sql, types=["DECIMAL(38,4)"]) == [product]


@pytest.mark.parametrize("told", [{"types": ["DOUBLE"]}, {"types": ["DOUBLE"], "output": ["double precision"]}])
def test_a_reader_that_leaves_stops_the_statement(tmp_path: pathlib.Path, told: dict[str, list[str]]) -> None:
    of = table({"a": "bigint"})
    with served(tmp_path) as (client, shard):
        client.load(of, rows(1), 5)
        claims = {"tables": [of | {"alias": "t"}], "snapshot": 9, "pending": [], "sql": LONG} | told
        reader = client.flight.do_get(flight.Ticket(client.ticket("read", **claims)))
        assert reader.schema.types == [pa.float64()]  # before the rows are computed
        time.sleep(0.3)
        assert shard.store.ledger._readers
        reader.cancel()
        deadline = time.monotonic() + PATIENCE
        while shard.store.ledger._readers:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_cancelling_what_has_ended_is_harmless(tmp_path: pathlib.Path) -> None:
    """The thread that looks after readers must outlive it."""
    of = table({"a": "bigint"})
    with served(tmp_path) as (client, shard):
        client.load(of, rows(1), 5)
        answer = shard.read(client.ticket("read", tables=[of | {"alias": "t"}], snapshot=9, pending=[], sql="SELECT a FROM t"))
        answer.close()
        answer.cancel()


def test_integers_come_beside_a_ticket(tmp_path: pathlib.Path) -> None:
    """One ticket for all keys of a statement; nothing but integers, as many as it has places."""
    of = table({"a": "bigint"})
    with served(tmp_path) as (client, shard):
        client.load(of, rows(*range(10)), 5)
        sql = ["SELECT a FROM \0t\0 AS t WHERE a >= ", " AND a < ", " ORDER BY 1"]
        ticket = client.ticket("read", tables=[of | {"alias": "t"}], snapshot=9, pending=[], sql=sql)
        for values, expected in (("3,5", [3, 4]), ("0,1", [0]), ("9223372036854775807,1", [])):
            found = client.flight.do_get(flight.Ticket(f"{ticket} {values}".encode())).read_all()
            assert found.column(0).to_pylist() == expected
        for wrong in ("", " 3", " 3,5,7", " 3,a", " 3,-5", " 3, 5", " 3,5 OR true", " 3,\u0665", " 3,5\n"):
            with pytest.raises(ShardError) as refused:
                shard.read(ticket + wrong)
            assert refused.value.code == "08P01"
