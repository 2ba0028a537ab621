"""One end of an HTTP/1.1 connection: h11 says what the bytes mean, asyncio carries them, and nothing is held that nobody takes.

Whoever sends waits until the other side has taken what was sent before (``drain``), and only then reads on from where it gets it: that is
all the back-pressure there is, and a file of any size passes in some hundred kilobytes.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any

import h11

BLOCK = 262_144
HEAD_BLOCK = 8_192
"""Read at a time before the headers are there, so that too large ones are noticed soon."""
CONNECT_SECONDS = 10.0
STALL_SECONDS = 300.0
"""For so long nothing may move inside of a message."""
HEADER_BYTES = 16_384

Headers = Sequence[tuple[bytes, bytes]]


class Reader(asyncio.StreamReader):
    """What arrived before a connection broke is still read: a server that refuses a body answers, and closes while we send."""

    def set_exception(self, exc: Exception) -> None:
        """As an end; h11 says what it broke off."""
        if not self.at_eof():
            self.feed_eof()


class Peer:
    """``role``: ours, ``h11.SERVER`` or ``h11.CLIENT``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, role: type[h11.SERVER | h11.CLIENT]) -> None:
        self.http = h11.Connection(role, max_incomplete_event_size=HEADER_BYTES if role is h11.SERVER else 4 * HEADER_BYTES)
        self.reader = reader
        self.writer = writer
        self.status = 0
        """Of the last response that was sent."""
        self.received = self.sent = 0
        """Bytes."""
        self.content_received = self.content_sent = 0
        """Of these, of bodies."""

    @property
    def agreed(self) -> str | None:
        """The protocol that both sides agreed on with TLS; None: nothing was said."""
        encrypted = self.writer.get_extra_info("ssl_object")
        return None if encrypted is None else encrypted.selected_alpn_protocol()

    async def next(self, seconds: float = STALL_SECONDS, block: int = BLOCK) -> Any:  # noqa: ANN401 (h11's events have no common type)
        """The next event. TimeoutError, ConnectionError, h11.RemoteProtocolError."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            async with asyncio.timeout(seconds):
                self.receive(await self.reader.read(block))
        if event is h11.PAUSED:
            raise h11.LocalProtocolError("nothing more is to be read in this cycle")
        if isinstance(event, h11.Data):
            self.content_received += len(event.data)
        return event

    def receive(self, data: bytes) -> None:
        """What was read; empty at the end."""
        self.received += len(data)
        self.http.receive_data(data)

    async def send(self, event: h11.Event) -> None:
        """Returns when the other side keeps up. TimeoutError, ConnectionError."""
        data = self.http.send(event)
        if isinstance(event, h11.Response):
            self.status = event.status_code
        elif isinstance(event, h11.Data):
            self.content_sent += len(event.data)
        if data:
            self.sent += len(data)
            self.writer.write(data)
            async with asyncio.timeout(STALL_SECONDS):
                await self.writer.drain()

    async def body(self, most: int) -> bytes:
        """What is left of the message; ValueError beyond ``most`` bytes."""
        found = b""
        while isinstance(event := await self.next(), h11.Data):
            found += event.data
            if len(found) > most:
                raise ValueError("too long")
        return found

    def close(self) -> None:
        """After what is still to be sent; doesn't wait."""
        self.writer.close()

    async def closed(self, seconds: float) -> None:
        """Waits for it, so long at most, and then cuts off."""
        self.writer.close()
        try:
            async with asyncio.timeout(seconds):
                await self.writer.wait_closed()
        except TimeoutError:
            self.writer.transport.abort()
        except OSError:
            pass  # it is


async def connect(server: str, context: ssl.SSLContext | None = None) -> Peer:
    """To ``host:port``. OSError (TimeoutError is one)."""
    async with asyncio.timeout(CONNECT_SECONDS):
        reader, writer = await carrying(server, context)
    return Peer(reader, writer, h11.CLIENT)


async def carrying(server: str, context: ssl.SSLContext | None = None) -> tuple[Reader, asyncio.StreamWriter]:
    """The bytes to and from ``host:port``. OSError."""
    host, _, port = server.rpartition(":")
    loop = asyncio.get_running_loop()
    reader = Reader(limit=BLOCK, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, host.strip("[]"), int(port), ssl=context)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
