"""One stream of an HTTP/2 connection: a request and its answer, as whoever serves it or asks it sees them.

Whoever writes waits until the other side has room; whoever reads says what was ``taken``, and the other side has room again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Protocol

import h2.connection
import h2.errors
import h2.events
import h2.exceptions

Headers = Sequence[tuple[bytes, bytes]]


class Carrier(Protocol):
    """The connection of a stream, as far as the stream sees it (``pools/gateway/http2.py``)."""

    http: h2.connection.H2Connection
    over: bool

    async def flush(self) -> None:
        """Send what there is to be sent. OSError."""

    def room(self, number: int) -> int:
        """Bytes that may be sent at once."""

    def taken(self, number: int, size: int) -> None:
        """There is room for as much again."""

    def reset(self, number: int, code: int) -> None:
        """Nothing more of this stream."""


class BrokenError(Exception):
    """The stream is over before its end. ``code``: of HTTP/2."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the stream was broken off ({code})")
        self.code = code


class Stream:
    """A request and its answer. One task reads it, one writes it."""

    def __init__(self, link: Carrier, number: int, headers: Headers = ()) -> None:
        self.headers = headers
        """Of the request."""
        self.begun = self.ended = self.heard = False
        """Whether our headers, and our end, are sent; whether the other side's end is there."""
        self.received = self.sent = 0
        """Bytes of data."""
        self.task: asyncio.Task[None] | None = None
        """Who serves it; cancelled when the client takes the request back."""
        self._link = link
        self._number = number
        self._events: deque[h2.events.Event] = deque()
        self._news, self.room = asyncio.Event(), asyncio.Event()
        self._broken: int | None = None

    async def next(self) -> h2.events.Event:
        """ResponseReceived, DataReceived (say ``taken`` then), TrailersReceived, StreamEnded. BrokenError."""
        while not self._events:
            if self._broken is not None:
                raise BrokenError(self._broken)
            self._news.clear()
            await self._news.wait()
        return self._events.popleft()

    def taken(self, event: h2.events.DataReceived) -> None:
        """Its data is where it belongs: there is room for as much again."""
        self._link.taken(self._number, event.flow_controlled_length)

    async def head(self, headers: Headers, *, end: bool = False) -> None:
        """Headers, or trailers. BrokenError, OSError."""
        self._check()
        with _broken():
            self._link.http.send_headers(self._number, list(headers), end_stream=end)
        self.begun, self.ended = True, end
        await self._link.flush()

    async def data(self, content: bytes, *, end: bool = False) -> None:
        """Returns when the other side had room for it. BrokenError, OSError."""
        left = memoryview(content)
        while left or end:
            self._check()
            room = min(self._link.room(self._number), len(left))
            if not room and left:
                self.room.clear()
                await self.room.wait()
                continue
            piece, left = left[:room], left[room:]
            self.ended = end and not left
            with _broken():
                self._link.http.send_data(self._number, piece.tobytes(), end_stream=self.ended)
            self.sent += room
            await self._link.flush()
            if self.ended:
                return

    def reset(self, code: int = h2.errors.ErrorCodes.CANCEL) -> None:
        """Nothing more of it, in either direction. No error where it is over."""
        self.broke(code)
        self._link.reset(self._number, code)

    def came(self, event: h2.events.Event) -> None:
        """For the connection."""
        self.heard = self.heard or isinstance(event, h2.events.StreamEnded)
        self._events.append(event)
        self._news.set()

    def left(self) -> int:
        """For the connection: bytes that nobody will take."""
        sizes = [event.flow_controlled_length for event in self._events if isinstance(event, h2.events.DataReceived)]
        self._events.clear()
        return sum(sizes)

    def broke(self, code: int) -> None:
        """For the connection: what has arrived is still read."""
        if self._broken is None:
            self._broken = int(code)
        self._news.set()
        self.room.set()

    def _check(self) -> None:
        if self._broken is not None or self._link.over:
            raise BrokenError(h2.errors.ErrorCodes.INTERNAL_ERROR if self._broken is None else self._broken)


@contextlib.contextmanager
def _broken() -> Iterator[None]:
    """What h2 does not let pass any more is over."""
    try:
        yield
    except h2.exceptions.H2Error:
        raise BrokenError(h2.errors.ErrorCodes.INTERNAL_ERROR) from None
