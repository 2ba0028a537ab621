"""``app``: calls of an app through the proxy of a real cluster, over HTTP with a token: a model in ONNX with twelve inputs, one worker.

Latency with one client that keeps its connection; then calls per second of four clients, each a process of its own on the same cores.
"""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import pathlib
import time
import urllib.parse
from multiprocessing import get_context

from benchmarks.report import Figure, Report, percentile
from tests.services.cluster import Stage, cluster

CALLS, CLIENTS, SECONDS, WARM = 2_000, 4, 8.0, 200
HOUSE = pathlib.Path(__file__).parent.parent / "examples" / "apps" / "house"


class Client:
    """One connection."""

    def __init__(self, address: str, token: str, body: bytes) -> None:
        parts = urllib.parse.urlsplit(address)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        self._path, self._body = parts.path, body
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(self) -> float:
        """Milliseconds, the answer read and understood. RuntimeError where it is none."""
        begun = time.perf_counter()
        self._connection.request("POST", self._path, self._body, self._headers)
        answer = self._connection.getresponse()
        content = json.loads(answer.read())
        if answer.status != 200 or not 29 < content["outputParameters"]["prediction"] < 31:
            raise RuntimeError(f"HTTP {answer.status}: {content}")
        return (time.perf_counter() - begun) * 1000


def calls_in(address: str, token: str, body: bytes, seconds: float) -> float:
    """Calls per second of one client."""
    client = Client(address, token, body)
    client.call()
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        client.call()
        count += 1
    return count / (time.perf_counter() - begun)


def token_of(stage: Stage) -> str:
    """As any program gets one."""
    login = json.dumps({"username": "admin", "password": stage.password, "audience": "app"}).encode()
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(stage.endpoint("controller")).netloc)
    connection.request("POST", "/api/v1/token", login, {"Content-Type": "application/json"})
    return str(json.loads(connection.getresponse().read())["access_token"])


def run(rounds: int | None) -> Report:
    """``rounds``: how many calls of the one client."""
    count, body = rounds or CALLS, (HOUSE / "first.json").read_bytes()
    with cluster() as stage:
        created = stage.bdc("app", "create", "-s", str(HOUSE))
        assert isinstance(created, dict)
        address, token = str(created["links"]["app"]), token_of(stage)
        client = Client(address, token, body)
        for _ in range(WARM):
            client.call()
        taken = [client.call() for _ in range(count)]
        with concurrent.futures.ProcessPoolExecutor(CLIENTS, mp_context=get_context("spawn")) as clients:
            rates = [clients.submit(calls_in, address, token, body, SECONDS) for _ in range(CLIENTS)]
            together = sum(rate.result() for rate in rates)
    return Report(
        "app",
        (
            Figure("p50_ms", percentile(taken, 0.50), "ms", "<= 3"),
            Figure("p95_ms", percentile(taken, 0.95), "ms", "<= 5"),
            Figure("p99_ms", percentile(taken, 0.99), "ms", "<= 9"),
            Figure("calls_per_s", together, "/s", ">= 1000"),
        ),
        more={"calls": count, "clients": CLIENTS, "workers": 1, "inputs": len(json.loads(body))},
    )
