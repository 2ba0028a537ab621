"""The data source ``hdfs`` of the cluster's own storage: made once, followed, never forced on anybody."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator

import pytest

from pools.master.storage import ensure_storage_source
from pools.master.workloads import workloads
from tests.pools.master.conftest import Master

FIRST, SECOND = "hdfs://127.0.0.1:31500", "hdfs://127.0.0.1:31600"


@pytest.fixture
def database(master: Master) -> Iterator[str]:
    name = f"storage_{secrets.token_hex(4)}"
    with master.superuser("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def sources(master: Master, database: str) -> list[tuple[object, ...]]:
    with master.superuser(database) as connection:
        return connection.execute("SELECT name, connector, location FROM bdc.data_sources").fetchall()


def test_it_is_made_once_and_follows_the_address(master: Master, database: str) -> None:
    assert ensure_storage_source(master.dsn, database, FIRST) == "made data source hdfs"
    assert ensure_storage_source(master.dsn, database, FIRST) is None
    assert sources(master, database) == [("hdfs", "hdfs", FIRST)]
    assert ensure_storage_source(master.dsn, database, SECOND) == f"data source hdfs is at {SECOND} now"
    assert sources(master, database) == [("hdfs", "hdfs", SECOND)]


def test_a_dropped_one_stays_dropped(master: Master, database: str) -> None:
    ensure_storage_source(master.dsn, database, FIRST)
    with master.superuser(database) as connection:
        connection.execute("CALL bdc.drop_data_source('hdfs')")
    assert ensure_storage_source(master.dsn, database, FIRST) is None
    assert ensure_storage_source(master.dsn, database, SECOND) is None
    assert sources(master, database) == []


def test_what_an_admin_made_or_changed_stays(master: Master, database: str) -> None:
    with master.superuser(database) as connection:
        connection.execute("CALL bdc.create_data_source('hdfs', 'hdfs', 'hdfs://elsewhere:8020')")
    assert ensure_storage_source(master.dsn, database, FIRST) is None
    assert ensure_storage_source(master.dsn, database, SECOND) is None
    assert sources(master, database) == [("hdfs", "hdfs", "hdfs://elsewhere:8020")]


def test_the_job_makes_it_in_the_databases_of_the_spec(master: Master, database: str) -> None:
    settings = dataclasses.replace(master.settings, more_databases=(database,), storage_location=FIRST)
    job = workloads(settings)[1]
    assert f'"storage_location": "{FIRST}"' in job.files[0].content
    with_storage = dataclasses.replace(master, settings=settings)
    assert f'database "{database}": made data source hdfs' in with_storage.setup()
    assert with_storage.setup() == "nothing to do\n"
    with master.superuser("bdc") as connection:
        connection.execute("CALL bdc.drop_data_source('hdfs')")
