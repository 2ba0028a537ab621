"""The gateway's door: routes, limits, certificates; in front of a controller's real API."""

from __future__ import annotations

import contextlib
import json
import pathlib
import socket
from collections.abc import Iterator

import httpx
import pytest

from pools.gateway.server import Limits
from pools.tls import LOOK_SECONDS
from tests.controller.api.service import ADMIN, PASSWORD, USER
from tests.patience import PATIENCE, eventually
from tests.pools.gateway.running import Running, error, gateway


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with gateway(tmp_path_factory.mktemp("gateway"), limits=Limits(linger_seconds=0.3)) as found:
        yield found


def spoken(running: Running, sent: bytes, *more: bytes) -> bytes:
    """Bytes over TLS, and all that comes back until the end."""
    with (
        socket.create_connection(("127.0.0.1", running.port), PATIENCE) as plain,
        running.context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
    ):
        wrapped.sendall(sent)
        for part in more:
            wrapped.sendall(part)
        found = b""
        while part := wrapped.recv(65536):
            found += part
        return found


def refused(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]["code"]


def test_the_api_is_behind_it(running: Running) -> None:
    with running.client() as client:
        given = client.post("/api/v1/token", json={"username": ADMIN, "password": PASSWORD})
        assert given.status_code == 200
        token = given.json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "X-Request-Id": "mine-1"}
        who = client.get("/api/v1/whoami", headers=headers)
        assert (who.json()["name"], who.headers["x-request-id"]) == (ADMIN, "mine-1")
        assert client.get("/api/v1/whoami").status_code == 401
        assert client.get("/.well-known/jwks.json").json() == running.api.client.get("/.well-known/jwks.json").json()
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.head("/healthz").content == b""
        large = client.post("/api/v1/token", content=b"x" * 5_000_000)
        assert (large.status_code, error(large)["code"]) == (413, "too_large")
    assert any(line.get("path") == "/api/v1/whoami" and line["status"] == 200 for line in running.lines)
    assert token not in json.dumps(running.lines)
    assert all(line["method"] != "-" for line in running.lines if line["event"] == "request"), "a line for each request, none for an end"


@pytest.mark.parametrize(
    "path", ["/", "/x", "/metrics", "/api", "/api/v2/x", "/webhdfs", "/webhdfs/v2/x", "/jmx", "//webhdfs/v1", "/api%2fv1/bdc"]
)
def test_there_is_nothing_else(running: Running, path: str) -> None:
    with running.client(running.token(ADMIN)) as client:
        answer = client.get(running.url + path)
        assert (answer.status_code, error(answer)["code"]) == (404, "not_found")


def test_a_cluster_without_hdfs_says_so(running: Running) -> None:
    with running.client(running.token()) as client:
        answer = client.get("/webhdfs/v1/?op=LISTSTATUS")
    assert (answer.status_code, error(answer)["message"]) == (404, "this cluster has no HDFS")


def test_who_may_not(running: Running) -> None:
    with running.client() as client:
        for caller, token in running.callers().items():
            answer = client.get("/webhdfs/v1/?op=LISTSTATUS", headers={"Authorization": f"Bearer {token}"} if token else {})
            expected = {"right role": 404, "wrong role": 403}.get(caller, 401)
            assert answer.status_code == expected, caller
            if expected == 401:
                assert error(answer)["code"] == "invalid_token"
                assert answer.headers["www-authenticate"] == "Bearer"
        basic = client.get("/webhdfs/v1/?op=LISTSTATUS", auth=(USER, PASSWORD))
        assert (basic.status_code, error(basic)["message"]) == (401, "no bearer token was sent")


def test_a_token_for_the_gateway_alone_does_not_open_the_api(running: Running) -> None:
    with running.client(running.token(ADMIN, "gateway")) as client:
        assert error(client.get("/webhdfs/v1/?op=LISTSTATUS"))["message"] == "this cluster has no HDFS"
        answer = client.get("/api/v1/whoami")
        assert (answer.status_code, error(answer)["message"]) == (401, "the token is meant for another service")


