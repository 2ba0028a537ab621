"""A replicated table of which one shard is down, or has lost its folder: it is not written, it is read from another one, and the shard that
lost its rows serves it again once it has them all.
"""

from __future__ import annotations

import pathlib
import shutil

import psycopg
import pytest
from pyarrow import flight

from tests.pools.compute.loads.rows import eventually, ids, make_table, rows
from tests.pools.data_pool_faults.stage import patiently
from tests.pools.data_pool_faults.storm import kill_master
from tests.services.data_pool import Client, DataPool, Service, refusal, send

SECONDS = 120
READS = 6
"""Each of two shards would be asked several times."""

MANY = 200_000


@pytest.fixture
def table(lossy_pool: DataPool, lossy_client: Client) -> str:
    """Rows 1 to 3 on both shards."""
    made = make_table(lossy_pool, "REPLICATED", "id")
    lossy_client.load(made, {shard: rows(1, 2, 3) for shard in (0, 1)})
    return made


def lose(shard: Service) -> None:
    """Its folder is gone; it comes back as another one, empty."""
    shard.kill()
    shutil.rmtree(pathlib.Path(shard.folder) / "rows")
    shard.start()


def ask_refill(pool: DataPool) -> None:
    """Sooner than a replica does it by itself, which it may have done by now: every 20 seconds it looks."""
    with pool.connect("admin") as admin:
        admin.execute("CALL bdc.start_data_operation(gen_random_uuid(), 'refill')")


def refills(pool: DataPool, *states: str) -> int:
    """How many there are, or have been."""
    with pool.connect("admin") as admin:
        query = "SELECT count(*) FROM bdc.data_operations_view WHERE kind = 'refill' AND (%s = '{}' OR state = ANY (%s))"
        return int(admin.execute(query, [list(states), list(states)]).fetchall()[0][0])


def copies(pool: DataPool, table: str) -> list[tuple[int, int]]:
    """(shard, rows) of those that have the table."""
    with pool.connect("alice") as connection:
        return connection.execute("SELECT shard, rows FROM bdc.data_stats(%s) WHERE error IS NULL", [table]).fetchall()


def test_a_load_brings_the_same_rows_to_all(lossy_pool: DataPool, lossy_client: Client, table: str) -> None:
    for brought in ({0: rows(4)}, {0: rows(4), 1: rows(4, 5)}):
        load = lossy_client.ask("begin", {"table": table})
        winner = lossy_client.put(load, brought)
        with pytest.raises(flight.FlightError) as refused:
            lossy_client.ask("commit", {"load": load["load"], "winners": [winner]})
        assert refusal(refused.value)["sqlstate"] == "22023" and "each shard" in refusal(refused.value)["message"]
    assert [ids(lossy_pool, table) for _ in range(READS)] == [[1, 2, 3]] * READS


def test_one_is_down(lossy_pool: DataPool, lossy_client: Client, table: str) -> None:
    """Nothing can be written that the shard would lack later: so there is nothing to catch up with."""
    lossy_pool.shards[1].kill()
    try:
        for _ in range(READS):
            assert ids(lossy_pool, table) == [1, 2, 3]
            assert lossy_client.ask("read", {"table": table})["parts"][0]["shard"] == 0
        away = pytest.raises(psycopg.OperationalError, match="shard 1 of the data pool does not answer")
        with lossy_pool.connect("alice") as connection, away:
            connection.execute(f"INSERT INTO {table} VALUES (4, 'x')".encode())
        load = lossy_client.ask("begin", {"table": table})
        lossy_client.put(load, {0: rows(4)})
        with pytest.raises(flight.FlightError) as refused:
            lossy_client.put(load, {1: rows(4)}, relay=True)
        assert refusal(refused.value)["message"] == "shard 1 of the data pool does not answer"
        lossy_client.ask("abort", {"load": load["load"]})
    finally:
        lossy_pool.shards[1].start()
    with lossy_pool.connect("alice") as connection:
        patiently(lambda: connection.execute(f"INSERT INTO {table} VALUES (4, 'row')".encode()))
    assert [ids(lossy_pool, table) for _ in range(READS)] == [[1, 2, 3, 4]] * READS


@pytest.mark.parametrize(("number", "asked"), [(0, True), pytest.param(1, False, marks=pytest.mark.full)])
def test_one_has_lost_its_folder(lossy_pool: DataPool, lossy_client: Client, table: str, number: int, asked: bool) -> None:
    """Nobody has to ask for the refill."""
    load = lossy_client.ask("begin", {"table": table})
    lose(lossy_pool.shards[number])
    for _ in range(READS):
        assert patiently(lambda: ids(lossy_pool, table)) == [1, 2, 3]
    shard = load["shards"][number]
    with pytest.raises(flight.FlightError) as refused, flight.FlightClient(shard["address"]) as direct:
        send(direct, {"ticket": shard["ticket"], "partition": 0, "attempt": 0}, rows(4))
    assert refusal(refused.value)["sqlstate"] == "55000" and "its folder was lost" in refusal(refused.value)["message"]
    if asked:
        ask_refill(lossy_pool)
    eventually(lambda: copies(lossy_pool, table) == [(0, 3), (1, 3)], SECONDS)
    assert [ids(lossy_pool, table) for _ in range(READS)] == [[1, 2, 3]] * READS
    load_again = {shard: rows(3, 4) for shard in (0, 1)}
    patiently(lambda: lossy_client.load(table, load_again, mode="upsert"))
    assert [ids(lossy_pool, table) for _ in range(READS)] == [[1, 2, 3, 4]] * READS


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("victim", ["coordinator", "healthy", "lost", "master"])
def test_killed_while_it_is_filled(lossy_pool: DataPool, victim: str) -> None:
    """Readers find all rows at any time; in the end they are on both."""
    table = make_table(lossy_pool, "REPLICATED", "id")
    with lossy_pool.connect("alice") as alice:
        alice.execute(f"INSERT INTO {table} SELECT i, 'row' FROM generate_series(1, {MANY}) AS i".encode())
    done = refills(lossy_pool, "done")
    lose(lossy_pool.shards[1])
    ask_refill(lossy_pool)
    eventually(lambda: refills(lossy_pool, "running") or refills(lossy_pool, "done") > done, SECONDS)
    if victim == "master":
        kill_master(lossy_pool)
        lossy_pool.start_master()
    else:
        at = {"coordinator": lossy_pool.replicas[0], "healthy": lossy_pool.shards[0], "lost": lossy_pool.shards[1]}[victim]
        at.kill()
        at.start()

    def whole() -> bool:
        with lossy_pool.connect("alice") as alice:
            assert alice.execute(f"SELECT count(*), count(DISTINCT id) FROM {table}".encode()).fetchone() == (MANY, MANY)
        return copies(lossy_pool, table) == [(0, MANY), (1, MANY)]

    eventually(lambda: patiently(whole), SECONDS)
