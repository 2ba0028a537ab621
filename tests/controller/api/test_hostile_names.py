"""Every name that the API takes, tried with paths that would leave the store, and bodies that never come to an end."""

from __future__ import annotations

import pathlib
import socket
import time

import pytest

from controller.api import border
from controller.api.app import document
from tests.controller.api.hostile import problem, requests, send
from tests.controller.api.service import ADMIN, USER, served
from tests.patience import PATIENCE, SOON
from tests.watching import outside, touched


def test_no_name_leaves_the_store(tmp_path: pathlib.Path) -> None:
    with served(tmp_path) as service:
        token, host, port = service.token(ADMIN), str(service.client.base_url.host), service.client.base_url.port
        assert port is not None
        wrong, count, before = [], 0, {path.name for path in tmp_path.rglob("*")}
        with touched() as paths:
            for request in requests(document()):
                count += 1
                status, body = send(host, port, request, token)
                found = problem(status, body)
                wrong += [f"{request.method} {request.target[:80]} {str(request.body)[:80]}: {found}"] if found else []
        assert not wrong, "\n".join(wrong)
        assert count > 100
        assert outside(paths, tmp_path) == set()
        assert {path.name for path in tmp_path.rglob("*")} == before
        assert {user["name"] for user in service.services.users.all()} == {ADMIN, USER}


def test_a_body_that_does_not_come_ends_in_time(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slowly sent bodies must not hold connections for ever; before a login there is no other limit."""
    monkeypatch.setattr(border, "BODY_SECONDS", 0.3)
    with served(tmp_path) as service, socket.create_connection(("127.0.0.1", service.client.base_url.port or 0), PATIENCE) as connection:
        head = "POST /api/v1/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n"
        connection.sendall(head.encode() + b'{"user')
        begun = time.monotonic()
        answer = b""
        while more := connection.recv(4096):
            answer += more
        assert time.monotonic() - begun < SOON
        assert answer.startswith(b"HTTP/1.1 408 ") and b"did not arrive" in answer and b"connection: close" in answer.lower()
        assert service.call("GET", "/healthz").status_code == 200
