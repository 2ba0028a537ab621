"""Some thousands of bad inputs with a fresh seed; ``python -m benchmarks fuzz`` sends a million."""

from __future__ import annotations

import json
import logging
import pathlib
import random

import pytest

from pools.compute.errors import StatementError
from pools.compute.loads.flight import _read_json
from pools.gateway.server import Limits
from tests.controller.api.service import ADMIN, served
from tests.fuzz import app_parsers, gateway_parsers, parsers, sockets
from tests.fuzz.parsers import fresh_seed, fuzz
from tests.fuzz.targets import Outcome, Target
from tests.pools.app.stand import stand
from tests.pools.gateway.running import gateway
from tests.services.data_pool import DataPool

pytestmark = pytest.mark.usefixtures("cheap_hashes")

INPUTS = 8_000
OF_A_SOCKET = 30


def told(outcome: Outcome, seed: int) -> str:
    return f"seed {seed}\n" + "\n".join(outcome.crashes + outcome.accepted_wrongly)


def test_parsers() -> None:
    seed = fresh_seed()
    outcome = fuzz(INPUTS, seed)
    assert not outcome.crashes + outcome.accepted_wrongly, told(outcome, seed)


def test_sockets_of_compute_pool_and_shard(data_pool: DataPool) -> None:
    seed = fresh_seed()
    outcome = over_data_pool(data_pool, OF_A_SOCKET, seed)
    assert not outcome.crashes + outcome.accepted_wrongly, told(outcome, seed)


def test_the_controllers_socket(tmp_path: pathlib.Path) -> None:
    seed, outcome = fresh_seed(), Outcome()
    over_controller(tmp_path, OF_A_SOCKET, seed, outcome)
    assert not outcome.crashes + outcome.accepted_wrongly, told(outcome, seed)


def test_the_app_proxys_socket(tmp_path: pathlib.Path) -> None:
    seed, outcome = fresh_seed(), Outcome()
    over_apps(tmp_path, OF_A_SOCKET, seed, outcome)
    assert not outcome.crashes + outcome.accepted_wrongly, told(outcome, seed)


def test_the_gateways_socket(tmp_path: pathlib.Path) -> None:
    seed, outcome = fresh_seed(), Outcome()
    over_gateway(tmp_path, OF_A_SOCKET, seed, outcome)
    assert not outcome.crashes + outcome.accepted_wrongly, told(outcome, seed)


def test_a_crash_and_a_wrong_acceptance_are_found() -> None:
    def breaks(data: bytes) -> str | None:
        if data[:1] == b"\x00":
            raise KeyError("broken")
        return None if data == b"good" else "took it"

    outcome = Outcome()
    parsers._fuzz_one(Target("broken", (b"good",), breaks, (), 1), 2000, random.Random(1), outcome)
    assert outcome.crashes
    assert outcome.accepted_wrongly


def over_data_pool(data_pool: DataPool, each: int, seed: int) -> Outcome:
    """``each`` inputs of every kind; the services still answer, and their logs tell of no defect."""
    from pyarrow import flight

    chance, outcome = random.Random(seed), Outcome()
    before = [len(service.log) for service in (*data_pool.replicas, *data_pool.shards)]
    sockets.sql(data_pool.replicas[0].port, each, chance, outcome)
    alice = data_pool.client("alice")
    bearer = dict(alice.headers)[b"authorization"].removeprefix(b"Bearer ")
    sockets.bearers(alice.flight, [bearer], each, chance, outcome)
    sockets.messages(alice.flight, alice.headers, each, chance, outcome)
    claims = {"shard": "nobody", "db": "00000000-0000-0000-0000-000000000000"}
    good = [data_pool.signer.sign("data-shard", op, 600, claims).encode() for op in ("control", "read")]
    with flight.FlightClient(f"grpc://127.0.0.1:{data_pool.shards[0].port}") as shard:
        sockets.tickets(shard, good, each, chance, outcome)
    assert alice.ask("read", {"sql": "SELECT 1 AS one"})
    alice.close()
    for service, length in zip((*data_pool.replicas, *data_pool.shards), before, strict=True):
        lines = service.log[length:].splitlines()
        outcome.crashes += [line for line in lines if "internal error" in line or "a Flight call failed" in line or "XX000" in line]
    return outcome


def over_controller(folder: pathlib.Path, each: int, seed: int, outcome: Outcome) -> None:
    """Of the API served by uvicorn."""
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it warns of each request that is none
    with served(folder) as service:
        tokens = [service.token(ADMIN) for _ in range(2)]
        sockets.http(service.client.base_url.port or 0, each, random.Random(seed), outcome, tokens)
        assert service.call("GET", "/api/v1/users", tokens[0]).status_code == 200


def over_apps(folder: pathlib.Path, each: int, seed: int, outcome: Outcome) -> None:
    """Of the app proxy as a process; its log tells of no defect."""
    with stand(folder) as proxy:
        sockets.apps(proxy.port, proxy.token("app-owner"), each, random.Random(seed), outcome)
        assert proxy.client.get("/healthz").status_code == 200
        outcome.crashes += [line for line in (folder / "log").read_text().splitlines() if "defect" in line or "Traceback" in line]


def over_gateway(folder: pathlib.Path, each: int, seed: int, outcome: Outcome) -> None:
    """In front of the controller's API, and of a compute pool and a HDFS that are never reached."""
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of each connection that ends without TLS's farewell
    limits = Limits(header_seconds=5.0, idle_seconds=1.0, linger_seconds=0.05)
    with gateway(folder, gateway_parsers.HDFS, limits, flight=("127.0.0.1:1",)) as running:
        sockets.gateway(running, each, random.Random(seed), outcome)
        with running.client() as client:
            assert client.get("/healthz").status_code == 200


def test_what_was_found_so_far() -> None:
    """Each was a crash once."""
    found = {
        "basic header": b"Basic YWxp\xb4",
        "flight commit": b'{"winners": [[11e999, 0, {}]]}',
        "shard put": b'{"ticket": "x", "partition": "NaN", "attempt": 0}',
        "app call": json.dumps({**app_parsers.ROW, "l": [1, "N"]}).encode().replace(b'"N"', b"1e999"),
        "app spec": app_parsers.SMALL.replace(b"{x: float}", b"{x: {y: float}}"),
    }
    for target in parsers.targets():
        if target.name in found:
            outcome = Outcome()
            parsers._judge(target, found.pop(target.name), outcome)
            assert not outcome.crashes + outcome.accepted_wrongly, told(outcome, 0)
    assert not found


@pytest.mark.parametrize("body", [b'{"sql": "\xed\xa0\x80"}', b'{"sql": "\\uD800 x"}', b'{"sql": "\xff"}', b"[1]", b"{"])
def test_half_a_surrogate_pair_is_no_text(body: bytes) -> None:
    """It was a crash where an answer repeated it."""
    with pytest.raises(StatementError, match="not a JSON object"):
        _read_json(body)
    assert _read_json(b'{"sql": "\\ud83d\\ude00"}') == {"sql": "\U0001f600"}
