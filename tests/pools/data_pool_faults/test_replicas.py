"""A replicated table of which one shard is down, or has lost its folder: it is not written, it is read from another one, and the shard that
lost its rows serves it again once it has them all.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import psycopg
import pytest
from pyarrow import flight

from tests.pools.compute.loads.rows import eventually, ids, make_table, rows
from tests.services.data_pool import Client, DataPool, Service, data_pool, refusal, send

SECONDS = 120
READS = 8
"""Each of two shards would be asked several times."""


@pytest.fixture(scope="module")
def pool() -> Iterator[DataPool]:
    """One of its own: shards are lost in it."""
    with data_pool(shards=2) as made:
        yield made


@pytest.fixture
def alice(pool: DataPool) -> Iterator[Client]:
    client = pool.client("alice")
    yield client
    client.close()


@pytest.fixture
def table(pool: DataPool, alice: Client) -> str:
    """Rows 1 to 3 on both shards."""
    made = make_table(pool, "REPLICATED", "id")
    alice.load(made, {shard: rows(1, 2, 3) for shard in (0, 1)})
    return made


def lose(shard: Service) -> None:
    """Its folder is gone; it comes back as another one, empty."""
    shard.kill()
    shutil.rmtree(shard.folder / "rows")
    shard.start()


def served_by(pool: DataPool, alice: Client, table: str) -> set[int]:
    """The shards that readers of the whole table are sent to."""
    return {alice.ask("read", {"table": table})["parts"][0]["shard"] for _ in range(READS)}


def refilled(pool: DataPool, alice: Client, table: str) -> None:
    """Wait for that; both shards have the rows then."""
    eventually(lambda: served_by(pool, alice, table) == {0, 1}, SECONDS)
    for _ in range(READS):
        assert ids(pool, table) == [1, 2, 3]
    with pool.connect("alice") as connection:
        found = connection.execute("SELECT shard, rows FROM bdc.data_stats(%s)", [table]).fetchall()
    assert found == [(0, 3), (1, 3)]


def test_one_is_down(pool: DataPool, alice: Client, table: str) -> None:
    pool.shards[1].kill()
    try:
        for _ in range(READS):
            assert ids(pool, table) == [1, 2, 3]
            part = alice.ask("read", {"table": table})["parts"][0]
            assert part["shard"] == 0
        with pool.connect("alice") as connection:
            for statement in ("INSERT INTO {} VALUES (4, 'x')", "UPDATE {} SET name = 'x'", "DELETE FROM {}"):
                with pytest.raises(psycopg.OperationalError, match="shard 1 of the data pool does not answer"):
                    connection.execute(statement.format(table).encode())
        load = alice.ask("begin", {"table": table})
        alice.put(load, {0: rows(4)})
        with pytest.raises(flight.FlightError) as refused:
            alice.put(load, {1: rows(4)}, relay=True)
        assert refusal(refused.value)["message"] == "shard 1 of the data pool does not answer"
        alice.ask("abort", {"load": load["load"]})
    finally:
        pool.shards[1].start()
    refilled(pool, alice, table)
    eventually(lambda: written(pool, table), SECONDS)
    assert ids(pool, table) == [1, 2, 3, 4]


def written(pool: DataPool, table: str) -> bool:
    """Now it is."""
    with pool.connect("alice") as connection:
        try:
            connection.execute(f"INSERT INTO {table} VALUES (4, 'row')".encode())
        except psycopg.OperationalError:
            return False
    return True


@pytest.mark.parametrize("number", [0, 1])
def test_one_has_lost_its_folder(pool: DataPool, alice: Client, table: str, number: int) -> None:
    """Nobody has to ask for anything."""
    load = alice.ask("begin", {"table": table})
    lose(pool.shards[number])
    for _ in range(READS):
        assert ids(pool, table) == [1, 2, 3]
    shard = load["shards"][number]
    with pytest.raises(flight.FlightError) as refused, flight.FlightClient(shard["address"]) as direct:
        send(direct, {"ticket": shard["ticket"], "partition": 0, "attempt": 0}, rows(4))
    assert refusal(refused.value)["sqlstate"] == "55000" and "its folder was lost" in refusal(refused.value)["message"]
    refilled(pool, alice, table)
    alice.load(table, {shard: rows(3, 4) for shard in (0, 1)}, mode="upsert")
    assert ids(pool, table) == [1, 2, 3, 4]
