"""One load per micro-batch, exactly once: tasks join it, a repeated batch finds it done, another run takes its place; no Spark."""

from __future__ import annotations

import secrets

import pytest

from pyspark_bdc import streams
from pyspark_bdc.errors import BdcError, OptionError
from pyspark_bdc.logins import logged_in
from pyspark_bdc.streams import MicroBatch, Stream
from pyspark_bdc.task import Account
from pyspark_bdc.write_options import parse_stream, without_password
from tests.pyspark_bdc.test_load import FIELDS, ROWS, batches, counted, rows
from tests.services.data_pool import PASSWORD, DataPool


@pytest.fixture
def table() -> str:
    return f"stream_{secrets.token_hex(4)}"


def stream(pool: DataPool, table: str, **more: str) -> Stream:
    given = {"host": "127.0.0.1", "port": str(pool.master.port), "user": "admin", "password": PASSWORD, "dbtable": f"public.{table}"}
    options = parse_stream(given | {"checkpointLocation": "/tmp/c", "queryName": "q"} | more, overwrite=False)
    return Stream(logged_in(options.address, options.flight), without_password(options), tuple(FIELDS))


def batch(number: int, run: str = "first run", query: str = "query") -> MicroBatch:
    return MicroBatch(query, run, str(number))


def test_tasks_share_the_load_of_their_batch(data_pool: DataPool, table: str) -> None:
    given = stream(data_pool, table)
    for number in (0, 1):
        tasks = [given.join(batch(number)) for _ in range(3)]
        sent = [(task.load, task.send(place, batches(rows(place * ROWS)))) for place, task in enumerate(tasks)]
        assert counted(data_pool, table)[0] == 3 * ROWS * number
        streams.commit(sent)
        assert counted(data_pool, table)[0] == 3 * ROWS * (number + 1)


def test_a_batch_that_was_committed_is_not_written_again(data_pool: DataPool, table: str) -> None:
    given = stream(data_pool, table)
    task = given.join(batch(0))
    streams.commit([(task.load, task.send(0, batches(rows())))])
    again = given.join(batch(0, run="second run"))
    assert again.load.state == "committed"
    streams.commit([(again.load, Account(0, 0, {}))])
    assert counted(data_pool, table)[0] == ROWS


def test_another_run_takes_the_place_of_the_first(data_pool: DataPool, table: str) -> None:
    given = stream(data_pool, table)
    old = given.join(batch(0))
    left = old.send(0, batches(rows()))
    new = given.join(batch(0, run="second run"))
    account = new.send(0, batches(rows()))
    assert new.load.id != old.load.id
    with pytest.raises(BdcError, match="begun again"):
        streams.commit([(old.load, left)])
    streams.commit([(new.load, account)])
    assert counted(data_pool, table)[0] == ROWS


def test_a_failed_batch_is_aborted_and_tried_again(data_pool: DataPool, table: str) -> None:
    given = stream(data_pool, table)
    task = given.join(batch(0))
    task.send(0, batches(rows()))
    streams.abort([task.load])
    task = given.join(batch(0))
    streams.commit([(task.load, task.send(0, batches(rows())))])
    assert counted(data_pool, table)[0] == ROWS


def test_join_needs_to_know_the_driver(data_pool: DataPool, table: str) -> None:
    given = stream(data_pool, table)
    with pytest.raises(BdcError, match="22023"):
        given.login.ask("begin", {"table": f"public.{table}", "mode": "append", "join": True, "load_id": "a"})


@pytest.mark.parametrize(("option", "value"), [("loadId", "a"), ("ifExists", "error"), ("target", "local")])
def test_options_that_make_no_sense_for_a_stream(option: str, value: str) -> None:
    given = {"host": "127.0.0.1", "user": "ann", "password": "x", "dbtable": "t", option: value}
    with pytest.raises(OptionError, match=option):
        parse_stream(given, overwrite=False)
