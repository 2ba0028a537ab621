"""Which pods the app proxy wants: it publishes them, the controller asks and makes them. The proxy itself may do nothing in Kubernetes."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pools.app import wire
from pools.tls import client_context

CODE = re.compile(r"[0-9a-f]{32}")
LABEL = re.compile(r"[a-z0-9.-]{1,40}@[a-z0-9.-]{1,32}")
MOST = 1024
"""Pods of a version, calls at once of one, threads: more can't be meant."""
SECONDS = 10.0
LONGEST_NAME = 45
MOST_TOLD = 1 << 20


@dataclass(frozen=True)
class Wanted:
    """The pods of one package. ``code``: which (a version that is updated has two for a while); ``label``: ``house@v1``; ``memory_mb``,
    ``threads``: of each of the ``poolsize`` workers in each of ``replicas`` pods; ``seconds``: that a call may take."""

    code: str
    label: str
    replicas: int
    poolsize: int
    memory_mb: int
    threads: int
    seconds: float

    @property
    def name(self) -> str:
        """Of its workload: what people recognize, and what tells one package from the next."""
        readable = re.sub(r"[^a-z0-9]+", "-", f"app-{self.label}")[:LONGEST_NAME].strip("-")
        return f"{readable}-{self.code[:6]}"

    def json(self) -> dict[str, object]:
        """As ``read`` takes it."""
        return dataclasses.asdict(self)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Wanted:
        """ValueError for what can be none: it becomes part of manifests."""
        try:
            found = cls(**given)
        except TypeError as error:
            raise ValueError(f"no description of pods: {error}") from None
        numbers = (found.replicas, found.poolsize, found.threads)
        if not (CODE.fullmatch(str(found.code)) and LABEL.fullmatch(str(found.label))):
            raise ValueError("no description of pods: its code or its label is none")
        if not all(type(number) is int and 0 < number <= MOST for number in numbers) or type(found.memory_mb) is not int:
            raise ValueError(f"no description of pods: {found.label} has numbers that can't be meant")
        return found


def asked(address: tuple[str, int], key: str, authority: str | None) -> tuple[Wanted, ...]:
    """Of the app proxy. Blocks. OSError, ValueError where it does not tell. ``key``: the cluster's for this; ``authority``: path of what it
    is verified with; None: it speaks no TLS."""
    with socket.create_connection(address, timeout=SECONDS) as plain:
        connection = client_context(authority).wrap_socket(plain, server_hostname=address[0]) if authority else plain
        with connection:
            nonce = str(_told(connection).get("nonce"))
            proof = wire.proof(wire.token(key, wire.CONTROLLER), nonce, "wanted")
            hello = {"op": "wanted", "code": wire.CONTROLLER, "proof": proof}
            connection.sendall(wire.piece(wire.HELLO, wire.text(hello)))
            answer = _told(connection)
            if "refused" in answer:
                raise ValueError(str(answer["refused"]))
            return tuple(Wanted.read(one) for one in _list(_told(connection).get("pods")))


def _told(connection: socket.socket) -> dict[str, object]:
    """A frame, as of ``apps.worker.framing``; the controller has none of that library."""
    (length,) = wire.FRAME.unpack(_exactly(connection, wire.FRAME.size))
    if length > MOST_TOLD:
        raise ValueError(f"the app proxy gives an answer of {length} bytes")
    found = json.loads(_exactly(connection, length))
    if not isinstance(found, dict):
        raise ValueError("the app proxy gives no answer that could be one")  # noqa: TRY004 (what came from outside)
    return found


def _exactly(connection: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        piece = connection.recv(length - len(found))
        if not piece:
            raise ConnectionError("the app proxy has closed the connection")
        found += piece
    return found


def _list(found: object) -> list[Any]:
    if not isinstance(found, list):
        raise ValueError("the app proxy gives no list of pods")  # noqa: TRY004 (what came from outside)
    return found
