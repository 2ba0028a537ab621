"""Somebody restores the master's folder from before some loads: it knows nothing of them, and the shards have their rows."""

from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.errors import ObjectNotInPrerequisiteState
from pyarrow import flight

from tests.pools.compute.loads.rows import eventually, ids, make_table, spread
from tests.services.data_pool import Client, DataPool, refusal

OLDER = "the master was restored to an older state"


@contextmanager
def taken_down(pool: DataPool) -> Iterator[pathlib.Path]:
    """The master's folder, while it is stopped."""
    pool.stop_master()
    yield pool.folder / "master" / "data"
    pool.start_master()


def answered(pool: DataPool, table: str) -> list[int] | str:
    """The rows, or why not; None of it while master and pool have not found each other again."""

    def ask() -> list[int] | str:
        try:
            return ids(pool, table)
        except ObjectNotInPrerequisiteState as error:
            return str(error)
        except psycopg.OperationalError:
            return ""

    found: list[int] | str = eventually(ask)
    return found


def test_an_older_master_is_refused(lossy_pool: DataPool) -> None:
    """Nothing is read and nothing written as of its state; the newer one is brought back, or the rows are given up."""
    table, client = make_table(lossy_pool), lossy_pool.client("alice")
    client.load(table, spread(1, 2))
    with taken_down(lossy_pool) as folder:
        older, newer = folder.with_name("older"), folder.with_name("newer")
        subprocess.run(["cp", "-a", folder, older], check=True)
    client.load(table, spread(3, 4))
    assert answered(lossy_pool, table) == [1, 2, 3, 4]
    with taken_down(lossy_pool):
        folder.rename(newer)
        older.rename(folder)
    assert OLDER in str(answered(lossy_pool, table))
    refuses(lossy_pool, client, table)
    gives_up(lossy_pool, table)
    with taken_down(lossy_pool):
        subprocess.run(["rm", "-rf", folder], check=True)
        newer.rename(folder)
    assert answered(lossy_pool, table) == [1, 2, 3, 4]
    client.load(table, spread(5))
    assert answered(lossy_pool, table) == [1, 2, 3, 4, 5]
    client.close()


def refuses(pool: DataPool, client: Client, table: str) -> None:
    """Loads and SQL; the hint says what to do."""
    with pytest.raises(flight.FlightError) as load:
        client.load(table, spread(9))
    assert refusal(load.value)["sqlstate"] == "55000" and OLDER in refusal(load.value)["message"]
    with pool.connect("alice") as alice:
        for statement in ("INSERT INTO {} VALUES (9, 'x')", "DELETE FROM {}", "SELECT id FROM {} WHERE id = 1"):
            with pytest.raises(ObjectNotInPrerequisiteState, match=OLDER) as refused:
                alice.execute(statement.format(table).encode())
            assert "bdc.disown_data_tables" in str(refused.value.diag.message_hint)


def gives_up(pool: DataPool, table: str) -> None:
    """The tables are without rows, as a copy's are, and can be filled."""
    with pool.connect("admin") as admin:
        admin.execute("CALL bdc.disown_data_tables()")
        assert "another database" in str(answered(pool, table))
        admin.execute("CALL bdc.adopt_data_tables()")
    assert ids(pool, table) == []
    with pool.connect("alice") as alice:
        alice.execute(f"INSERT INTO {table} VALUES (9, 'x')".encode())
    assert ids(pool, table) == [9]
