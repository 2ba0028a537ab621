"""Clients and servers of different releases: what a message has beyond what is known is left alone, what it lacks is named."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

from tests.pools.compute.loads.rows import ids, make_table, spread
from tests.pools.data_pool_faults.stage import sqlstate
from tests.services.data_pool import Client, DataPool, refusal, send


@pytest.fixture
def alice(data_pool: DataPool) -> Iterator[Client]:
    client = data_pool.client("alice")
    yield client
    client.close()


def test_what_a_later_release_adds_is_left_alone(data_pool: DataPool, alice: Client) -> None:
    table = make_table(data_pool)
    load = alice.ask("begin", {"table": table})
    counts = {}
    for shard in load["shards"]:
        command = {"ticket": shard["ticket"], "partition": 0, "attempt": 0, "colour": "blue"}
        with flight.FlightClient(shard["address"]) as direct:
            counts[shard["number"]] = send(direct, command, spread(1, 2)[shard["number"]])["rows"]
    assert alice.ask("status", {"load": load["load"], "colour": "blue"})["state"] == "open"
    assert alice.ask("commit", {"load": load["load"], "winners": [[0, 0, counts]], "colour": "blue"})["rows"] == 2
    assert ids(data_pool, table) == [1, 2]


def test_a_wish_that_is_not_known_is_refused_not_ignored(data_pool: DataPool, alice: Client) -> None:
    """An option of ``begin`` changes what is written: a server that does not know it must not go on without it."""
    table = make_table(data_pool)
    with pytest.raises(flight.FlightError) as raised:
        alice.ask("begin", {"table": table, "deduplicate": True})
    said = refusal(raised.value)
    assert said["sqlstate"] == "22023" and "deduplicate" in said["message"] and "load_id" in said["hint"]


@pytest.mark.parametrize(
    ("action", "body", "word"),
    [
        ("begin", {}, "table"),
        ("commit", {"winners": []}, "load"),
        ("commit", {"load": str(uuid.uuid4())}, "winners"),
        ("seal", {"load": str(uuid.uuid4())}, "seal"),
    ],
)
def test_what_is_missing_is_named(alice: Client, action: str, body: dict[str, Any], word: str) -> None:
    with pytest.raises(flight.FlightError) as raised:
        alice.ask(action, body)
    said = refusal(raised.value)
    assert word in said["message"] and said["sqlstate"] in ("22023", "42602", "0A000")


@pytest.mark.parametrize("missing", ["ticket", "partition", "attempt"])
def test_a_stream_that_lacks_something(data_pool: DataPool, alice: Client, missing: str) -> None:
    load = alice.ask("begin", {"table": make_table(data_pool)})
    shard = load["shards"][0]
    command = {"ticket": shard["ticket"], "partition": 0, "attempt": 0}
    del command[missing]
    with flight.FlightClient(shard["address"]) as direct, pytest.raises(flight.FlightError) as raised:
        send(direct, command, spread(2)[0])
    assert missing in refusal(raised.value)["message"]


@pytest.mark.parametrize("content", [b"", b"\x00\x01", b"[]", json.dumps({"ticket": 5}).encode()])
def test_what_is_no_message_is_refused(data_pool: DataPool, alice: Client, content: bytes) -> None:
    load = alice.ask("begin", {"table": make_table(data_pool)})
    with flight.FlightClient(load["shards"][0]["address"]) as direct, pytest.raises(flight.FlightError) as raised:
        writer, reader = direct.do_put(flight.FlightDescriptor.for_command(content), pa.schema([("id", pa.int64())]))
        with writer:
            writer.done_writing()
            reader.read()  # type: ignore[attr-defined]  # pyarrow's stub is wrong
    assert sqlstate(raised.value) in ("08P01", "28000")
