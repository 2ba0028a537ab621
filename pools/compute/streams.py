"""A running query's rows: a thread reads ahead and encodes, the event loop hands out portions of any size without a copy.

The thread works until ``AHEAD_BYTES`` lie ready, then ends; it starts again when ``REFILL_BYTES`` of them are taken, long before
nothing lies ready. So the source, the encoder and the client (the master, which spends longer with its rows than we do) work at the
same time, and a slow client holds back the source. Before the first portion is asked for, ``FIRST_BYTES`` are enough: many cursors
are closed after a few rows.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from pools.compute.queries import Query
from pools.compute.rows import Chunk
from pools.compute.source import Piece, Source
from virtualization.plan import OutputColumn

FIRST_BYTES = 256 * 1024
AHEAD_BYTES = 4 * 1024 * 1024
"""Encoded rows that lie ready at most (and one piece); what one stream holds is about twice that, with the batches they came from."""

REFILL_BYTES = 1024 * 1024
"""Room for so much starts the thread again: less would only be starts."""

WAKE_BYTES = 64 * 1024
"""So many bytes are worth waking the taker at once; fewer wait for more or the end, at most ``LOOK_SECONDS``."""

LOOK_SECONDS = 0.05


class QueryRows:
    """The rows of one running query; lives on the event loop. ``_fill`` and what it calls run on the thread."""

    def __init__(self, query: Query, source: Source, finished: Callable[[Query], None]) -> None:
        self._query = query
        self._source = source
        self._finished = finished
        self._formats: tuple[int, ...] = ()
        self._lock = threading.Lock()
        self._pieces: deque[Piece] = deque()
        self._ready_bytes = 0
        self._goal = FIRST_BYTES
        self._working = False
        self._ended = False
        self._error: Exception | None = None
        self._work: Future[None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self._over = False

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """Known once ``open`` is done."""
        return self._source.columns

    @property
    def query(self) -> Query:
        """Whose rows these are."""
        return self._query

    async def open(self, formats: tuple[int, ...] = ()) -> None:
        """Start it, and start to read ahead; returns when the columns are known. Often that is before the source was asked: what is wrong
        there is raised by whoever takes the first rows."""
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = loop.create_future()
        self._formats = formats
        self._working = True
        self._work = self._query.threads.submit(self._open, loop, opened)
        await self._query.wait_here(opened)
        self._query.state = "running"

    # The thread's side

    def _open(self, loop: asyncio.AbstractEventLoop, opened: asyncio.Future[None]) -> None:
        known = False
        try:
            if known := self._source.plan():
                _tell(loop, _settle, opened, None)
            self._source.open()
        except Exception as error:  # noqa: BLE001 (handed to whoever opens, or takes the first rows)
            with self._lock:
                self._error = error
                self._working = False
            _tell(loop, _settle, opened, error)
            self._tell_waiter(loop)
            return
        if not known:
            _tell(loop, _settle, opened, None)
        self._fill(loop)

    def _fill(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while self._room():
                piece = self._source.next(self._formats)
                with self._lock:
                    if piece is None:
                        self._ended = True
                        self._working = False
                    else:
                        self._pieces.append(piece)
                        self._ready_bytes += piece.bytes
                if piece is None:
                    break
                if piece.bytes >= WAKE_BYTES:
                    self._tell_waiter(loop)
        except Exception as error:  # noqa: BLE001 (handed to whoever takes the next rows)
            with self._lock:
                self._error = error
                self._working = False
        self._tell_waiter(loop)

    def _tell_waiter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Only where somebody waits (who looks at what lies ready after saying so): each call makes the event loop go round."""
        if self._waiter is not None:
            _tell(loop, self._wake)

    def _room(self) -> bool:
        """Is there room for another piece? If not, the thread ends."""
        with self._lock:
            self._working = self._ready_bytes < self._goal and not self._closed
            return self._working

    # The event loop's side

    async def take(self, limit: int, formats: tuple[int, ...]) -> Chunk:
        """See ``Rows``."""
        if self._over or self._closed:
            return Chunk((), 0, True)
        self._query.state = "running"
        while (chunk := self._ready(limit, formats)) is None:
            if self._pieces:
                await self._encode_again(formats)
            else:
                await self._more()
        self._query.rows += chunk.rows
        self._query.state = "sending"
        if chunk.last:
            self._over = True
            self._finished(self._query)
        else:
            self._goal = AHEAD_BYTES
            # Not before these rows are handed to the network: the thread would take the interpreter while the client waits for them.
            asyncio.get_running_loop().call_soon(self._go_on)
        return chunk

    def _ready(self, limit: int, formats: tuple[int, ...]) -> Chunk | None:
        """What lies ready in these formats; None: it has to be waited for, or encoded again."""
        parts: list[memoryview] = []
        rows = 0
        with self._lock:
            while self._pieces and rows < limit and self._pieces[0].formats == formats:
                piece = self._pieces[0]
                count = min(limit - rows, piece.left)
                parts.append(piece.part(count))
                self._ready_bytes -= len(parts[-1])
                rows += count
                if not piece.left:
                    self._pieces.popleft()
            last = self._ended and not self._pieces
            error = None if self._pieces else self._error
        if rows or last:
            return Chunk(tuple(parts), rows, last)
        if error is not None:
            self._query.failure = error
            raise error
        return None

    async def _more(self) -> None:
        """Wait until something lies ready, or the end is known."""
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        with self._lock:
            changed = bool(self._pieces) or self._ended or self._error is not None
        if changed:
            self._waiter = None
            return
        self._go_on()
        timer = loop.call_later(LOOK_SECONDS, self._look, waiter)
        try:
            await self._query.wait_here(waiter)
        finally:
            timer.cancel()
            self._waiter = None

    def _look(self, waiter: asyncio.Future[None]) -> None:
        if self._pieces:
            self._wake()
        elif not waiter.done():
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look, waiter)

    def _wake(self) -> None:
        if self._waiter is not None:
            _settle(self._waiter, None)

    async def _encode_again(self, formats: tuple[int, ...]) -> None:
        """The client changed its mind about formats; only this side takes from the front."""
        self._formats = formats
        old = self._pieces[0]
        new = await self._query.on_thread(lambda: self._source.encoded(old.batch.slice(old.taken), formats))
        with self._lock:
            self._ready_bytes += new.bytes - old.bytes_left
            self._pieces[0] = new

    def _go_on(self) -> None:
        """Let the thread work again where it has stopped and there is room."""
        with self._lock:
            if self._working or self._ended or self._closed or self._error is not None:
                return
            if self._ready_bytes > max(0, self._goal - REFILL_BYTES):
                return
            self._working = True
        self._work = self._query.threads.submit(self._fill, asyncio.get_running_loop())

    def close(self) -> None:
        """See ``Rows``. A piece of work that is under way is interrupted first; then the engine's side is freed on a thread."""
        if self._closed:
            return
        self._closed = True
        self._query.left = not self._over
        if not self._over:
            if self._work is not None and not self._work.done():
                if not self._ended:
                    self._query.threads.submit(self._query.context.cancel)
                self._work.add_done_callback(self._free)
            else:
                self._free(None)
        self._pieces.clear()
        self._finished(self._query)

    def _free(self, _done: Future[None] | None) -> None:
        if not self._ended:
            with contextlib.suppress(RuntimeError):  # the threads are gone: the process ends
                self._query.threads.submit(self._source.close)


def _settle(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: object) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
        loop.call_soon_threadsafe(call, *arguments)
