"""A shard dies while its rows are being read: the query ends with an error that names it, never with the rows that came until then."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.pools.compute.loads.rows import eventually, make_table
from tests.services.data_pool import DataPool

KEYS, EACH = 20, 500
ROWS = KEYS * EACH * EACH
"""Of the join, which each shard computes for its keys: 5 million, far more than lies ready anywhere between a shard and a client."""

JOIN = "SELECT a.name, b.name FROM {0} AS a JOIN {0} AS b ON a.id = b.id"


@pytest.fixture
def table(data_pool: DataPool) -> Iterator[str]:
    """Few keys, each with many rows, on both shards."""
    table = make_table(data_pool, "HASH(id)")
    with data_pool.connect("alice") as alice:
        alice.execute(f"INSERT INTO {table} SELECT i % {KEYS}, repeat('x', 20) || i FROM generate_series(1, {KEYS * EACH}) AS i".encode())
    yield table
    data_pool.shards[1].start()
    with data_pool.connect("alice") as alice:
        eventually(lambda: _counts(alice, table), 60)


def _counts(alice: psycopg.Connection[object], table: str) -> bool:
    try:
        return alice.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (KEYS * EACH,)
    except psycopg.OperationalError:
        return False


@pytest.mark.parametrize(("way", "how"), [("master", "kill"), ("direct", "stop")])
def test_an_error_and_no_half_answer(data_pool: DataPool, table: str, way: str, how: str) -> None:
    """``stop``: told to end (SIGTERM), its time for streams runs out."""
    connection = data_pool.connect("alice") if way == "master" else data_pool.direct("alice")
    with connection as alice, alice.transaction():
        if way == "master":
            for join in ("hashjoin", "mergejoin", "nestloop"):
                alice.execute(f"SET LOCAL enable_{join} = off".encode())  # else it might read both tables whole, and join them itself
        alice.execute(f"DECLARE rows NO SCROLL CURSOR FOR {JOIN.format(table)}".encode())
        read = len(alice.execute("FETCH 100 FROM rows").fetchall())
        assert read == 100
        getattr(data_pool.shards[1], how)()
        with pytest.raises(psycopg.OperationalError, match="shard 1 of the data pool") as refused:
            while found := alice.execute("FETCH 200000 FROM rows").fetchall():
                read += len(found)
        assert refused.value.sqlstate is not None and refused.value.sqlstate[:2] in ("08", "57") and read < ROWS
        raise psycopg.Rollback
