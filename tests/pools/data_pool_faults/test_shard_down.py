"""What is asked while a shard is down: one clear error that names it, or the right answer where that shard is not needed."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from pyarrow import flight

from tests.pools.compute.loads.rows import eventually, ids, make_table, spread
from tests.services.data_pool import DataPool, refusal

NAMED = "shard 1 of the data pool does not answer"


@pytest.fixture
def table(data_pool: DataPool) -> Iterator[str]:
    """Rows 1 to 20 by hash; shard 1 is down."""
    table = make_table(data_pool, "HASH(id)", "id")
    with data_pool.connect("alice") as alice:
        alice.execute(f"INSERT INTO {table} SELECT i, 'row' FROM generate_series(1, 20) AS i")
    data_pool.shards[1].kill()
    try:
        yield table
    finally:
        data_pool.shards[1].start()
        eventually(lambda: _answers(data_pool, table), 60)
    assert ids(data_pool, table) == list(range(1, 21))


def _answers(pool: DataPool, table: str) -> bool:
    """Those who read and those who carry loads have connections of their own to a shard."""
    with pool.connect("alice") as alice:
        try:
            alice.execute(f"SELECT count(*) FROM {table}".encode())
            return alice.execute("SELECT count(*) FROM bdc.data_stats(%s) WHERE error IS NULL", [table]).fetchone() == (2,)
        except psycopg.OperationalError:
            return False


def test_statements_that_need_it(data_pool: DataPool, table: str) -> None:
    statements = ("SELECT count(*) FROM {}", "UPDATE {} SET name = 'x'")
    with data_pool.connect("alice") as alice:
        for statement in statements:
            with pytest.raises(psycopg.OperationalError, match=NAMED) as refused:
                alice.execute(statement.format(table).encode())
            assert "bdc status" in (refused.value.diag.message_hint or "")
    with pytest.raises(psycopg.OperationalError, match=NAMED):  # its tables are to lie on all shards
        make_table(data_pool)


def test_rows_of_the_other_shard_are_read(data_pool: DataPool, table: str) -> None:
    """A key decides which shard is asked."""
    read, refused = 0, 0
    with data_pool.connect("alice") as alice:
        for number in range(1, 21):
            try:
                found = alice.execute(f"SELECT id FROM {table} WHERE id = {number}".encode()).fetchall()
            except psycopg.OperationalError as error:
                assert NAMED in str(error)
                refused += 1
            else:
                assert found == [(number,)]
                read += 1
    assert read > 0 and refused > 0


def test_a_load_that_was_begun(data_pool: DataPool, table: str) -> None:
    """Rows for it can't be sent, by way of the coordinator either; the load is given up and leaves nothing."""
    client = data_pool.client("alice")
    load = client.ask("begin", {"table": table})
    client.put(load, {0: spread(100)[0]})
    with pytest.raises(flight.FlightError) as refused:
        client.put(load, {1: spread(101)[1]}, relay=True)
    assert refusal(refused.value)["message"] == NAMED
    with pytest.raises(flight.FlightError):
        client.put(load, {1: spread(101)[1]})
    assert client.ask("abort", {"load": load["load"]})["state"] == "aborted"
    client.close()
