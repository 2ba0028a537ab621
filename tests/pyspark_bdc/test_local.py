"""Local tables as a target, against a real PostgreSQL: staged per task, moved in one transaction, nothing left; no Spark."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from pyspark_bdc.errors import BdcError, OptionError, WriteError
from pyspark_bdc.local import STAGING, LocalLoad, Staged, begin_local
from pyspark_bdc.targets import Field
from pyspark_bdc.write_options import parse
from tests.patience import PATIENCE
from tests.services.postgresql import PostgresqlServer

LOGIN = {"host": "127.0.0.1", "user": "ann", "password": "x"}
FIELDS = [Field("id", "bigint"), Field("name", "string"), Field("price", "decimal(12,2)")]


@pytest.fixture
def server(postgresql: PostgresqlServer) -> Iterator[PostgresqlServer]:
    """With a schema ``local`` of its own: ``t`` has a key, ``u`` has none."""
    with postgresql.connect() as connection:
        connection.execute("DROP SCHEMA IF EXISTS local CASCADE; CREATE SCHEMA local")
        connection.execute("CREATE TABLE local.t (id int PRIMARY KEY, name varchar(10), price numeric(10,2) CHECK (price >= 0))")
    yield postgresql


def begun(
    server: PostgresqlServer, fields: Sequence[Field] = FIELDS, *, table: str = "local.t", overwrite: bool = False, **more: str
) -> LocalLoad:
    login = {"host": "127.0.0.1", "port": str(server.port), "user": server.user, "password": server.password, "database": "postgres"}
    return begin_local(parse(login | {"dbtable": table} | more, overwrite=overwrite, local=True), fields)


def rows(first: int, count: int = 10, price: str = "1.50") -> Iterator[pa.RecordBatch]:
    numbers = range(first, first + count)
    for part in (numbers[: count // 2], numbers[count // 2 :]):
        yield pa.record_batch(
            {
                "id": pa.array(part, pa.int64()),
                "name": pa.array([f"n {i}" for i in part], pa.string()),
                "price": pa.array([Decimal(price)] * len(part), pa.decimal128(12, 2)),
            }
        )


def asked(server: PostgresqlServer, sql: str) -> list[tuple[Any, ...]]:
    with server.connect() as connection:
        return connection.execute(sql.encode()).fetchall()


def ran(server: PostgresqlServer, sql: str) -> None:
    with server.connect() as connection:
        connection.execute(sql.encode())


def left(server: PostgresqlServer) -> list[tuple[Any, ...]]:
    return asked(server, f"SELECT relname FROM pg_class WHERE relname LIKE '{STAGING}%'")


def test_winners_rows_are_moved_and_nothing_is_left(server: PostgresqlServer) -> None:
    load = begun(server)
    load.send(rows(0))  # an attempt that loses
    staged = [load.send(rows(0)), load.send(rows(10)), load.send(iter([]))]
    assert asked(server, "SELECT count(*) FROM local.t") == [(0,)]
    assert len(left(server)) == 3
    load.commit(staged)
    assert asked(server, "SELECT count(*), sum(id), min(name), sum(price) FROM local.t") == [(20, 190, "n 0", Decimal("30.00"))]
    assert left(server) == []


def test_abort_leaves_nothing(server: PostgresqlServer) -> None:
    load = begun(server)
    load.send(rows(0))
    load.abort()
    assert (asked(server, "SELECT count(*) FROM local.t"), left(server)) == ([(0,)], [])


def test_overwrite_and_upsert(server: PostgresqlServer) -> None:
    for load, first in ((begun(server), 0), (begun(server, overwrite=True), 5), (begun(server, writeMode="upsert"), 10)):
        load.commit([load.send(rows(first, price="2.00" if first == 10 else "1.00"))])
    assert asked(server, "SELECT min(id), count(*), count(*) FILTER (WHERE price = 2) FROM local.t") == [(5, 15, 10)]
    begun(server, overwrite=True).commit([])
    assert asked(server, "SELECT count(*) FROM local.t") == [(0,)]
    ran(server, "CREATE TABLE local.u (id bigint)")
    with pytest.raises(OptionError, match="no primary key"):
        begun(server, FIELDS[:1], table="local.u", writeMode="upsert")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda: rows(2**33), "integer out of range"),
        (lambda: rows(0, price="-1"), "check constraint"),
        (lambda: rows(10**9), "too long"),
        (lambda: iter([*rows(0), *rows(0)]), "duplicate key"),
    ],
)
def test_one_bad_row_and_nothing_is_there(server: PostgresqlServer, given: Any, said: str) -> None:
    load = begun(server)
    staged = [load.send(rows(100)), load.send(given())]
    with pytest.raises(WriteError, match=said):
        load.commit(staged)
    load.abort()
    assert (asked(server, "SELECT count(*) FROM local.t"), left(server)) == ([(0,)], [])


def test_a_value_that_would_be_rounded_is_refused(server: PostgresqlServer) -> None:
    fields = [Field("id", "bigint"), Field("price", "decimal(12,4)")]
    for price, fits in (("1.5000", True), ("1.5050", False)):
        batch = pa.record_batch({"id": pa.array([7], pa.int64()), "price": pa.array([Decimal(price)], pa.decimal128(12, 4))})
        load = begun(server, fields, overwrite=True)
        staged = [load.send(iter([batch]))]
        if fits:
            load.commit(staged)
        else:
            with pytest.raises(WriteError, match=r"'price': a value has more digits than numeric\(10,2\) holds"):
                load.commit(staged)
            load.abort()
    assert asked(server, "SELECT price FROM local.t") == [(Decimal("1.50"),)]


def test_every_type_of_spark(server: PostgresqlServer) -> None:
    now = datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
    given: list[tuple[str, str, pa.Array[Any], Any]] = [
        ("b", "boolean", pa.array([True]), True), ("t", "tinyint", pa.array([-1], pa.int8()), -1),
        ("s", "smallint", pa.array([2], pa.int16()), 2), ("i", "int", pa.array([3], pa.int32()), 3),
        ("f", "float", pa.array([0.5], pa.float32()), 0.5), ("d", "double", pa.array([0.1]), 0.1),
        ("n", "decimal(38,18)", pa.array([Decimal("1.5")], pa.decimal128(38, 18)), Decimal("1.500000000000000000")),
        ("y", "binary", pa.array([b"\x00\xff"]), b"\x00\xff"), ("day", "date", pa.array([now.date()]), now.date()),
        ("at", "timestamp", pa.array([now], pa.timestamp("us", "UTC")), now),
        ("wall", "timestamp_ntz", pa.array([now.replace(tzinfo=None)], pa.timestamp("us")), now.replace(tzinfo=None)),
        ("a", "array<string>", pa.array([["x", None]], pa.list_(pa.string())), ["x", None]),
        ("nothing", "string", pa.array([None], pa.string()), None),
    ]  # fmt: skip
    load = begun(server, [Field(name, spark) for name, spark, _, _ in given], table="local.made", primaryKey="i")
    load.commit([load.send(iter([pa.RecordBatch.from_arrays([each[2] for each in given], names=[each[0] for each in given])]))])
    assert asked(server, "SELECT * FROM local.made") == [tuple(each[3] for each in given)]


def test_texts_become_what_the_table_has(server: PostgresqlServer) -> None:
    ran(server, "CREATE TABLE local.u (k uuid, j jsonb, a int[])")
    load = begun(server, [Field("k", "string"), Field("j", "string"), Field("a", "string")], table="local.u")
    load.commit([load.send(iter([pa.record_batch({"k": ["a1b2c3d4-0000-0000-0000-000000000001"], "j": ['{"a": 1}'], "a": ["{1,2}"]})]))])
    assert asked(server, "SELECT j ->> 'a', a FROM local.u") == [("1", [1, 2])]


def test_if_exists(server: PostgresqlServer) -> None:
    with pytest.raises(WriteError, match="already exists"):
        begun(server, ifExists="error")
    load = begun(server, ifExists="ignore")
    load.commit([load.send(rows(0))])
    assert asked(server, "SELECT count(*) FROM local.t") == [(0,)]


def test_the_table_is_locked_when_asked(server: PostgresqlServer) -> None:
    load = begun(server, tableLock="true", mssqlIsolationLevel="REPEATABLE_READ")
    staged = [load.send(rows(0))]
    with server.connect() as other:
        other.autocommit = False
        other.execute("INSERT INTO local.t VALUES (100)")
        moving = threading.Thread(target=load.commit, args=(staged,))
        moving.start()
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ExclusiveLock' AND relation = 'local.t'::regclass"
        deadline = time.monotonic() + PATIENCE
        while asked(server, waits) != [(1,)]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        other.commit()
        moving.join(30)
    assert asked(server, "SELECT count(*) FROM local.t") == [(11,)]


def test_what_a_killed_driver_left_goes_with_the_next_write(server: PostgresqlServer) -> None:
    abandoned, fresh = f"{STAGING}0000000001_ab_cd", f"{STAGING}{int(time.time()):010x}_ab_cd"
    ran(server, f"CREATE UNLOGGED TABLE local.{abandoned} (); CREATE UNLOGGED TABLE local.{fresh} ()")
    begun(server)
    assert left(server) == [(fresh,)]


def test_an_answer_that_got_lost_is_found_out(server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    load = begun(server)
    staged = [load.send(rows(0))]
    move = LocalLoad._move

    def lost(self: LocalLoad, winners: Sequence[Staged]) -> None:
        from pyspark_bdc.errors import UnreachableError

        move(self, winners)
        self.send(rows(1))  # a speculative copy of a task ends only now
        raise UnreachableError("the line broke")

    monkeypatch.setattr(LocalLoad, "_move", lost)
    load.commit(staged)
    assert asked(server, "SELECT count(*) FROM local.t") == [(10,)]


def test_rows_that_a_crash_took_are_missed(server: PostgresqlServer) -> None:
    load = begun(server)
    staged = load.send(rows(0))
    ran(server, f"TRUNCATE local.{staged.table}")
    with pytest.raises(WriteError, match="the master lost rows"):
        load.commit([staged])


@pytest.mark.parametrize(
    ("option", "value"), [("distribution", "HASH(id)"), ("loadId", "a"), ("keepNulls", "false"), ("fireTriggers", "false")]
)
def test_options_of_the_data_pool_are_refused(option: str, value: str) -> None:
    with pytest.raises(OptionError, match=option.lower()):
        begin_local(parse(LOGIN | {"dbtable": "local.t", option: value}, overwrite=False, local=True), FIELDS)


def test_identities_are_kept_when_asked(server: PostgresqlServer) -> None:
    ran(server, "CREATE TABLE local.u (id bigint GENERATED ALWAYS AS IDENTITY, name text)")
    for keep in ("false", "true"):
        load = begun(server, FIELDS[:2], table="local.u", keepIdentity=keep)
        staged = [load.send(batch.select(["id", "name"]) for batch in rows(50))]
        if keep == "true":
            load.commit(staged)
        else:
            with pytest.raises(BdcError, match="non-DEFAULT"):
                load.commit(staged)
            load.abort()
    assert asked(server, "SELECT min(id), count(*) FROM local.u") == [(50, 10)]
