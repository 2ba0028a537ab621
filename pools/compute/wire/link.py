"""One TCP connection as messages: reads ahead a little, writes with back-pressure, notices at once when the client has gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from pools.compute.errors import ProtocolError
from pools.compute.wire.frontend import Decoder, Message, Opening

READ_BYTES = 65_536
AHEAD = 256
"""Messages that may wait for their turn; a client that sends more is not read until they are done."""

AHEAD_BYTES = 32 * 1024 * 1024
"""The same in bytes: above it nothing is read until all that wait are done. One message may have 16 MB."""

WRITE_BYTES = 262_144
"""Unsent bytes above which ``drain`` waits for the client."""


class Link:
    """``gone`` is called once when the client closes or breaks the connection while messages are being pumped."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, send_seconds: float) -> None:
        self._reader = reader
        self._writer = writer
        self._send_seconds = send_seconds
        self._decoder = Decoder()
        self._messages: deque[Message | Exception | None] = deque()
        self._ahead = 0
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._out: list[bytes | memoryview] = []
        self.gone: Callable[[], None] = lambda: None
        writer.transport.set_write_buffer_limits(high=WRITE_BYTES)

    async def opening(self) -> Opening | None:
        """The next start-up packet; None when the client left."""
        while (packet := self._decoder.opening()) is None:
            data = await self._read()
            if not data:
                return None
            self._decoder.feed(data)
        return packet

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(READ_BYTES)
        except (ConnectionError, TimeoutError):
            return b""

    def start(self) -> None:
        """From now on messages are read as they come."""
        self._pump = asyncio.create_task(self._run())

    def trust(self, limit: int) -> None:
        """The client is authenticated: it may send messages of ``limit`` bytes."""
        self._decoder.limit = limit

    async def _run(self) -> None:
        try:
            while True:
                self._put(*self._decoder.messages())
                while len(self._messages) > AHEAD or (self._messages and self._ahead > AHEAD_BYTES):
                    self._room.clear()
                    await self._room.wait()
                data = await self._read()
                if not data:
                    break
                self._ahead += len(data)
                self._decoder.feed(data)
        except ProtocolError as error:
            self._put(error)
            return
        self._put(None)
        self.gone()

    def _put(self, *items: Message | Exception | None) -> None:
        self._messages.extend(items)
        if items:
            self._arrived.set()

    def interrupt(self, reason: Exception) -> None:
        """Whoever waits for the next message gets ``reason`` instead."""
        self._messages.appendleft(reason)
        self._arrived.set()

    async def next(self, seconds: float | None = None) -> Message | None:
        """The next message; None when the client left; TimeoutError after ``seconds``; ProtocolError for garbage."""
        if not self._messages:
            self._arrived.clear()
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        item = self._messages.popleft()
        if not self._messages:
            self._ahead = 0
        self._room.set()
        if isinstance(item, Exception):
            raise item
        return item

    def send(self, data: bytes | memoryview) -> None:
        """Collect; ``flush`` or ``drain`` sends."""
        self._out.append(data)

    def flush(self) -> None:
        """Hand everything collected to the network without waiting."""
        out, self._out = self._out, []
        if out and not self._writer.is_closing():
            self._writer.write(out[0] if len(out) == 1 else b"".join(out))

    async def drain(self) -> None:
        """Send, and wait while the client is behind; ConnectionError when it left or took nothing for too long."""
        self.flush()
        if not self._writer.is_closing() and self._writer.transport.get_write_buffer_size() == 0:
            return  # the network has taken it all: the usual case, and no reason to set a timer
        try:
            async with asyncio.timeout(self._send_seconds):
                await self._writer.drain()
        except TimeoutError:
            self.abort()
            raise ConnectionAbortedError("the client takes no data") from None

    def abort(self) -> None:
        """Cut the connection without waiting for what is unsent."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Send what is left (briefly) and close."""
        if self._pump is not None:
            self._pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump
        with contextlib.suppress(ConnectionError, TimeoutError):
            self.flush()
            self._writer.close()
            async with asyncio.timeout(2):
                await self._writer.wait_closed()
            return
        self.abort()
