"""Tables that change or vanish under a load, and databases that are copied under it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import errors
from pyarrow import flight

from tests.pools.compute.loads.rows import eventually, ids, make_table, spread
from tests.services.data_pool import DATABASE, Client, DataPool, refusal

DROP = "CALL bdc.drop_data_table('{}')"
ADD = """CALL bdc.alter_data_table('{}', '{{"add": {{"name": "note", "type": "text"}}}}')"""


@pytest.fixture
def alice(data_pool: DataPool) -> Iterator[Client]:
    client = data_pool.client("alice")
    yield client
    client.close()


@pytest.mark.parametrize(
    ("change", "sqlstate", "word"),
    [
        (DROP, "42P01", "dropped"),
        (ADD, "40001", "altered"),
        ("""CALL bdc.alter_data_table('{}', '{{"drop": "name"}}')""", "40001", "altered"),
        ("CALL bdc.truncate_data_table('{}')", "40001", "overwritten"),
    ],
)
def test_a_table_changes_during_a_load(data_pool: DataPool, alice: Client, change: str, sqlstate: str, word: str) -> None:
    table = make_table(data_pool)
    load = alice.ask("begin", {"table": table})
    winner = alice.put(load, spread(1, 2))
    with data_pool.admin() as admin:
        admin.execute(f"GRANT TRUNCATE ON {table} TO alice".encode())
    with data_pool.connect("alice") if word == "overwritten" else data_pool.admin() as changing:
        changing.execute(change.format(table).encode())
    with pytest.raises(flight.FlightError) as raised:
        alice.ask("commit", {"load": load["load"], "winners": [winner]})
    said = refusal(raised.value)
    assert said["sqlstate"] == sqlstate and word in said["message"]
    if word != "dropped":
        assert ids(data_pool, table) == []
        assert alice.load(table, {0: spread(4)[0].select(["id"])})["rows"] == 1
        assert ids(data_pool, table) == [4]


@pytest.mark.parametrize(
    ("change", "error"), [("CALL bdc.drop_data_table('{}')", errors.UndefinedTable), (ADD, errors.SerializationFailure)]
)
def test_a_table_changes_during_a_transaction(data_pool: DataPool, change: str, error: type[psycopg.Error]) -> None:
    """Directly at the pool, where no lock of the master's holds the definition."""
    table = make_table(data_pool)
    with data_pool.direct("alice") as connection:
        with pytest.raises(error), connection.transaction():
            connection.execute(f"INSERT INTO {table} VALUES (1, 'a')".encode())
            with data_pool.admin() as admin:
                admin.execute(change.format(table).encode())
        assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def test_two_overwrites_at_once_are_one_of_them(data_pool: DataPool) -> None:
    table = make_table(data_pool)
    failed: list[BaseException] = []

    def overwrite(first: int) -> None:
        client = data_pool.client("alice")
        try:
            client.load(table, spread(*range(first, first + 10)), "overwrite")
        except flight.FlightError as error:
            failed.append(error)
        finally:
            client.close()

    for _ in range(3):
        threads = [threading.Thread(target=overwrite, args=(first,)) for first in (0, 100)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert ids(data_pool, table) in ([*range(10)], [*range(100, 110)])
    assert failed == []


def test_a_copied_database_has_tables_without_rows(data_pool: DataPool, alice: Client) -> None:
    """Under the same name, too: the copy never reads or changes the rows of the first."""
    table = make_table(data_pool)
    alice.load(table, spread(1, 2))
    with data_pool.admin("postgres") as postgres:
        copy = _copied(postgres)
    try:
        with eventually(lambda: _open(data_pool, copy), 30) as connection:
            with pytest.raises(errors.ObjectNotInPrerequisiteState, match="no rows in this database"):
                connection.execute(f"INSERT INTO {table} VALUES (9, 'x')".encode())
            with pytest.raises(errors.ObjectNotInPrerequisiteState, match="belong to another database"):
                connection.execute(f"SELECT * FROM {table}".encode())
    finally:
        with data_pool.admin("postgres") as postgres:
            postgres.execute(f"DROP DATABASE {copy} WITH (FORCE)".encode())
    assert ids(data_pool, table) == [1, 2]


def _copied(postgres: psycopg.Connection[tuple[object, ...]]) -> str:
    copy = "copied"

    def copied() -> bool:
        try:
            postgres.execute(f"CREATE DATABASE {copy} TEMPLATE {DATABASE}".encode())
        except errors.ObjectInUse:  # the pool's connections close when they have been idle
            postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [DATABASE])
            return False
        return True

    eventually(copied, 30)
    return copy


def _open(pool: DataPool, database: str) -> psycopg.Connection[tuple[object, ...]] | None:
    """When the pool knows the new database."""
    connection = pool.connect("alice", database=database)
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        connection.close()
        return None
    return connection


@pytest.mark.full  # the decision is tried for 15 s; tests/pools/compute/loads/test_faults.py asks a coordinator that is less patient
def test_loads_without_their_master(data_pool: DataPool, alice: Client) -> None:
    """Every action says that the master is away, and which load is concerned; afterwards the load goes on."""
    table = make_table(data_pool)
    load = alice.ask("begin", {"table": table})
    winner = alice.put(load, spread(1, 2))
    data_pool.stop_master()
    try:
        said = _refused(lambda: alice.ask("commit", {"load": load["load"], "winners": [winner]}))
    finally:
        data_pool.start_master()
    assert said["sqlstate"] == "40003" and load["load"] in str(said["message"]) and "bdc data loads" in str(said["hint"])
    done = eventually(lambda: _committed(data_pool, load["load"], winner), 30)
    assert done["rows"] == 2 and ids(data_pool, table) == [1, 2]


def _refused(work: Callable[[], object]) -> dict[str, object]:
    with pytest.raises(flight.FlightError) as raised:
        work()
    return refusal(raised.value)


def _committed(pool: DataPool, load: str, winner: list[object]) -> dict[str, object] | None:
    try:
        client = pool.client("alice")
        return client.ask("commit", {"load": load, "winners": [winner]})
    except flight.FlightError:
        return None
