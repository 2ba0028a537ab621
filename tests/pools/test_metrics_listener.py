"""The listener answers over both kinds of address, to whom it may, and outlives what goes wrong."""

from __future__ import annotations

import os
import pathlib
import socket
from collections.abc import Iterator

import pytest

from pools import metrics_listener
from pools.metrics_listener import CLUSTER_FOLDER, Listener, local_address
from tests.patience import PATIENCE


def asked(address: str | tuple[str, int], request: bytes = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n") -> bytes:
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(address)
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(4096), b""))


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> str:
    return str(tmp_path / "run" / "data-0")


@pytest.fixture
def listener(folder: str) -> Iterator[Listener]:
    made = Listener(folder, lambda: b"seen 1\n", print)
    yield made
    made.close()


def test_one_machine(listener: Listener, folder: str) -> None:
    head, _, body = asked(local_address(folder)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK") and b"version=0.0.4" in head and body == b"seen 1\n"
    assert asked(local_address(folder), b"GET /secrets HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404")


def test_a_pod() -> None:
    listener = Listener("127.0.0.1:0", lambda: b"seen 1\n", print)
    try:
        assert listener.port is not None
        assert asked(("127.0.0.1", listener.port)).endswith(b"seen 1\n")
    finally:
        listener.close()


def test_other_users_of_the_machine_are_refused(folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(metrics_listener, "peer_user", lambda connection: 54321)
    listener = Listener(folder, lambda: b"seen 1\n", print)
    try:
        assert asked(local_address(folder)).startswith(b"HTTP/1.1 403")
    finally:
        listener.close()


def test_the_controller_s_user_may_ask(folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    (tmp_path / "store").mkdir()
    if os.geteuid() == 0:
        os.chown(tmp_path / "store", 54321, -1)
    monkeypatch.setenv(CLUSTER_FOLDER, str(tmp_path))
    owner = (tmp_path / "store").stat().st_uid
    monkeypatch.setattr(metrics_listener, "peer_user", lambda connection: owner)
    listener = Listener(folder, lambda: b"seen 1\n", print)
    try:
        assert asked(local_address(folder)).endswith(b"seen 1\n")
    finally:
        listener.close()


def test_a_silent_asker_and_a_defect_stop_nobody(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_listener, "ASKING_SECONDS", 0.2)
    answers = iter((RuntimeError("a defect"), b"seen 2\n"))

    def collect() -> bytes:
        answer = next(answers)
        if isinstance(answer, bytes):
            return answer
        raise answer

    listener = Listener(folder, collect, print)
    try:
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(local_address(folder))
            assert asked(local_address(folder)) == b""
            assert asked(local_address(folder)).endswith(b"seen 2\n")
    finally:
        listener.close()
