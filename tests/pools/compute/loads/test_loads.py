"""Loads through the coordinator, with a real master and real shards."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

from tests.pools.compute.loads.rows import COLUMNS, eventually, ids, make_table, rows, spread
from tests.services.data_pool import Client, DataPool, refusal


@pytest.fixture(scope="module")
def alice(data_pool: DataPool) -> Iterator[Client]:
    client = data_pool.client("alice")
    yield client
    client.close()


@pytest.fixture(scope="module")
def bob(data_pool: DataPool) -> Iterator[Client]:
    client = data_pool.client("bob")
    yield client
    client.close()


@pytest.fixture(scope="module")
def table(data_pool: DataPool) -> str:
    """For tests that leave nothing in it."""
    return make_table(data_pool)


def refused(client: Client, action: str, body: dict[str, Any]) -> dict[str, Any]:
    with pytest.raises(flight.FlightError) as raised:
        client.ask(action, body)
    return refusal(raised.value)


def state_of(pool: DataPool, load: str) -> tuple[Any, ...]:
    with pool.admin() as admin:
        row = admin.execute("SELECT state, applied FROM bdc.data_loads WHERE load = %s", [load]).fetchone()
        assert row is not None
        return row


def test_rows_are_there_when_the_commit_is_answered_and_published_soon_after(data_pool: DataPool, alice: Client) -> None:
    table = make_table(data_pool)
    load = alice.ask("begin", {"table": table, "mode": "append"})
    winner = alice.put(load, spread(1, 2, 3))
    assert ids(data_pool, table) == []
    done = alice.ask("commit", {"load": load["load"], "winners": [winner]})
    assert done["rows"] == 3
    assert ids(data_pool, table) == [1, 2, 3]
    eventually(lambda: state_of(data_pool, load["load"]) == ("committed", True))


def test_a_load_id_is_one_load(data_pool: DataPool, alice: Client) -> None:
    """Begun again it takes the open load over; once committed there is nothing left to do."""
    table, name = make_table(data_pool), str(uuid.uuid4())
    taken = alice.ask("begin", {"table": table, "load_id": name})
    lost = alice.put(taken, spread(7))
    load = alice.ask("begin", {"table": table, "load_id": name})
    assert load["load"] != taken["load"]
    assert "begun again" in refused(alice, "commit", {"load": taken["load"], "winners": [lost]})["detail"]
    winner = alice.put(load, spread(1))
    assert alice.put(load, spread(1)) == winner
    first, second = (alice.ask("commit", {"load": load["load"], "winners": [winner]}) for _ in range(2))
    assert first == second
    done = alice.ask("begin", {"table": table, "load_id": name})
    assert (done["state"], done["version"]) == ("committed", first["version"])
    assert ids(data_pool, table) == [1]


def test_only_winners_count(data_pool: DataPool, alice: Client) -> None:
    table = make_table(data_pool)
    load = alice.ask("begin", {"table": table})
    alice.put(load, spread(1, 2), partition=0, attempt=0)
    winner = alice.put(load, spread(1, 2), partition=0, attempt=1)
    other = alice.put(load, {1: rows(7)}, partition=1)
    alice.put(load, {0: rows(8)}, partition=2)
    assert alice.ask("commit", {"load": load["load"], "winners": [winner, other]})["rows"] == 3
    assert ids(data_pool, table) == [1, 2, 7]


def test_overwrite_truncate_and_who_comes_too_late(data_pool: DataPool, alice: Client) -> None:
    table = make_table(data_pool)
    alice.load(table, spread(1, 2, 3))
    late = alice.ask("begin", {"table": table})
    winner = alice.put(late, spread(4))
    alice.load(table, {1: rows(9)}, mode="overwrite")
    assert ids(data_pool, table) == [9]
    assert refused(alice, "commit", {"load": late["load"], "winners": [winner]})["sqlstate"] == "40001"
    assert state_of(data_pool, late["load"])[0] == "aborted"
    truncation = alice.ask("begin", {"table": table, "mode": "truncate"})
    assert truncation["shards"] == []
    alice.ask("commit", {"load": truncation["load"], "winners": []})
    assert ids(data_pool, table) == []


def test_upsert_and_keys(data_pool: DataPool, alice: Client) -> None:
    table = make_table(data_pool, "HASH(id)", "id")
    load = alice.ask("begin", {"table": table})
    alice.ask("commit", {"load": load["load"], "winners": [alice.put(load, {0: rows(2), 1: rows(1)})]})
    again = alice.ask("begin", {"table": table})
    winner = alice.put(again, {0: rows(2)})
    said = refused(alice, "commit", {"load": again["load"], "winners": [winner]})
    assert said["sqlstate"] == "23505" and "hard 0" in said["detail"]
    assert state_of(data_pool, again["load"])[0] == "aborted"
    alice.load(table, {0: rows(2, 4, name="new")}, mode="upsert")
    with data_pool.connect("alice") as connection:
        assert connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() == [(1, "row 1"), (2, "new"), (4, "new")]


def test_a_replicated_table_counts_each_row_once(data_pool: DataPool, alice: Client) -> None:
    table = make_table(data_pool, "REPLICATED")
    assert alice.load(table, {0: rows(1, 2), 1: rows(1, 2)})["rows"] == 2
    assert ids(data_pool, table) == [1, 2]


def test_rights(data_pool: DataPool, alice: Client, bob: Client, table: str) -> None:
    assert refused(bob, "begin", {"table": table})["sqlstate"] == "42501"
    with data_pool.admin() as admin:
        admin.execute(f"GRANT INSERT ON {table} TO bob")
    load = bob.ask("begin", {"table": table})
    assert refused(bob, "begin", {"table": table, "mode": "overwrite"})["sqlstate"] == "42501"
    for action in ("status", "abort", "renew"):
        assert refused(alice, action, {"load": load["load"]})["sqlstate"] == "42501"
    assert refused(alice, "commit", {"load": load["load"], "winners": []})["sqlstate"] == "42501"
    assert bob.ask("abort", {"load": load["load"]}) == {"state": "aborted"}


def test_a_table_made_by_a_load(data_pool: DataPool) -> None:
    client = data_pool.client("admin")
    create = {"columns": json.loads(COLUMNS), "distribution": "ROUND_ROBIN"}
    body = {"table": 'public."Made here"', "create": create}
    load = client.ask("begin", body | {"if_exists": "error"})
    assert load["created"]
    client.ask("commit", {"load": load["load"], "winners": [client.put(load, spread(5))]})
    assert refused(client, "begin", body | {"if_exists": "error"})["sqlstate"] == "42P07"
    assert client.ask("begin", body | {"if_exists": "ignore"})["state"] == "ignored"
    assert not client.ask("begin", body)["created"]
    assert ids(data_pool, 'public."Made here"', "admin") == [5]
    client.close()


def test_abort_renew_status_and_expiry(data_pool: DataPool, alice: Client, table: str) -> None:
    load = alice.ask("begin", {"table": table, "seconds": 60})
    assert load["expires_in"] <= 60
    renewed = alice.ask("renew", {"load": load["load"], "seconds": 600})
    assert renewed["expires_in"] > 500 and len(renewed["shards"]) == 2
    assert alice.ask("status", {"load": load["load"]})["state"] == "open"
    winner = alice.put(load, spread(1))
    assert alice.ask("abort", {"load": load["load"], "reason": "no more"}) == {"state": "aborted"}
    assert alice.ask("status", {"load": load["load"]})["reason"] == "no more"
    assert refused(alice, "commit", {"load": load["load"], "winners": [winner]})["detail"] == "no more"
    assert refused(alice, "renew", {"load": load["load"]})["sqlstate"] == "25000"
    expired = alice.ask("begin", {"table": table})
    with data_pool.admin() as admin:
        admin.execute("UPDATE bdc.data_loads SET expires_at = now() - interval '1 second' WHERE load = %s", [expired["load"]])
    winner = alice.put(expired, spread(1))
    assert "expired" in refused(alice, "commit", {"load": expired["load"], "winners": [winner]})["message"]
    assert ids(data_pool, table) == []


@pytest.mark.parametrize(
    ("action", "body", "sqlstate"),
    [
        ("begin", {"table": "public.nothing"}, "42P01"),
        ("begin", {"table": "a.b.c"}, "42602"),
        ("begin", {"table": "public.t0", "mode": "replace"}, "22023"),
        ("begin", {"table": "public.t0", "seconds": 1}, "22023"),
        ("begin", {"table": "public.t0", "colour": "red"}, "22023"),
        ("commit", {"load": "nonsense", "winners": []}, "22023"),
        ("commit", {"load": str(uuid.UUID(int=1)), "winners": []}, "42704"),
        ("explode", {}, "0A000"),
        ("read", {"table": "public.nothing"}, "42P01"),
        ("read", {}, "22023"),
    ],
)
def test_bad_requests_are_refused(alice: Client, action: str, body: dict[str, Any], sqlstate: str) -> None:
    assert refused(alice, action, body)["sqlstate"] == sqlstate


@pytest.mark.parametrize("winners", ["x", [[0]], [[0, 0, {"5": 1}]], [[0, 0, {"0": 1}]], [[0, 0, {}], [0, 1, {}]], [[0, 0, {"0": "many"}]]])
def test_bad_winners_are_refused(alice: Client, table: str, winners: object) -> None:
    load = alice.ask("begin", {"table": table})
    assert refused(alice, "commit", {"load": load["load"], "winners": winners})["sqlstate"] in ("22023", "55000")


def test_an_empty_load_is_a_load(data_pool: DataPool, alice: Client, table: str) -> None:
    load = alice.ask("begin", {"table": table})
    assert alice.ask("commit", {"load": load["load"], "winners": []})["rows"] == 0


def test_rows_go_through_the_relay_both_ways(data_pool: DataPool, alice: Client) -> None:
    table = make_table(data_pool)
    load = alice.ask("begin", {"table": table})
    many = {shard: rows(*range(shard, 50_000, 2)) for shard in (0, 1)}
    winner = alice.put(load, many, relay=True)
    assert winner == [0, 0, {0: 25_000, 1: 25_000}]
    alice.ask("commit", {"load": load["load"], "winners": [winner]})
    answer = alice.ask("read", {"table": table, "columns": ["id"], "where": "id % 10 = 3 AND name LIKE 'row%'"})
    assert [column["name"] for column in answer["columns"]] == ["id"] and len(answer["parts"]) == 2
    found: list[int] = []
    for part in answer["parts"]:
        ticket = json.dumps({"ticket": part["ticket"], "shard": part["shard"]}).encode()
        relayed = alice.flight.do_get(flight.Ticket(ticket), alice.options).read_all()
        with flight.FlightClient(part["address"]) as direct:
            assert direct.do_get(flight.Ticket(part["ticket"].encode())).read_all().equals(relayed)
        found += relayed.column(0).to_pylist()
    assert sorted(found) == list(range(3, 50_000, 10))


def test_the_relay_passes_a_shards_refusal_on(data_pool: DataPool, alice: Client, table: str) -> None:
    load = alice.ask("begin", {"table": table})
    wrong = pa.table({"id": ["x"], "name": ["y"]})
    with pytest.raises(flight.FlightError) as raised:
        alice.put(load, {0: wrong}, relay=True)
    assert refusal(raised.value)["sqlstate"] == "42804"
    load["shards"][0]["ticket"] = load["shards"][1]["ticket"]
    with pytest.raises(flight.FlightError) as raised:
        alice.put(load, {load["shards"][0]["number"]: rows(1)}, relay=True)
    assert refusal(raised.value)["sqlstate"] in ("28000", "55000")


def test_what_is_no_plain_table_has_no_parts(data_pool: DataPool, alice: Client, bob: Client, table: str) -> None:
    assert alice.ask("read", {"sql": f"SELECT count(*) AS n FROM {table}"})["parts"] == []
    with data_pool.admin() as admin:
        admin.execute(f"REVOKE SELECT ON {table} FROM bob")
    assert refused(bob, "read", {"table": table})["sqlstate"] == "42501"


def test_loads_are_listed_with_the_rows_that_have_arrived(data_pool: DataPool, alice: Client, table: str) -> None:
    load = alice.ask("begin", {"table": table})
    alice.put(load, spread(1, 2, 3, 4, 5))
    request = json.dumps({"action": "loads", "user": "alice"})
    with data_pool.admin() as admin:
        admin.execute("SET ROLE bdc_owner")
        answers = [
            json.loads(answer) for (answer,) in admin.execute("SELECT response FROM bdc.compute_request WHERE request = %s", [request])
        ]
        (found,) = [one for one in answers if one["load"] == load["load"]]
        assert (found["state"], found["arrived"], found["user"]) == ("open", 5, "alice")
        assert found["arrived_on"] == {"0": 2, "1": 3}
        admin.execute("RESET ROLE")
    progress = "SELECT shard, rows FROM bdc.load_progress() WHERE load = %s ORDER BY shard"
    for user, seen in (("alice", [(0, 2), (1, 3)]), ("admin", [(0, 2), (1, 3)]), ("bob", [])):
        with data_pool.connect(user) as session:
            assert session.execute(progress, [load["load"]]).fetchall() == seen
    with data_pool.admin() as admin:
        admin.execute("SET ROLE bdc_owner")
        shards = admin.execute("SELECT response::json ->> 'number' FROM bdc.compute_request WHERE request = '{\"action\": \"shards\"}'")
        assert [number for (number,) in shards] == ["0", "1"]
    alice.ask("abort", {"load": load["load"]})
