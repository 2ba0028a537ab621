"""One connection that a version's pod has opened to the proxy, for one worker: first nobody's, then a worker's way to its process."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import socket
from collections.abc import Callable
from typing import Any, Protocol, cast

from apps.worker.calls import Worker
from apps.worker.framing import encode
from apps.worker.spawning import GONE_SECONDS
from pools.app import wire

HELLO_SECONDS = 20.0


class Door(Protocol):
    """Who decides about a connection."""

    def admitted(self, slot: Slot, hello: dict[str, Any]) -> str | None:
        """Why it may not; None: it may, and was answered."""
        ...

    def gone(self, slot: Slot) -> None:
        """It has ended."""
        ...


class Slot(asyncio.Protocol):
    """A ``Running`` once it was given to a worker: the process lives and ends with the connection. ``pod``: which one it comes from."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._buffer = bytearray()
        self._worker: asyncio.Protocol | None = None
        self._written: Callable[[bytes], None] = lambda _text: None
        self._exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._late: asyncio.TimerHandle | None = None
        self._admitted = False
        self.nonce = secrets.token_hex(16)
        self.transport: asyncio.Transport | None = None
        self.code = self.pod = ""
        self.pid = 0
        self.left: list[Callable[[], None]] = []
        """Told when it ends."""

    def take(self, worker: asyncio.Protocol, written: Callable[[bytes], None]) -> None:
        """It is this worker's from now on; ``written``: takes what the process writes past Python's streams."""
        assert self.transport is not None
        self._worker, self._written = worker, written
        worker.connection_made(self.transport)

    async def ended(self, dying_seconds: float) -> int:
        """As of ``Running``; a pod that is gone took the process with it."""
        if dying_seconds and not self._exited.done():
            await asyncio.wait([self._exited], timeout=dying_seconds)
        if not self._exited.done():
            self._end()
            await asyncio.wait([self._exited], timeout=GONE_SECONDS)
        return self._exited.result() if self._exited.done() else -signal.SIGKILL

    def say(self, message: dict[str, object], more: bytes = b"") -> None:
        """To the other side."""
        if self.transport is not None:
            self.transport.write(encode(message) + more)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It has some time to say what it is."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            wire.keep_alive(connection)
        self._late = asyncio.get_running_loop().call_later(HELLO_SECONDS, self._end)
        self.say({"nonce": self.nonce})

    def data_received(self, data: bytes) -> None:
        """Pieces; whoever sends something else is no pod of ours."""
        self._buffer += data
        try:
            for kind, content in wire.taken(self._buffer, wire.MAX_PIECE if self._admitted else wire.MAX_HELLO):
                self._told(kind, content)
        except (ValueError, TypeError, RecursionError):
            self._end()

    def _told(self, kind: int, content: bytes) -> None:
        if not self._admitted:
            self._greeted(kind, content)
        elif kind == wire.DATA and self._worker is not None:
            self._worker.data_received(content)
        elif kind == wire.OUTPUT:
            self._written(content)
        elif kind == wire.ENDED and not self._exited.done():
            self._exited.set_result(int(content))
        elif kind == wire.LEAVING:
            self._leave()

    def _greeted(self, kind: int, content: bytes) -> None:
        hello = json.loads(content) if kind == wire.HELLO else None
        if not isinstance(hello, dict):
            raise ValueError("no hello")  # noqa: TRY004 (what came from outside)
        self.code, self.pod = str(hello.get("code")), str(hello.get("pod"))
        self._admitted = True
        if self._late is not None:
            self._late.cancel()
        refused = self._door.admitted(self, hello)
        if refused is not None:
            self.say({"refused": refused})
            if self.transport is not None:
                self.transport.close()

    def _leave(self) -> None:
        """Its pod ends: no further call, and the one that is under way still gets its answer."""
        if isinstance(self._worker, Worker):
            self._worker.alive = False
            self._worker.gone(self._worker)
        else:
            self._end()

    def _end(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """The process is gone, or will be at once."""
        if self._late is not None:
            self._late.cancel()
        if not self._exited.done():
            self._exited.set_result(-signal.SIGKILL)
        self._door.gone(self)
        for tell in self.left:
            tell()
        if self._worker is not None:
            self._worker.connection_lost(error)
