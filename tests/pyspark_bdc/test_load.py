"""The client's half of the load protocol against a real coordinator and real shards; no Spark."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from pyspark_bdc.begin import begin_write
from pyspark_bdc.errors import BdcError, OptionError, UnreachableError
from pyspark_bdc.targets import Field
from pyspark_bdc.task import Account, Task
from pyspark_bdc.write_options import parse
from tests.services.data_pool import PASSWORD, DataPool

FIELDS = [Field("id", "bigint"), Field("name", "string"), Field("price", "decimal(12,2)")]
ROWS = 1000


@pytest.fixture
def table() -> str:
    return f"load_{secrets.token_hex(4)}"


def rows(first: int = 0, count: int = ROWS) -> pa.RecordBatch:
    numbers = range(first, first + count)
    return pa.record_batch(
        {
            "id": pa.array(numbers, pa.int64()),
            "name": pa.array([None if i % 7 == 0 else f"name {i}" for i in numbers], pa.string()),
            "price": pa.array([Decimal(i) / 100 for i in numbers], pa.decimal128(12, 2)),
        }
    )


def begun(
    pool: DataPool, table: str, fields: Sequence[Field] = FIELDS, *, user: str = "admin", overwrite: bool = False, **more: str
) -> Task:
    given = {"host": "127.0.0.1", "port": str(pool.master.port), "user": user, "password": PASSWORD, "dbtable": f"public.{table}"}
    return begin_write(parse(given | more, overwrite=overwrite), fields)


def commit(task: Task, accounts: Sequence[Account]) -> dict[str, Any]:
    return task.load.commit([(one.partition, one.attempt, one.rows) for one in accounts])


def counted(pool: DataPool, table: str, what: str = "count(*), sum(id), count(name)") -> tuple[Any, ...]:
    with pool.connect("admin") as session:
        row = session.execute(f"SELECT {what} FROM {table}".encode()).fetchone()
    assert row is not None
    return row


def batches(*given: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    return iter(given)


@pytest.mark.parametrize("distribution", ["HASH(id)", "ROUND_ROBIN", "REPLICATED"])
@pytest.mark.parametrize("relay", ["never", "always"])
def test_rows_are_there_after_commit_and_not_before(data_pool: DataPool, table: str, distribution: str, relay: str) -> None:
    task = begun(data_pool, table, distribution=distribution, relay=relay)
    accounts = [task.send(number, batches(rows(number * ROWS), rows(10_000 + number * ROWS))) for number in range(3)]
    assert counted(data_pool, table)[0] == 0
    commit(task, accounts)
    numbers = [*range(3 * ROWS), *range(10_000, 10_000 + 3 * ROWS)]
    assert counted(data_pool, table) == (6 * ROWS, sum(numbers), sum(1 for i in numbers if i % 7))
    sent = sum(itertools.chain.from_iterable(one.rows.values() for one in accounts))
    assert sent == 6 * ROWS * (2 if distribution == "REPLICATED" else 1)


def test_only_the_attempts_that_the_driver_names_count(data_pool: DataPool, table: str) -> None:
    task = begun(data_pool, table)
    task.send(0, batches(rows()))
    second = task.send(0, batches(rows()))
    commit(task, [second])
    assert counted(data_pool, table)[0] == ROWS


def test_overwrite_replaces_all(data_pool: DataPool, table: str) -> None:
    for first in (0, 5000):
        task = begun(data_pool, table, overwrite=True)
        commit(task, [task.send(0, batches(rows(first)))])
    assert counted(data_pool, table, "count(*), min(id)") == (ROWS, 5000)
    commit(begun(data_pool, table, overwrite=True), [])
    assert counted(data_pool, table)[0] == 0


def test_upsert_by_key(data_pool: DataPool, table: str) -> None:
    task = begun(data_pool, table, primaryKey="id", distribution="HASH(id)")
    commit(task, [task.send(0, batches(rows()))])
    task = begun(data_pool, table, writeMode="upsert")
    commit(task, [task.send(0, batches(rows(ROWS // 2)))])
    assert counted(data_pool, table, "count(*), count(DISTINCT id)") == (ROWS + ROWS // 2,) * 2


def test_the_same_load_id_is_loaded_once(data_pool: DataPool, table: str) -> None:
    load_id = secrets.token_hex(8)
    task = begun(data_pool, table, loadId=load_id)
    commit(task, [task.send(0, batches(rows()))])
    again = begun(data_pool, table, loadId=load_id)
    assert (again.load.state, counted(data_pool, table)[0]) == ("committed", ROWS)


def test_the_load_of_a_killed_driver_is_taken_over_by_its_id(data_pool: DataPool, table: str) -> None:
    load_id = secrets.token_hex(8)
    killed = begun(data_pool, table, loadId=load_id)
    left = killed.send(0, batches(rows()))
    task = begun(data_pool, table, loadId=load_id)
    commit(task, [task.send(0, batches(rows()))])
    with pytest.raises(BdcError, match="begun again"):  # the first one lives after all
        commit(killed, [left])
    assert counted(data_pool, table)[0] == ROWS


def test_rivals_of_one_partition_at_once(data_pool: DataPool, table: str) -> None:
    """As with speculation: both send, Spark names the one that it lets commit, the other one may end after that."""
    task = begun(data_pool, table)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: task.send(0, batches(rows(), rows(ROWS))), range(2))
    assert first.attempt != second.attempt
    commit(task, [first])
    with pytest.raises(BdcError):
        task.send(0, batches(rows()))
    assert counted(data_pool, table)[0] == 2 * ROWS


def test_if_exists(data_pool: DataPool, table: str) -> None:
    task = begun(data_pool, table, ifExists="error")
    commit(task, [task.send(0, batches(rows()))])
    with pytest.raises(BdcError, match="exist"):
        begun(data_pool, table, ifExists="error")
    assert begun(data_pool, table, ifExists="ignore").load.state == "ignored"
    assert counted(data_pool, table)[0] == ROWS


def test_an_aborted_load_leaves_nothing(data_pool: DataPool, table: str) -> None:
    task = begun(data_pool, table)
    account = task.send(0, batches(rows()))
    task.load.abort("changed my mind")
    with pytest.raises(BdcError, match="abort"):
        commit(task, [account])
    with pytest.raises(psycopg.errors.UndefinedTable):  # the load had made it
        counted(data_pool, table)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ([Field("id", "string")], "'id': the DataFrame has string, the table bigint"),
        ([Field("id", "bigint"), Field("extra", "int")], "no column 'extra'"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused_before_any_row(data_pool: DataPool, table: str, fields: list[Field], said: str) -> None:
    commit(begun(data_pool, table), [])
    with pytest.raises(OptionError, match=said):
        begun(data_pool, table, fields)


def test_null_in_a_key_is_refused_by_its_name(data_pool: DataPool, table: str) -> None:
    task = begun(data_pool, table, primaryKey="id")
    bad = rows().set_column(0, "id", pa.array([None] * ROWS, pa.int64()))
    with pytest.raises(BdcError, match="id"):
        task.send(0, batches(bad))


def test_a_wrong_password_and_missing_rights(data_pool: DataPool, table: str) -> None:
    commit(begun(data_pool, table), [])
    given = {"host": "127.0.0.1", "port": str(data_pool.master.port), "user": "alice", "dbtable": f"public.{table}"}
    with pytest.raises(UnreachableError, match="alice"):
        begin_write(parse(given | {"password": "wrong"}, overwrite=False), FIELDS)
    with pytest.raises(BdcError, match="permission denied"):
        begun(data_pool, table, user="alice")


def test_ten_thousand_small_pieces_are_one_stream_per_shard(data_pool: DataPool, table: str) -> None:
    task = begun(data_pool, table, distribution="HASH(id)")
    account = task.send(0, batches(*(rows(number, 1) for number in range(2_000))))
    commit(task, [account])
    assert counted(data_pool, table)[0] == 2_000
