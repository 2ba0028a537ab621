"""What the gateway tells after real requests, refusals and connections; and that its public address does not."""

from __future__ import annotations

import contextlib
import pathlib
import socket
from collections.abc import Iterator

import pytest

from controller.service_http import over_socket
from pools.gateway.metric_table import ROUTES, TABLE
from pools.gateway.server import Limits
from tests.controller.api.service import ADMIN
from tests.patience import PATIENCE, eventually
from tests.pools.gateway.running import Running, error, gateway
from tests.pools.scraping import Told, scraped


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
def running(folder: pathlib.Path) -> Iterator[Running]:
    with gateway(folder, limits=Limits(linger_seconds=0.3, connections=4, told=1)) as found:
        yield found


def requests(told: Told, route: str, status: int) -> float:
    return told.get(("openbdc_gateway_request_seconds_count", (route, str(status))), 0)


def test_requests_by_route_and_status_and_what_was_refused(running: Running, folder: pathlib.Path) -> None:
    with running.client(running.token(ADMIN)) as client:
        assert client.get("/api/v1/whoami").status_code == 200
        assert client.get("/api/v1/nothing").status_code == 404  # the controller's own
        assert client.get("/.well-known/jwks.json").status_code == 200
        assert client.get("/healthz").status_code == 200
        assert client.get("/api/app/t/v1/swagger.json").status_code == 404  # no apps
        assert client.get("/what").status_code == 404
        body = client.get("/webhdfs/v1/?op=LISTSTATUS", headers={"Authorization": "Bearer x.y.z"})
        assert error(body)["code"] == "invalid_token"
        seen = "openbdc_gateway_request_seconds_count", ("webhdfs", "401")
        eventually(lambda: scraped(folder).get(seen) == 1, "the last one is counted")
        told = scraped(folder)
        assert told["openbdc_gateway_connections", ()] == 1
    counted = {route: (requests(told, route, 200), requests(told, route, 404), requests(told, route, 401)) for route in ROUTES}
    assert counted == {
        "api": (2, 1, 0), "apps": (0, 1, 0), "webhdfs": (0, 0, 1), "spark": (0, 0, 0), "flight": (0, 0, 0), "health": (1, 0, 0),
            "audit": (0, 0, 0), "other": (0, 1, 0), "none": (0, 0, 0),
    }  # fmt: skip
    refused = {labels: value for (name, labels), value in told.items() if name == "openbdc_gateway_refused_total"}
    assert refused == {("invalid_token", "webhdfs"): 1, ("not_found", "apps"): 1, ("not_found", "other"): 1}, (
        "what the controller says is not ours"
    )
    assert told["openbdc_gateway_sent_bytes_total", ("webhdfs",)] > len(body.content)
    assert told["openbdc_gateway_received_bytes_total", ("api",)] > 100
    assert {told["openbdc_gateway_streams", (route,)] for route in ROUTES} == {0}
    names = {metric.name for metric in TABLE}
    assert {name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum") for name, _ in told} == names


def test_a_stream_under_way_and_connections(running: Running, folder: pathlib.Path) -> None:
    before = scraped(folder)
    with (
        socket.create_connection(("127.0.0.1", running.port), PATIENCE) as plain,
        running.context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        client.sendall(b"POST /api/v1/token HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        eventually(lambda: scraped(folder)["openbdc_gateway_streams", ("api",)] == 1, "a request that is not whole is being passed on")
    eventually(lambda: scraped(folder)["openbdc_gateway_streams", ("api",)] == 0, "its client is gone")
    eventually(lambda: requests(scraped(folder), "api", 0) >= 1, "it had no answer")
    with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as plain, contextlib.suppress(OSError):
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        plain.recv(100)
    eventually(lambda: scraped(folder)["openbdc_gateway_connections", ()] == 0, "all are closed")
    after = scraped(folder)

    def more(outcome: str) -> float:
        return after["openbdc_gateway_connections_total", (outcome,)] - before["openbdc_gateway_connections_total", (outcome,)]

    assert (more("taken"), more("no_tls"), more("cut_off")) == (2, 1, 0)
    held = [socket.create_connection(("127.0.0.1", running.port), PATIENCE) for _ in range(6)]
    try:
        eventually(lambda: scraped(folder)["openbdc_gateway_connections_total", ("cut_off",)] >= 1, "above the limit")
        assert scraped(folder)["openbdc_gateway_connections_limit", ()] == 4
    finally:
        for one in held:
            one.close()
    eventually(lambda: scraped(folder)["openbdc_gateway_connections", ()] == 0, "all are closed")


def test_the_public_address_tells_nothing(running: Running, folder: pathlib.Path) -> None:
    with running.client(running.token(ADMIN)) as client:
        for path in ("/metrics", "/metrics?x", "/healthz/metrics"):
            assert error(client.get(path))["code"] == "not_found"
    assert "openbdc_gateway_connections" in over_socket(str(folder))(PATIENCE), "the controller's way"
