"""Loads as the compute pool drives them: begun, decided, aborted, expired, prepared behind a transaction of the master, swept."""

from __future__ import annotations

import json
import threading
import uuid

import psycopg
import pytest
from psycopg import errors

from tests.pools.master.conftest import Master
from tests.pools.master.data_tables import SHARDS, Pool, session_of, xid_of


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
        "placed",
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
    assert set(asked) == {"version", "identity", "server", "snapshot", "pending", "marks"}
    data_pool.ask("applied", [load])
    assert data_pool.ask("snapshot")["pending"] == []


def test_marks_of_shards_only_grow(data_table: str, data_pool: Pool) -> None:
    """Told by decisions that stand, and by publications."""
    shard, load, refused = str(uuid.uuid4()), data_pool.begin()["load"], data_pool.begin()["load"]

    def told(by: str, *arguments: object) -> int | None:
        data_pool.connection.execute(f"SELECT bdc.pool_{by}".encode(), arguments)
        return data_pool.ask("snapshot")["marks"].get(shard)

    data_pool.abort(refused, "the driver gave up")
    assert told("decide_load(%s, NULL, 1, %s)", refused, f'{{"{shard}": 9}}') is None
    assert told("decide_load(%s, NULL, 1, %s)", load, f'{{"{shard}": 5}}') == 5
    assert told("applied(%s::uuid[], %s)", [load], f'{{"{shard}": 4}}') == 5
    assert told("applied(%s::uuid[], %s)", [], f'{{"{shard}": 6}}') == 6


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


def pass_time(master: Master, database: str, minutes: int = 10) -> None:
    """For the loads of a database."""
    with master.superuser(database) as connection:
        connection.execute("UPDATE bdc.data_loads SET expires_at = expires_at - make_interval(mins => %s)", [minutes])


def test_expiry(data_table: str, data_pool: Pool, master: Master, database: str) -> None:
    load = data_pool.begin()["load"]
    kept = data_pool.begin()["load"]
    assert data_pool.ask("renew_load", kept, 3600)["expires_in"] > 3000
    pass_time(master, database)
    decided = data_pool.decide(load)
    assert decided["state"] == "aborted" and "expired" in decided["error"]["message"]
    assert data_pool.ask("renew_load", load, 60)["state"] == "aborted"
    assert data_pool.decide(kept)["state"] == "committed"


def test_prepared_follows_the_masters_transaction(data_table: str, data_pool: Pool, admin_of_data: psycopg.Connection) -> None:
    for ending, state in (("COMMIT", "committed"), ("ROLLBACK", "aborted")):
        admin_of_data.execute("BEGIN")
        session = session_of(admin_of_data)
        load, before = data_pool.begin()["load"], data_pool.snapshot()
        assert data_pool.ask("backend_xid", session, load) == {"xid": None}
        xid = xid_of(admin_of_data)
        assert data_pool.ask("backend_xid", session, load) == {"xid": xid}
        assert data_pool.decide(load, xid) == {"state": "prepared"}
        assert data_pool.snapshot() == before and data_pool.abort(load)["state"] == "prepared"
        admin_of_data.execute(ending)
        assert data_pool.snapshot() == before + (state == "committed")
        assert data_pool.ask("load", load)["state"] == state
        assert data_pool.ask("states", [load])[load]["state"] == state
        assert data_pool.ask("backend_xid", session, load) is None


def test_what_happened_to_the_table_is_said(data_table: str, data_pool: Pool, admin_of_data: psycopg.Connection) -> None:
    altered, dropped = data_pool.begin()["load"], data_pool.begin(mode="overwrite")["load"]
    admin_of_data.execute("""CALL bdc.alter_data_table('t', '{"add": {"name": "note", "type": "text"}}')""")
    error = data_pool.decide(altered)["error"]
    assert (error["sqlstate"], error["message"]) == ("40001", "data table public.t was altered during the load")
    admin_of_data.execute("CALL bdc.drop_data_table('t')")
    error = data_pool.decide(dropped)["error"]
    assert error["sqlstate"] == "42P01" and error["message"].endswith("was dropped during the load")


