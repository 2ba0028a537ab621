"""Ports that a program is about to use, known to the whole machine before anybody listens there.

Two creates at once, each in a ``BDC_HOME`` of its own, see no file of each other, and no listening port either until their servers run. A
claim is an abstract Unix socket named after the port: it lies in the network namespace, as ports do, needs no folder that both may write,
any OS user can make one, and it goes with the process that holds it, however that ends.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable
from types import TracebackType
from typing import Self


def _name(port: int) -> str:
    return f"\0openbdc-port-{port}"


class PortClaims:
    """The claims of one program; they end with the context."""

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _close(self._held)

    def take(self, ports: Iterable[int]) -> int | None:
        """All of them, or none: then the first one that another program has claimed."""
        taken: dict[int, socket.socket] = {}
        for port in ports:
            if port in self._held or port in taken:
                continue
            taken[port] = claim = socket.socket(socket.AF_UNIX)
            try:
                claim.bind(_name(port))
            except OSError as error:
                _close(taken)
                if error.errno == errno.EADDRINUSE:
                    return port
                raise
            claim.listen(1)
        self._held |= taken
        return None


def claimant(port: int) -> int | None:
    """The pid of the program that has claimed ``port``; None when it has ended meanwhile."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(1)
        try:
            asking.connect(_name(port))
        except OSError:
            return None
        pid: int = struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))[0]
        return pid


def _close(claims: dict[int, socket.socket]) -> None:
    for claim in claims.values():
        claim.close()
    claims.clear()
