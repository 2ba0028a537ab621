"""Arrow Flight: the compute pool's actions, descriptors and tickets × logins; the shards' × tickets. The lists are the services' own, so a
new action is in here by itself, and one that lets somebody in without a right is a wrong cell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

from pools.compute.loads import actions
from pools.data.shard import ACTIONS, OPEN_ACTIONS
from pools.tickets import Signer, make_private_key
from tests.matrix.cells import cells
from tests.services.data_pool import Client, DataPool, refusal

ROWS = pa.table({"id": pa.array([1], pa.int64())})
OF_A_LOAD = ("commit", "abort", "renew", "status")
UNKNOWN = ("", "login", "Begin", "seal", "../begin")


def said(work: Callable[[], object]) -> str:
    """``in``, or the SQLSTATE (or Flight's own word) with which it was kept out."""
    try:
        work()
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, pa.ArrowNotImplementedError):
            return "not offered"
        with suppress(ValueError):
            code = str(refusal(error)["sqlstate"])
            return code if code in ("28000", "28P01", "42501") else "in"
        return f"{type(error).__name__}: {str(error)[:100]}"
    return "in"


def acted(client: flight.FlightClient, action: str, body: dict[str, Any], options: flight.FlightCallOptions) -> str:
    return said(lambda: list(client.do_action(flight.Action(action, json.dumps(body).encode()), options)))


def put(client: flight.FlightClient, command: dict[str, Any], options: flight.FlightCallOptions) -> str:
    def send() -> None:
        writer, reader = client.do_put(flight.FlightDescriptor.for_command(json.dumps(command).encode()), ROWS.schema, options)
        try:
            writer.write_table(ROWS)
            writer.done_writing()
            reader.read()
        finally:
            writer.close()

    return said(send)


def got(client: flight.FlightClient, ticket: str | bytes, options: flight.FlightCallOptions) -> str:
    return said(lambda: client.do_get(flight.Ticket(ticket), options).read_all())


@contextmanager
def table(pool: DataPool, name: str) -> Iterator[None]:
    """A data table of alice's own."""
    with pool.admin() as admin, pool.connect("alice") as alice:
        admin.execute(f"CREATE SCHEMA {name} AUTHORIZATION alice")
        alice.execute(f'CALL bdc.create_data_table(\'{name}.t\', \'[{{"name": "id", "type": "bigint"}}]\', \'HASH(id)\')')
        try:
            yield
        finally:
            alice.execute(f"CALL bdc.drop_data_table('{name}.t')")
            admin.execute(f"DROP SCHEMA {name} CASCADE")


def logins(pool: DataPool, alice: Client) -> dict[str, tuple[str, str | None]]:
    """Kind of caller → (what is declared, the bearer it sends)."""
    bearer = dict(alice.headers)[b"authorization"].decode().removeprefix("Bearer ")
    claims = {"sub": "alice", "db": "bdc"}
    stranger = Signer(make_private_key())
    return {
        "no token": ("28000", None),
        "garbage": ("28P01", "x.y.z"),
        "expired": ("28P01", pool.signer.sign("bdc-flight", "session", -120, claims)),
        "forged": ("28P01", stranger.sign("bdc-flight", "session", 60, claims)),
        "cut": ("28P01", bearer[:-3]),
        "other audience": ("28P01", pool.signer.sign("data-shard", "session", 60, claims)),
        "other operation": ("28P01", pool.signer.sign("bdc-flight", "put", 60, claims)),
        "other password": ("28P01", pool.signer.sign("bdc-flight", "session", 60, claims | {"v": "of another"})),
        "nobody": ("28P01", pool.signer.sign("bdc-flight", "session", 60, claims | {"sub": "nobody", "v": "x"})),
        "right": ("in", bearer),
    }


def sending(bearer: str | None, database: str = "bdc") -> flight.FlightCallOptions:
    headers = [(b"bdc-database", database.encode()), *([(b"authorization", f"Bearer {bearer}".encode())] if bearer else [])]
    return flight.FlightCallOptions(headers=headers, timeout=60)