def test_two_overwrites_at_once_both_count_and_appends_of_before_do_not(data_table: str, data_pool: Pool) -> None:
    append = data_pool.begin()["load"]
    first, second = data_pool.begin(mode="overwrite"), data_pool.begin(mode="overwrite")
    assert first["tables"][0]["generation"] < second["tables"][0]["generation"]
    assert data_pool.decide(second["load"])["state"] == data_pool.decide(first["load"])["state"] == "committed"
    assert data_pool.begin()["tables"][0]["generation"] == first["tables"][0]["generation"]
    assert data_pool.decide(append)["error"]["message"] == "data table public.t was overwritten during the load"


def test_an_overwrite_waits_for_a_prepared_load(data_table: str, data_pool: Pool, admin_of_data: psycopg.Connection) -> None:
    append, overwrite = data_pool.begin()["load"], data_pool.begin(mode="overwrite")["load"]
    admin_of_data.execute("BEGIN")
    assert data_pool.decide(append, xid_of(admin_of_data))["state"] == "prepared"
    timer = threading.Timer(0.3, lambda: admin_of_data.execute("COMMIT"))
    timer.start()
    later = data_pool.decide(overwrite)
    timer.join()
    assert later["state"] == "committed" and data_pool.ask("load", append)["version"] == later["version"] - 1


