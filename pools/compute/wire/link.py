"""One TCP connection as messages: reads ahead a little, writes with back-pressure, notices at once when the client has gone.

A protocol of its own instead of asyncio's streams: what arrives becomes messages in the callback that brings it, without a task between
(a point query of postgres_fdw is five messages, each of which would cost one more turn of the event loop)."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, cast

from pools.compute.errors import ProtocolError
from pools.compute.wire.frontend import MAX_STARTUP_BYTES, Decoder, Message, Opening
from pools.tls import HANDSHAKE, Layer, ServerCertificate

AHEAD = 256
"""Messages that may wait for their turn; a client that sends more is not read until they are done."""

AHEAD_BYTES = 32 * 1024 * 1024
"""The same in bytes: above it nothing is read until all that wait are done. One message may have 16 MB."""

WRITE_BYTES = 262_144
"""Unsent bytes above which ``drain`` waits for the client."""

CLOSE_SECONDS = 2.0
"""For so long the last bytes may take."""

ALPN = "postgresql"
"""What a client that begins with TLS at once has to say that it wants to speak."""


class Link(asyncio.Protocol):
    """``accepted`` is run as a task for the new connection. ``gone`` is called once when the client closes or breaks the connection after
    ``start``. ``certificate``: None: there is no TLS here."""

    def __init__(
        self, accepted: Callable[[Link], Coroutine[Any, Any, None]], send_seconds: float, certificate: ServerCertificate | None = None
    ) -> None:
        self._accepted = accepted
        self._certificate = certificate
        self._tls: Layer | None = None
        self._silent = True
        """Nothing has come yet."""

        self._send_seconds = send_seconds
        self._transport: asyncio.Transport
        self._decoder = Decoder()
        self._messages: deque[Message | Exception | None] = deque()
        self._ahead = 0
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._lost = asyncio.Event()
        self._started = False
        self._at_once = False
        """The client began with TLS, without asking for it."""

        self._ended = False
        """No more messages come: the client left, or sent garbage."""

        self._out: list[bytes | memoryview] = []
        self.gone: Callable[[], None] = lambda: None

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BYTES)
        self._writable.set()
        self._task = asyncio.get_running_loop().create_task(self._accepted(self))

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        if self._silent:
            self._silent = False
            if data[0] == HANDSHAKE and self._certificate is not None:
                self._tls = Layer(self._certificate.current())
                self._at_once = True
        if self._tls is not None and not (data := self._opened(self._tls, data)):
            return
        self._ahead += len(data)
        self._decoder.feed(data)
        if self._started:
            self._read()
        else:
            self._arrived.set()
            if self._decoder.pending > MAX_STARTUP_BYTES:
                self._transport.pause_reading()

    def _opened(self, layer: Layer, data: bytes) -> bytes:
        """What the client said under TLS; nothing, and the end of the connection, for what is no TLS."""
        try:
            plain = layer.received(data)
        except ssl.SSLError:
            self._transport.write(layer.leaving())  # an alert that says why
            self._end()
            self._transport.close()
            return b""
        if leaving := layer.leaving():
            self._transport.write(leaving)
        if self._at_once and layer.established and layer.protocol != ALPN:
            self._transport.close()  # another protocol's request must not be taken for this one's (ALPACA)
            return b""
        if layer.ended:
            self._end()
        return plain

    def eof_received(self) -> bool:
        """See ``asyncio.Protocol``; what is still to be sent may be read by a client that has closed its side only."""
        self._end()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._lost.set()
        self._writable.set()
        self._end()

    def pause_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._writable.set()

    @property
    def peer(self) -> str | None:
        """The client's address."""
        name = self._transport.get_extra_info("peername")
        return str(name[0]) if isinstance(name, tuple) else None

    # Encryption

    @property
    def can_encrypt(self) -> bool:
        """Whether ``encrypt`` may be called."""
        return self._certificate is not None and self._tls is None

    @property
    def encrypted(self) -> Layer | None:
        """The connection's TLS; None: it is plain."""
        return self._tls

    async def encrypt(self) -> None:
        """From here on TLS. ProtocolError when bytes came that were to look as if they had been encrypted."""
        if self._decoder.pending:
            raise ProtocolError("received unencrypted data after SSL request")
        assert self._certificate is not None
        layer = Layer(self._certificate.current())
        await self.drain()
        self._tls = layer

    # Reading

    def _read(self) -> None:
        """Whole messages out of what has arrived."""
        if self._ended:
            return
        try:
            self._put(*self._decoder.messages())
        except ProtocolError as error:
            self._ended = True
            self._put(error)
        if self._ended or self._full():
            self._transport.pause_reading()

    def _full(self) -> bool:
        return len(self._messages) > AHEAD or bool(self._messages and self._ahead > AHEAD_BYTES)

    def _end(self) -> None:
        """The client left."""
        self._arrived.set()
        if not self._ended:
            self._ended = True
            if self._started:
                self._put(None)
                self.gone()

    def _put(self, *items: Message | Exception | None) -> None:
        self._messages.extend(items)
        if items:
            self._arrived.set()

    async def opening(self) -> Opening | None:
        """The next start-up packet; None when the client left."""
        while (packet := self._decoder.opening()) is None:
            if self._ended:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return packet

    def start(self) -> None:
        """From now on messages are read as they come."""
        self._started = True
        if self._ended:
            self._put(None)
            return
        self._transport.resume_reading()
        self._read()

    def trust(self, limit: int) -> None:
        """The client is authenticated: it may send messages of ``limit`` bytes."""
        self._decoder.limit = limit

    def interrupt(self, reason: Exception) -> None:
        """Whoever waits for the next message gets ``reason`` instead."""
        self._messages.appendleft(reason)
        self._arrived.set()

    async def next(self, seconds: float | None = None) -> Message | None:
        """The next message; None when the client left; TimeoutError after ``seconds``; ProtocolError for garbage."""
        if not self._messages:
            self._arrived.clear()
            # once per message: a timer that gives the reason is a third of the cost of asyncio.timeout
            timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self.interrupt, TimeoutError())
            try:
                await self._arrived.wait()
            finally:
                if timer is not None:
                    timer.cancel()
        item = self._messages.popleft()
        if not self._messages:
            self._ahead = 0
        if not (self._ended or self._full()):
            self._transport.resume_reading()
        if isinstance(item, Exception):
            raise item
        return item

    # Writing

    def send(self, data: bytes | memoryview) -> None:
        """Collect; ``flush`` or ``drain`` sends."""
        self._out.append(data)

    def flush(self) -> None:
        """Hand everything collected to the network without waiting."""
        out, self._out = self._out, []
        if out and not self._transport.is_closing():
            data = out[0] if len(out) == 1 else b"".join(out)
            self._transport.write(data if self._tls is None else self._tls.sealed(data))

    async def drain(self) -> None:
        """Send, and wait while the client is behind; ConnectionError when it left or took nothing for too long."""
        self.flush()
        if not self._writable.is_set():
            try:
                async with asyncio.timeout(self._send_seconds):
                    await self._writable.wait()
            except TimeoutError:
                self.abort()
                raise ConnectionAbortedError("the client takes no data") from None
        if self._transport.is_closing():
            raise ConnectionResetError("the client left")

    def abort(self) -> None:
        """Cut the connection without waiting for what is unsent."""
        self._transport.abort()

    async def close(self) -> None:
        """Send what is left (briefly) and close."""
        self.flush()
        if self._tls is not None and self._tls.established and not self._transport.is_closing():
            self._transport.write(self._tls.farewell())
        self._transport.close()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._lost.wait()
        except TimeoutError:
            self.abort()
