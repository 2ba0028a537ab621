"""One end of an HTTP/2 connection: h2 says what the bytes mean, asyncio carries them, and nothing is held that nobody takes.

What arrives on a stream waits in its queue, and its sender gets no room for more until somebody has said that it was ``taken``: whoever
passes it on says so after the other side has it. So a stream of any size passes in ``STREAM_BYTES``, and one that is not read stops nobody
but its own connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from hyperframe.frame import Frame, GoAwayFrame

from pools.gateway.peer import BLOCK, HEADER_BYTES, STALL_SECONDS
from pools.gateway.streams import BrokenError, Headers, Stream

STREAM_BYTES = 1 << 20
CONNECTION_BYTES = 8 << 20
"""Of all streams of a connection together."""
FRAME_BYTES = 256 * 1024
STREAMS = 100
"""At once, of one client's connection."""
RESETS = 200
"""Streams that a client may take back, beyond those that came to their end: opening and taking back costs it nothing, and us something."""
LOOK_SECONDS = 1.0


class _Http(h2.connection.H2Connection):
    """With one change: a GOAWAY says that nothing new is taken, and ends nothing that runs (RFC 9113, 6.8)."""

    def _receive_goaway_frame(self, frame: GoAwayFrame) -> tuple[list[Frame], list[h2.events.Event]]:
        event = h2.events.ConnectionTerminated()
        event.last_stream_id = frame.last_stream_id
        return [], [event]


Serve = Callable[[Stream], Coroutine[Any, Any, None]]


