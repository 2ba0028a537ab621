"""Tasks and their streams: tickets that open nothing, clocks that are apart, networks that break, disks that are full, odd sizes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

from tests.pools.compute.loads.rows import SCHEMA, ids, make_table, rows, spread
from tests.services.data_pool import Client, DataPool, Service, refusal, send
from tests.services.proxy import proxy

BROKEN = (flight.FlightError, pa.ArrowException, OSError)
MINUTES = 60.0


@pytest.fixture
def alice(data_pool: DataPool) -> Iterator[Client]:
    client = data_pool.client("alice")
    yield client
    client.close()


def put(shard: Mapping[str, Any], table: pa.Table, attempt: int = 0, partition: int = 0, **more: object) -> dict[str, Any]:
    """One stream to one shard; ``more`` replaces parts of the command."""
    command = {"ticket": shard["ticket"], "partition": partition, "attempt": attempt} | more
    with flight.FlightClient(shard["address"]) as direct:
        return send(direct, command, table)


def said(work: Any, *arguments: Any, **named: Any) -> dict[str, Any]:
    """What the refusal of this call says."""
    with pytest.raises(flight.FlightError) as raised:
        work(*arguments, **named)
    return refusal(raised.value)


@contextmanager
def clock(seconds: float) -> Iterator[None]:
    """The coordinator that signs tickets here is so much ahead of the shards."""
    with pytest.MonkeyPatch.context() as patch:
        real = time.time
        patch.setattr("pools.tickets.time.time", lambda: real() + seconds)
        yield


def ticket(pool: DataPool, load: Mapping[str, Any], table: Mapping[str, Any], shard: str, minutes: float = 0) -> str:
    claims = {"db": table["db"], "load": load["load"], "mode": "append", "tables": [table["claim"]], "shard": shard}
    with clock(minutes * MINUTES):
        return pool.signer.sign("data-shard", "put", 60, claims)


def claims_of(shard: Mapping[str, Any]) -> dict[str, Any]:
    """What a put ticket says."""
    body = shard["ticket"].split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


@pytest.mark.parametrize(("minutes", "good"), [(10, True), (-10, True), (-20, False)])
def test_clocks_that_are_apart(data_pool: DataPool, alice: Client, minutes: float, good: bool) -> None:
    """10 minutes are allowed either way; a ticket that is older than that has expired."""
    load = alice.ask("begin", {"table": make_table(data_pool)})
    shard = load["shards"][0]
    claims = claims_of(shard)
    table = {"db": claims["db"], "claim": claims["tables"][0]}
    given = dict(shard) | {"ticket": ticket(data_pool, load, table, claims["shard"], minutes)}
    if good:
        assert put(given, rows(2))["rows"] == 1
    else:
        assert said(put, given, rows(2))["sqlstate"] == "28000"


def test_a_ticket_opens_its_own_shard_load_and_table_only(data_pool: DataPool, alice: Client) -> None:
    one, two = (alice.ask("begin", {"table": make_table(data_pool)}) for _ in range(2))
    first, second = one["shards"]
    assert said(put, {**second, "ticket": first["ticket"]}, rows(1))["sqlstate"] == "55000"
    assert said(put, {**first, "ticket": first["ticket"][:-4] + "AAAA"}, rows(2))["sqlstate"] == "28000"
    put({**two["shards"][0], "ticket": first["ticket"]}, rows(2))  # goes into the load that the ticket names
    refused = said(alice.ask, "commit", {"load": two["load"], "winners": [[0, 0, {0: 1}]]})
    assert refused["sqlstate"] == "55000" and "not staged" in refused["message"]


def test_the_network_breaks_half_way(data_pool: DataPool, alice: Client) -> None:
    table = make_table(data_pool)
    load = alice.ask("begin", {"table": table})
    shard = load["shards"][0]
    many = pa.table({"id": pa.array(range(0, 400_000, 2), pa.int64()), "name": ["x" * 50] * 200_000}, schema=SCHEMA)
    with proxy(data_pool.shards[0].port) as between, flight.FlightClient(f"grpc://127.0.0.1:{between.port}") as cut:
        descriptor = flight.FlightDescriptor.for_command(json.dumps({"ticket": shard["ticket"], "partition": 0, "attempt": 0}).encode())
        writer, _ = cut.do_put(descriptor, many.schema)
        writer.write_table(many.slice(0, 100_000))
        between.cut()
        with pytest.raises(BROKEN):
            writer.write_table(many.slice(100_000))
            writer.close()
    count = put(shard, many, attempt=1)["rows"]
    assert alice.ask("commit", {"load": load["load"], "winners": [[0, 1, {0: count}]]})["rows"] == 200_000
    with data_pool.connect("alice") as connection:
        assert connection.execute(f"SELECT count(*), count(DISTINCT id) FROM {table}").fetchone() == (200_000, 200_000)


def test_a_task_that_fails_twice_and_its_duplicates(data_pool: DataPool, alice: Client) -> None:
    table = make_table(data_pool)
    load = alice.ask("begin", {"table": table})
    shard = load["shards"][0]
    for attempt in (0, 1):
        command = {"ticket": shard["ticket"], "partition": 0, "attempt": attempt}
        with flight.FlightClient(shard["address"]) as direct:
            writer, _ = direct.do_put(flight.FlightDescriptor.for_command(json.dumps(command).encode()), SCHEMA)
            writer.write_table(rows(2, 4))
            with pytest.raises(BROKEN):
                writer.close()  # without its count
    for attempt in (2, 3, 4):  # the winner between two speculative duplicates
        put(shard, rows(2, 4, 6), attempt=attempt)
    alice.ask("commit", {"load": load["load"], "winners": [[0, 3, {0: 3}]]})
    assert ids(data_pool, table) == [2, 4, 6]
    assert said(put, shard, rows(8), attempt=5)["sqlstate"] == "55000"


def test_the_disk_of_one_shard_is_full(data_pool: DataPool, alice: Client) -> None:
    """The other shard has taken its rows: nothing of them is there, and other loads go on once there is space."""
    table = make_table(data_pool)
    with other_limits(data_pool.shards[1], reserve_mb=1 << 30):
        load = alice.ask("begin", {"table": table})
        refused = said(alice.put, load, spread(1, 2))
        assert refused["sqlstate"] == "53100" and "disk" in refused["message"] and "compact" in refused["hint"]
        assert alice.ask("abort", {"load": load["load"]})["state"] == "aborted"
    assert ids(data_pool, table) == []
    alice.load(table, spread(1, 2))
    assert ids(data_pool, table) == [1, 2]


@pytest.mark.parametrize("count", [500, pytest.param(10_000, marks=pytest.mark.full)])
def test_many_tiny_partitions(data_pool: DataPool, alice: Client, count: int) -> None:
    table = make_table(data_pool)
    load = alice.ask("begin", {"table": table})
    with flight.FlightClient(load["shards"][0]["address"]) as zero, flight.FlightClient(load["shards"][1]["address"]) as one:
        for partition in range(count):
            number = partition % 2
            command = {"ticket": load["shards"][number]["ticket"], "partition": partition, "attempt": 0}
            send((zero, one)[number], command, rows(partition))
    winners = [[partition, 0, {partition % 2: 1}] for partition in range(count)]
    assert alice.ask("commit", {"load": load["load"], "winners": winners})["rows"] == count
    assert ids(data_pool, table) == list(range(count))


def test_a_row_of_200_columns_and_5_megabytes(data_pool: DataPool, alice: Client) -> None:
    columns = [{"name": f"c{n}", "type": "text"} for n in range(200)]
    with data_pool.admin() as admin:
        admin.execute("CALL bdc.create_data_table('public.wide', %s::jsonb)", [json.dumps(columns)])
        admin.execute("GRANT SELECT, INSERT ON public.wide TO alice")
    values = [chr(97 + n % 26) * 25_000 for n in range(200)]
    wide = pa.table({f"c{n}": [value] for n, value in enumerate(values)})
    assert alice.load("public.wide", {0: wide})["rows"] == 1
    with data_pool.connect("alice") as connection:
        assert connection.execute("SELECT * FROM public.wide").fetchall() == [tuple(values)]


def test_an_empty_frame_is_a_load_in_every_mode(data_pool: DataPool, alice: Client) -> None:
    table = make_table(data_pool, "HASH(id)", "id")
    alice.load(table, {0: rows(2)})
    for mode, expected in (("append", [2]), ("upsert", [2]), ("overwrite", [])):
        assert alice.load(table, {0: rows()}, mode)["rows"] == 0
        assert ids(data_pool, table) == expected


@contextmanager
def other_limits(shard: Service, **limits: object) -> Iterator[None]:
    """The shard runs with these."""
    settings = shard.settings
    content = json.loads(settings)
    shard.stop()
    shard.settings = json.dumps(content | {"limits": content["limits"] | limits})
    shard.start()
    try:
        yield
    finally:
        shard.stop()
        shard.settings = settings
        shard.start()