def test_headers_and_tokens_that_are_too_large(running: Running) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"  # what has arrived whole does not end a connection
    assert refused(spoken(running, head + b"A: " + b"a" * 40_000 + b"\r\n\r\n")) == (431, "too_large")
    assert refused(spoken(running, head, *[b"A%d: %b\r\n" % (number, b"a" * 900) for number in range(19)], b"\r\n")) == (431, "too_large")
    assert refused(spoken(running, head + b"A: " + b"a" * 1_000_000)) == (431, "too_large")
    with running.client("x" * 8193) as client:
        for path in ("/webhdfs/v1/?op=LISTSTATUS", "/api/v1/whoami"):
            answer = client.get(path)
            assert (answer.status_code, error(answer)["code"]) == (401, "invalid_token")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\nTransfer-Encoding: gzip\n\n",
    ],
)
def test_what_is_no_http(running: Running, sent: bytes) -> None:
    status, code = refused(spoken(running, sent))
    assert status in (400, 404, 501)
    assert code in ("invalid_request", "not_found")


def test_what_is_no_tls_is_cut_off(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        plain.settimeout(PATIENCE)
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP" not in plain.recv(100)


def test_a_certificate_is_exchanged_while_a_connection_goes_on(running: Running) -> None:
    def shown() -> str:
        with (
            socket.create_connection(("127.0.0.1", running.port), PATIENCE) as plain,
            running.context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
        ):
            return repr(wrapped.getpeercert())

    before = shown()
    with running.client() as client:
        assert client.get("/healthz").status_code == 200
        running.certificates.lay(running.certificates.issued())
        eventually(lambda: shown() != before, f"the new certificate is shown (files are looked at every {LOOK_SECONDS:g} s)")
        assert client.get("/healthz").status_code == 200
        connections = client._transport._pool.connections  # type: ignore[attr-defined]
        assert len(connections) == 1
    after = shown()
    (running.certificates.folder / "tls.key").write_text("half")
    eventually(
        lambda: any("old certificate stays" in line["event"] for line in running.lines) or not shown(), "files that don't load are told"
    )
    assert shown() == after
    running.certificates.lay(running.certificates.issued())


def test_slow_headers_and_too_many_connections(tmp_path: pathlib.Path) -> None:
    limits = Limits(header_seconds=1.0, idle_seconds=1.0, per_address=2, told=1, linger_seconds=0.2)
    with gateway(tmp_path, limits=limits) as running:
        assert refused(spoken(running, b"GET / HTTP/1.1\r\nHost: x\r\nA: ")) == (408, "too_slow")
        assert spoken(running, b"") == b""
        whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        assert refused_after(spoken(running, whole + b"GET / HTT")) == 408
        with socket.create_connection(("127.0.0.1", running.port), PATIENCE) as silent:  # no handshake
            silent.settimeout(PATIENCE)
            assert silent.recv(1) == b""
    with gateway(tmp_path / "b", limits=Limits(per_address=2, told=1, linger_seconds=0.2)) as running:
        held = [socket.create_connection(("127.0.0.1", running.port), PATIENCE) for _ in range(2)]

        def busy() -> bool:
            with running.client() as client:
                return client.get("/healthz").status_code == 503

        eventually(busy, "both connections count")
        held.append(socket.create_connection(("127.0.0.1", running.port), PATIENCE))

        def cut() -> bool:
            with running.client() as client:
                try:
                    return client.get("/healthz").status_code != 503
                except httpx.TransportError:
                    return True

        eventually(cut, "above those that are told why they are cut off")
        for one in held:
            one.close()

        def free() -> bool:
            with running.client() as client:
                try:
                    return client.get("/healthz").status_code == 200
                except httpx.TransportError:
                    return False

        eventually(free, "closed connections count no more")


def refused_after(answers: bytes) -> int:
    """The status of the second answer."""
    return int(answers.split(b"HTTP/1.1 ")[2].split()[0])


def test_without_the_controller(tmp_path: pathlib.Path) -> None:
    with gateway(tmp_path, controller="http://127.0.0.1:1") as running, running.client(running.token()) as client:
        for path, status, code in (("/api/v1/whoami", 502, "unreachable"), ("/webhdfs/v1/?op=LISTSTATUS", 503, "not_ready")):
            answer = client.get(path)
            assert (answer.status_code, error(answer)["code"]) == (status, code)