def test_the_compute_pools_endpoint(data_pool: DataPool) -> None:
    descriptor = flight.FlightDescriptor.for_command(b"{}")
    with cells("flight-compute", least=120) as matrix, closing(data_pool.client("alice")) as alice:
        client = alice.flight
        for caller, (declared, bearer) in logins(data_pool, alice).items():
            options = sending(bearer)
            for action in (*actions.NAMES, *UNKNOWN):
                matrix.add(f"action {action!r} × {caller}", declared, acted(client, action, {}, options))
            judged = "28000" if declared == "in" else declared  # the ticket in it is the shard's to judge
            matrix.add(f"put × {caller}", judged, put(client, {"ticket": "x", "shard": 0}, options))
            matrix.add(f"get × {caller}", declared, got(client, "{}", options))
            kept = "in" if declared in ("in", "28000") else declared  # names of actions are told to anybody
            matrix.add(f"list_actions × {caller}", kept, said(lambda options=options: list(client.list_actions(options))))
            others = {
                "list_flights": lambda options=options: list(client.list_flights(b"", options)),
                "get_flight_info": lambda options=options: client.get_flight_info(descriptor, options),
                "get_schema": lambda options=options: client.get_schema(descriptor, options),
            }
            for name, call in others.items():
                matrix.add(f"{name} × {caller}", "not offered" if declared in ("in", "28000") else declared, said(call))
        bearer = logins(data_pool, alice)["right"][1]
        for action in actions.NAMES:
            matrix.add(f"action {action} × other database", "28P01", acted(client, action, {}, sending(bearer, "postgres")))


def test_loads_and_tables_of_somebody_else(data_pool: DataPool) -> None:
    with cells("flight-rights", least=12) as matrix, table(data_pool, "matrix_loads"), closing(data_pool.client("alice")) as alice:
        load = alice.ask("begin", {"table": "matrix_loads.t", "mode": "append"})
        with closing(data_pool.client("bob")) as bob:
            for mode in actions.MODES:
                body = {"table": "matrix_loads.t", "mode": mode}
                matrix.add(f"begin {mode} × other user", "42501", acted(bob.flight, "begin", body, bob.options))
            for action in OF_A_LOAD:
                body = {"load": load["load"], "winners": []}
                matrix.add(f"{action} × other user", "42501", acted(bob.flight, action, body, bob.options))
            read = {"sql": "SELECT * FROM matrix_loads.t"}
            matrix.add("read × other user", "42501", acted(bob.flight, "read", read, bob.options))
            matrix.add("read × right user", "in", acted(alice.flight, "read", read, alice.options))
        for action in ("status", "renew", "abort"):
            matrix.add(f"{action} × right user", "in", acted(alice.flight, action, {"load": load["load"]}, alice.options))


def test_the_shards_endpoint(data_pool: DataPool) -> None:
    anybody = flight.FlightCallOptions(timeout=60)
    with cells("flight-shard", least=90) as matrix, flight.FlightClient(f"grpc://127.0.0.1:{data_pool.shards[0].port}") as client:
        identity = json.loads(next(iter(client.do_action(flight.Action("hello", b"{}"), anybody))).body.to_pybytes())["shard"]
        claims = {"shard": identity, "db": "00000000-0000-0000-0000-000000000000"}
        stranger = Signer(make_private_key())

        def tickets(op: str) -> dict[str, tuple[str, str]]:
            sign = data_pool.signer.sign
            other = "read" if op != "read" else "put"
            return {
                "no token": ("28000", ""),
                "garbage": ("28000", "x.y.z"),
                "expired": ("28000", sign("data-shard", op, -2000, claims)),
                "forged": ("28000", stranger.sign("data-shard", op, 60, claims)),
                "other audience": ("28000", sign("bdc-flight", op, 60, claims)),
                "wrong operation": ("28000", sign("data-shard", other, 60, claims)),
                "a login's token": ("28000", sign("bdc-flight", "session", 60, {"sub": "alice", "db": "bdc"})),
                "right": ("in", sign("data-shard", op, 60, claims)),
            }

        for caller, (declared, ticket) in tickets("control").items():
            for action in ACTIONS:
                expected = "in" if action in OPEN_ACTIONS else declared
                matrix.add(f"shard action {action} × {caller}", expected, acted(client, action, {"ticket": ticket}, anybody))
        for caller, (declared, ticket) in tickets("put").items():
            command = {"ticket": ticket, "partition": 0, "attempt": 0}
            matrix.add(f"shard put × {caller}", declared, put(client, command, anybody))
        for caller, (declared, ticket) in tickets("read").items():
            matrix.add(f"shard get × {caller}", declared, got(client, ticket, anybody))


@pytest.mark.parametrize("names", [actions.NAMES, ACTIONS])
def test_the_lists_are_the_services_own(names: tuple[str, ...]) -> None:
    assert len(set(names)) == len(names) >= 6
