"""Answers ``GET /metrics`` of one process, from a thread of its own: a service whose event loop hangs still tells what it knows, and
whoever asks slowly keeps nobody but the next one who asks.

Where it listens is a setting. A folder (``{run}``) means one machine: an abstract Unix socket named after the folder, which needs no
port and no permission to pass folders, and which only root, the service's own user and the owner of the cluster's store (the
controller) may ask. ``HOST:PORT`` means a pod of its own: TCP, kept by a NetworkPolicy.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

from pools.exposition import CONTENT_TYPE
from pools.postgresql import is_loopback
from pools.workload import Port, Scrape

POD_PORT = 9464
"""Of each pod that has metrics of its own: usual for exporters, and no port of ours."""

ASKING_SECONDS = 2.0
"""In which a request must arrive and its answer be taken."""

MOST_REQUEST = 16 * 1024
CLUSTER_FOLDER = "OPENBDC_CLUSTER_FOLDER"
_PEER = struct.Struct("3i")


@dataclass(frozen=True)
class Place:
    """``where``: the service's setting; ``ports`` and ``scrape``: the workload's."""

    where: str
    ports: tuple[Port, ...]
    scrape: Scrape


def metrics_place(listen: str) -> Place:
    """By the address that the pool's servers bind to: loopback means one machine."""
    if is_loopback(listen):
        return Place("{run}", (), Scrape())
    host = f"[{listen}]" if ":" in listen else listen
    return Place(f"{host}:{POD_PORT}", (Port("metrics", POD_PORT),), Scrape("metrics"))


def local_address(folder: str, what: str = "metrics") -> str:
    """The abstract socket of the process whose ``{run}`` this is: abstract names are at most 107 bytes, folders may be longer. ``what``:
    ``metrics``, or ``audit`` (``pools/audit_listener.py``)."""
    return f"\0openbdc-{what}-" + hashlib.sha256(folder.encode()).hexdigest()[:40]


def peer_user(connection: socket.socket) -> int:
    """The uid at the other end of a Unix socket."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return int(_PEER.unpack(raw)[1])


class Listener:
    """Listens as soon as it is made; OSError when it can't. ``collect`` runs on the thread; ``complain`` hears of its defects."""

    what = "metrics"

    def __init__(self, where: str, collect: Callable[[], bytes], complain: Callable[[str], None]) -> None:
        self._collect = collect
        self._complain = complain
        self._users = _users() if where.startswith("/") else None
        self._socket = _listening(where, self.what)
        threading.Thread(target=self._run, name=self.what, daemon=True).start()

    @property
    def port(self) -> int | None:
        """The TCP port; None for a Unix socket."""
        name = self._socket.getsockname()
        return int(name[1]) if isinstance(name, tuple) else None

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            with connection:
                try:
                    self._serve(connection)
                except OSError:
                    pass  # who asked has left, or was too slow
                except Exception as error:  # noqa: BLE001 (a defect here must not end the thread, nor be silent)
                    self._complain(f"{type(error).__name__}: {error}")

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(ASKING_SECONDS)
        request = b""
        while b"\r\n\r\n" not in request and len(request) < MOST_REQUEST:
            got = connection.recv(4096)
            if not got:
                return
            request += got
        if self._users is not None and peer_user(connection) not in self._users:
            connection.sendall(answered("403 Forbidden", b""))
        else:
            self.reply(connection, request)

    def reply(self, connection: socket.socket, request: bytes) -> None:
        """To who may ask. OSError where he has left."""
        if request.startswith((b"GET /metrics ", b"GET /metrics?")):
            connection.sendall(answered("200 OK", self._collect()))
        else:
            connection.sendall(answered("404 Not Found", b""))


def answered(status: str, body: bytes, kind: str = CONTENT_TYPE) -> bytes:
    """A whole answer of HTTP's."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


def _listening(where: str, what: str) -> socket.socket:
    if where.startswith("/"):
        made = socket.socket(socket.AF_UNIX)
        try:
            made.bind(local_address(where, what))
        except OSError:
            made.close()
            raise
    else:
        host, _, port = where.rpartition(":")
        made = socket.create_server((host.strip("[]"), int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.listen(8)
    return made


def _users() -> frozenset[int]:
    """Who may ask on one machine."""
    users = {0, os.geteuid()}
    folder = os.environ.get(CLUSTER_FOLDER)
    if folder is not None:
        users.add(pathlib.Path(folder, "store").stat().st_uid)
    return frozenset(users)