class Link:
    """``serve``: what is done with each request, where we are the server; None: we are the client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, serve: Serve | None = None) -> None:
        settings = {
            h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: STREAM_BYTES,
            h2.settings.SettingCodes.MAX_FRAME_SIZE: FRAME_BYTES,
            h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS,
            h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: HEADER_BYTES if serve is not None else 4 * HEADER_BYTES,
            h2.settings.SettingCodes.ENABLE_PUSH: 0,
        }
        client = serve is None
        self.http: h2.connection.H2Connection = _Http(h2.config.H2Configuration(client_side=client, header_encoding=None))
        self.http.local_settings = h2.settings.Settings(client=client, initial_values=settings)
        self.http.max_inbound_frame_size = FRAME_BYTES
        self.http.decoder.max_header_list_size = settings[h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE]
        self.http.initiate_connection()
        self.http.increment_flow_control_window(CONNECTION_BYTES - 65_535)
        self.over = False
        self.closing = False
        """No new streams, whoever said so."""
        self._serve = serve
        self._reader = reader
        self._writer = writer
        self._streams: dict[int, Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._quiet_since = time.monotonic()
        self._resets = self._last = 0

    @property
    def streams(self) -> int:
        """That are open."""
        return len(self._streams)

    async def run(self, first_seconds: float, quiet_seconds: float) -> None:
        """Until the connection ends: by the other side, by ``first_seconds`` without its first word, or by ``quiet_seconds`` without a
        stream. OSError."""
        try:
            await self.flush()
            until: float | None = time.monotonic() + first_seconds
            while (data := await self._read(until, quiet_seconds)) is not None:
                until = None
                for event in self.http.receive_data(data):
                    self._on(event)
                await self.flush()
        except h2.exceptions.H2Error:  # the other side is told by what h2 has left to be sent
            with contextlib.suppress(OSError, TimeoutError):
                await self.flush()
        finally:
            await self._end()

    async def open(self, headers: Headers) -> Stream:
        """A request. BrokenError where the connection takes none any more, OSError."""
        if self.over or self.closing:
            raise BrokenError(h2.errors.ErrorCodes.REFUSED_STREAM)
        try:
            number = self.http.get_next_available_stream_id()
            stream = self._streams[number] = Stream(self, number, headers)
            await stream.head(headers)
        except h2.exceptions.H2Error:  # too many at once
            self._streams.pop(number, None)
            raise BrokenError(h2.errors.ErrorCodes.REFUSED_STREAM) from None
        return stream

    def drain(self) -> None:
        """What runs goes on to its end; what is new is the next server's. To be called once."""
        self.closing = True
        goodbye = GoAwayFrame(0, last_stream_id=self._last)
        self._writer.write(self.http.data_to_send() + goodbye.serialize())

    async def flush(self) -> None:
        """Send what there is to be sent, as soon as the other side keeps up. OSError."""
        if data := self.http.data_to_send():
            self._writer.write(data)
        async with asyncio.timeout(STALL_SECONDS):
            await self._writer.drain()

    def room(self, number: int) -> int:
        """Bytes that may be sent at once."""
        return min(self.http.local_flow_control_window(number), self.http.max_outbound_frame_size)

    def taken(self, number: int, size: int) -> None:
        """See ``Stream.taken``."""
        if size and not self.over:
            self.http.acknowledge_received_data(size, number)
            self._writer.write(self.http.data_to_send())

    def reset(self, number: int, code: int) -> None:
        """See ``Stream.reset``."""
        if (stream := self._streams.pop(number, None)) is None:
            return
        self._quiet_since = time.monotonic()
        if not self.over:
            self.taken(number, stream.left())  # it counts for the connection
            if not (stream.ended and stream.heard):
                with contextlib.suppress(h2.exceptions.H2Error):
                    self.http.reset_stream(number, code)
                self._writer.write(self.http.data_to_send())

    async def _read(self, until: float | None, quiet: float) -> bytes | None:
        """None: it is over."""
        while True:
            if self.over or (self.closing and not self._streams):
                return None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    return await self._reader.read(BLOCK) or None
            now = time.monotonic()
            if until is not None and now > until:
                return None
            if not self._streams and now - self._quiet_since > quiet and not self.closing:
                self.drain()
                return None

    def _on(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._asked(event.stream_id, event.headers or [])
        elif isinstance(event, h2.events.WindowUpdated | h2.events.RemoteSettingsChanged):
            for stream in self._streams.values():
                stream.room.set()
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.closing = True
            for number in [number for number in self._streams if number > (event.last_stream_id or 0) and self._serve is None]:
                self._streams.pop(number).broke(h2.errors.ErrorCodes.REFUSED_STREAM)
        else:
            self._on_stream(event)

    def _on_stream(self, event: h2.events.Event) -> None:
        number = getattr(event, "stream_id", None)
        stream = self._streams.get(number) if number is not None else None
        if stream is None or number is None:
            if isinstance(event, h2.events.DataReceived):  # of one that we have ended
                self.taken(event.stream_id, event.flow_controlled_length)
        elif isinstance(event, h2.events.StreamReset):
            self._taken_back(number, stream, int(event.error_code or 0))
        elif isinstance(event, h2.events.DataReceived | h2.events.ResponseReceived | h2.events.TrailersReceived | h2.events.StreamEnded):
            if isinstance(event, h2.events.DataReceived):
                stream.received += len(event.data)
            stream.came(event)

    def _taken_back(self, number: int, stream: Stream, code: int) -> None:
        stream.broke(code)
        if self._serve is None:
            return
        self._streams.pop(number, None)
        self._quiet_since = time.monotonic()
        if stream.task is not None:
            stream.task.cancel()
        self._resets += 1
        if self._resets > RESETS:
            self.http.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
            self.over = True

    def _asked(self, number: int, headers: Headers) -> None:
        assert self._serve is not None
        if self.closing:
            self.http.reset_stream(number, h2.errors.ErrorCodes.REFUSED_STREAM)
            return
        self._last = max(self._last, number)
        stream = self._streams[number] = Stream(self, number, [(bytes(name), bytes(value)) for name, value in headers])
        stream.task = asyncio.create_task(self._served(stream, number))
        self._tasks.add(stream.task)
        stream.task.add_done_callback(self._tasks.discard)

    async def _served(self, stream: Stream, number: int) -> None:
        assert self._serve is not None
        try:
            await self._serve(stream)
        finally:
            if number in self._streams:
                self._resets = max(0, self._resets - 1)
                stream.reset(h2.errors.ErrorCodes.NO_ERROR if stream.ended else h2.errors.ErrorCodes.INTERNAL_ERROR)

    async def _end(self) -> None:
        self.over = self.closing = True
        for stream in self._streams.values():
            stream.broke(h2.errors.ErrorCodes.INTERNAL_ERROR)
        self._streams.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