def test_versions_become_visible_in_their_order(data_table: str, data_pool: Pool, master: Master, database: str) -> None:
    others = [Pool(master, database) for _ in range(4)]
    seen: list[list[int]] = []

    def decide_many(pool: Pool) -> None:
        mine = []
        for _ in range(10):
            version = pool.decide(pool.begin()["load"])["version"]
            asked = pool.ask("snapshot")
            assert asked["snapshot"] >= version
            assert {entry[1] for entry in asked["pending"]} == set(range(first + 1, asked["snapshot"] + 1)), (
                "a number before it is not visible"
            )
            mine.append(version)
        seen.append(mine)

    first = data_pool.snapshot()
    threads = [threading.Thread(target=decide_many, args=(pool,)) for pool in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(version for mine in seen for version in mine) == list(range(first + 1, first + 41))
    for pool in others:
        pool.connection.close()


def test_decide_and_abort_at_once_agree(data_table: str, data_pool: Pool, master: Master, database: str) -> None:
    other = Pool(master, database)
    for _ in range(10):
        load, answers = data_pool.begin()["load"], []
        thread = threading.Thread(target=lambda load=load, answers=answers: answers.append(other.abort(load)["state"]))
        thread.start()
        answers.append(data_pool.decide(load)["state"])
        thread.join()
        assert answers[0] == answers[1]
    other.connection.close()


def test_sweep_and_collection(data_table: str, data_pool: Pool, admin_of_data: psycopg.Connection, master: Master, database: str) -> None:
    expired = data_pool.begin()["load"]
    committed = data_pool.begin()["load"]
    data_pool.decide(committed)
    pass_time(master, database)
    with admin_of_data.transaction(force_rollback=True):
        admin_of_data.execute("DROP FOREIGN TABLE t")
    swept = data_pool.ask("sweep")
    assert {one["load"]: one["state"] for one in swept["unapplied"]} == {expired: "aborted", committed: "committed"} and swept[
        "dropped"
    ] == []
    data_pool.ask("applied", [expired, committed])
    admin_of_data.execute("DROP FOREIGN TABLE t")
    swept = data_pool.ask("sweep")
    assert swept["unapplied"] == [] and [one["id"] for one in swept["dropped"]] == [data_table]
    data_pool.ask("collected", [data_table])
    assert data_pool.ask("sweep")["dropped"] == []


def test_rights(data_table: str, data_pool: Pool, people, admin_of_data: psycopg.Connection) -> None:
    people("uwe")
    modes = {"append": "INSERT", "upsert": "INSERT", "overwrite": "INSERT", "truncate": "DELETE or TRUNCATE", "modify": "UPDATE or DELETE"}
    for mode, right in modes.items():
        with pytest.raises(errors.InsufficientPrivilege, match=f'permission denied for table public.t: "uwe" needs {right} on it'):
            data_pool.begin(user="uwe", mode=mode)
    assert data_pool.begin(user="uwe", checked=True)["state"] == "open"
    admin_of_data.execute("GRANT INSERT ON t TO uwe")
    assert data_pool.begin(user="uwe")["state"] == "open"
    with pytest.raises(errors.InsufficientPrivilege, match="needs DELETE or TRUNCATE"):
        data_pool.begin(user="uwe", mode="overwrite")
    with pytest.raises(errors.InvalidTableDefinition, match="no primary key"):
        data_pool.begin(mode="upsert")
    for arguments, error in (({"table": "none"}, errors.UndefinedTable), ({"mode": "x"}, errors.InvalidParameterValue)):
        with pytest.raises(error):
            data_pool.begin(**arguments)


def test_a_load_that_makes_its_table(data_table: str, data_pool: Pool, admin_of_data: psycopg.Connection) -> None:
    create = {"columns": [{"name": "a", "type": "int"}]}
    begun = data_pool.begin("made", create=create, if_exists="error", load_id="x")
    assert begun["created"] and begun["tables"][0]["distribution"]["kind"] == "round_robin"
    with pytest.raises(errors.DuplicateTable):
        data_pool.begin("made", create=create, if_exists="error")
    assert data_pool.begin("made", create=create, if_exists="ignore") == {"state": "ignored", "created": False}
    assert not data_pool.begin("made", create=create)["created"]
    both = data_pool.begin("t", load=begun["load"])
    assert [table["name"] for table in both["tables"]] == ["made", "t"]
    shown = admin_of_data.execute("SELECT tables FROM bdc.loads WHERE load = %s", [begun["load"]]).fetchone()
    assert shown == (["public.made append", "public.t append"],)


def test_asking_is_cheap(data_table: str, data_pool: Pool) -> None:
    data_pool.decide(data_pool.begin()["load"])
    query = "SELECT clock_timestamp() FROM (SELECT clock_timestamp() AS at) AS s"
    data_pool.snapshot()
    before = data_pool.connection.execute(query).fetchone()[0]
    data_pool.connection.execute("SELECT bdc.pool_snapshot() FROM generate_series(1, 200)")
    each = (data_pool.connection.execute(query).fetchone()[0] - before).total_seconds() / 200
    assert each < 0.003, f"{each * 1000} ms"  # 0.2 ms on a quiet machine


MADE = {"create": {"columns": [{"name": "id", "type": "bigint"}], "shards": SHARDS}, "if_exists": "error"}


def test_a_table_made_for_a_load_goes_with_it(data_table: str, data_pool: Pool) -> None:
    def there() -> bool:
        return data_pool.connection.execute("SELECT to_regclass('public.made') IS NOT NULL").fetchone()[0]

    first = data_pool.begin("made", load_id="job", **MADE)
    again = data_pool.begin("made", load_id="job", **MADE)  # its answer was lost
    assert first["created"] and again["created"] and first["tables"][0]["id"] != again["tables"][0]["id"]
    data_pool.abort(again["load"])
    assert not there()
    made = data_pool.begin("made", **MADE)
    other = data_pool.begin("made")
    data_pool.abort(made["load"])
    assert there()  # another one writes it
    assert data_pool.decide(other["load"])["state"] == "committed"
    data_pool.ask("sweep")
    assert there()


def test_a_table_made_for_a_load_that_expires_goes_too(
    data_table: str, data_pool: Pool, admin_of_data: psycopg.Connection, master: Master, database: str
) -> None:
    data_pool.begin("made", **MADE)
    data_pool.begin("viewed", **MADE)
    admin_of_data.execute("CREATE VIEW seen AS SELECT * FROM viewed")
    pass_time(master, database)
    data_pool.ask("sweep")
    left = "SELECT to_regclass('public.made') IS NULL, to_regclass('public.viewed') IS NULL"
    assert admin_of_data.execute(left).fetchone() == (True, False)


@pytest.mark.parametrize("mode", ["append", "overwrite", "truncate"])
def test_a_load_begun_before_a_move_that_is_done(data_table: str, data_pool: Pool, mode: str) -> None:
    """Its rows lie by the old placement, also those that replace all others."""
    load = data_pool.begin(mode=mode)["load"]
    request = {"tables": [data_table], "shards": SHARDS[:1], "load_id": "move", "client": "test", "seconds": 60}
    moving = data_pool.ask("begin_move", "ada", json.dumps(request))["load"]
    assert data_pool.decide(moving)["state"] == "committed"
    decided = data_pool.decide(load)
    assert decided["state"] == "aborted" and decided["error"]["sqlstate"] == "40001"
    assert data_pool.decide(data_pool.begin(mode=mode)["load"])["state"] == "committed"
