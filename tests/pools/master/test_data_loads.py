"""Loads as the compute pool drives them: begun, decided, aborted, expired, prepared behind a transaction of the master, swept."""

from __future__ import annotations

import uuid

import psycopg
import pytest
from psycopg import errors

from tests.pools.master.data_tables import Pool, xid_of


def test_begin_says_all_that_a_writer_needs(data_table: str, data_pool: Pool) -> None:
    begun = data_pool.begin(load_id="job-1", client="test")
    assert {key: begun[key] for key in ("state", "created", "load_id", "user")} == {
        "state": "open", "created": False, "load_id": "job-1", "user": "ada",
    }  # fmt: skip
    assert 50 < begun["expires_in"] <= 60
    (document,) = begun["tables"]
    assert set(document) == {
        "id",
        "schema",
        "name",
        "generation",
        "schema_version",
        "columns",
        "key",
        "mode",
        "distribution",
        "shards",
        "buckets",
    }
    assert (document["mode"], document["generation"], document["schema_version"], document["name"]) == ("append", 0, 1, "t")


def test_decided_once(data_table: str, data_pool: Pool) -> None:
    before = data_pool.snapshot()
    load = data_pool.begin()["load"]
    assert data_pool.snapshot() == before
    decided = data_pool.decide(load, rows=7)
    assert decided == {"state": "committed", "version": before + 1, "rows": 7}
    assert data_pool.decide(load) == decided
    assert data_pool.abort(load)["state"] == "committed"
    asked = data_pool.ask("snapshot")
    assert asked["snapshot"] == before + 1 and asked["pending"] == [[load, before + 1, [data_table]]]
    assert set(asked) == {"version", "identity", "snapshot", "pending"}
    data_pool.ask("applied", [load])
    assert data_pool.ask("snapshot")["pending"] == []


def test_an_aborted_load_stays_aborted(data_table: str, data_pool: Pool) -> None:
    load = data_pool.begin()["load"]
    assert data_pool.abort(load, "the driver gave up")["state"] == "aborted"
    decided = data_pool.decide(load)
    assert decided["state"] == "aborted" and decided["error"] == {"sqlstate": "40000", "message": "the driver gave up"}
    unknown = str(uuid.uuid4())
    assert data_pool.decide(unknown)["error"]["sqlstate"] == "42704"
    assert data_pool.ask("load", unknown) is None
    assert data_pool.abort(unknown) == {"state": "aborted", "tables": []}
    assert data_pool.decide(unknown)["state"] == "aborted"


def test_a_load_id_has_one_open_load(data_table: str, data_pool: Pool) -> None:
    first = data_pool.begin(load_id="a")
    other = data_pool.begin(load_id="b")
    with pytest.raises(errors.InvalidParameterValue, match='load id "a" is one of another table or mode'):
        data_pool.begin(load_id="a", mode="overwrite")
    second = data_pool.begin(load_id="a")
    refused = data_pool.decide(first["load"])
    assert refused["state"] == "aborted" and refused["error"]["message"] == 'the load "a" was begun again'
    version = data_pool.decide(second["load"])["version"]
    again = data_pool.begin(load_id="a")
    assert (again["state"], again["version"], again["load"]) == ("committed", version, second["load"])
    assert data_pool.decide(other["load"])["state"] == "committed"


def test_expiry(data_table: str, data_pool: Pool) -> None:
    load = data_pool.begin(seconds=1)["load"]
    kept = data_pool.begin(seconds=1)["load"]
    assert data_pool.ask("renew_load", kept, 60)["expires_in"] > 50
    data_pool.connection.execute("SELECT pg_sleep(1.05)")
    decided = data_pool.decide(load)
    assert decided["state"] == "aborted" and "expired" in decided["error"]["message"]
    assert data_pool.ask("renew_load", load, 60)["state"] == "aborted"
    assert data_pool.decide(kept)["state"] == "committed"


def test_prepared_follows_the_masters_transaction(data_table: str, data_pool: Pool, admin_of_data: psycopg.Connection) -> None:
    for ending, state in (("COMMIT", "committed"), ("ROLLBACK", "aborted")):
        load, before = data_pool.begin()["load"], data_pool.snapshot()
        admin_of_data.execute("BEGIN")
        xid = xid_of(admin_of_data)
        assert data_pool.ask("backend_xid", admin_of_data.info.backend_pid) == xid
        assert data_pool.decide(load, xid) == {"state": "prepared"}
        assert data_pool.snapshot() == before and data_pool.abort(load)["state"] == "prepared"
        admin_of_data.execute(ending)
        assert data_pool.snapshot() == before + (state == "committed")
        assert data_pool.ask("load", load)["state"] == state
        assert data_pool.ask("states", [load])[load]["state"] == state
    assert data_pool.ask("backend_xid", admin_of_data.info.backend_pid) is None
