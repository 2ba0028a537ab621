"""What services of the cluster tell the controller over HTTP: metrics, audit trails. Over a socket on this machine, TCP, or TLS."""

from __future__ import annotations

import http.client
import pathlib
import socket
import ssl
import time
from collections.abc import Callable, Mapping

from pools.metrics_listener import local_address, peer_user

MOST_BYTES = 16 << 20
NONE: Mapping[str, str] = {}

Read = Callable[[float], str]
"""Seconds that are left → the text; OSError, ValueError or http.client.HTTPException when there is none to be had."""


def over_socket(folder: str, path: str = "/metrics", what: str = "metrics") -> Read:
    """Reads ``path`` of the process whose ``{run}`` this is, from its listener for ``what``."""
    return lambda seconds: _get(_Unix(folder, what, seconds), path, seconds)


def over_tcp(host: str, port: int, path: str) -> Read:
    """Reads ``path`` over HTTP."""
    return lambda seconds: _get(http.client.HTTPConnection(host, port, timeout=seconds), path, seconds)


def over_tls(host: str, port: int, path: str, authority: Callable[[], str], headers: Mapping[str, str] = NONE) -> Read:
    """The same over HTTPS. ``authority``: a file, one of whose certificates must have signed that of who answers."""

    def read(seconds: float) -> str:
        trust = ssl.create_default_context(cafile=authority())
        return _get(http.client.HTTPSConnection(host, port, timeout=seconds, context=trust), path, seconds, headers)

    return read


class _Unix(http.client.HTTPConnection):
    """HTTP over the abstract socket of a run folder; ValueError where somebody else listens under its name."""

    def __init__(self, folder: str, what: str, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._folder = pathlib.Path(folder)
        self._what = what

    def connect(self) -> None:
        """Instead of TCP. Abstract names are anybody's to take, the folder is its pool's."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(local_address(str(self._folder), self._what))
        if peer_user(self.sock) != self._folder.stat().st_uid:
            raise ValueError("another user listens in its place")


def _get(connection: http.client.HTTPConnection, path: str, seconds: float, headers: Mapping[str, str] = NONE) -> str:
    deadline = time.monotonic() + seconds
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise ValueError(f"it answered {answer.status}")
        body = b""
        while part := answer.read1(1 << 16):
            body += part
            if len(body) > MOST_BYTES or time.monotonic() > deadline:
                raise ValueError("its answer does not end")
        return body.decode()
    finally:
        connection.close()
