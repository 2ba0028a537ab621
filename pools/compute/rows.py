"""Rows on their way out: from an engine's Arrow batches to DataRow bytes, one chunk ahead of the client.

One piece of work is under way at most per stream, on a thread: pull batches, cut them to the number of rows that the client asked
for, encode. While the client takes one chunk the next is made; nothing more is read ahead, so a slow client holds back the source.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from pools.compute.queries import Query
from virtualization.encoding import binary_rows, text_rows
from virtualization.plan import OutputColumn, Result
from virtualization.types import PgType, pg_type

CHUNK_ROWS = 32_768
CHUNK_BYTES = 2 * 1024 * 1024
"""Of Arrow data in one chunk, as a target: what one stream holds in memory is about two chunks and one batch."""

CHUNK_SECONDS = 0.1
"""A chunk that is not full goes out after this time: a slow source's first rows are seen early."""


Buffer = bytes | memoryview


@dataclass(frozen=True)
class Chunk:
    """``parts``: encoded rows; ``last``: nothing follows."""

    parts: tuple[Buffer, ...]
    rows: int
    last: bool
    formats: tuple[int, ...]
    batches: tuple[pa.RecordBatch, ...] = ()
    asked: int = 0

    @property
    def bytes(self) -> int:
        """Size of the parts."""
        return sum(map(len, self.parts))


class Rows(Protocol):
    """What a portal or cursor reads from."""

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """Names and types."""
        ...

    async def take(self, limit: int, formats: tuple[int, ...]) -> Chunk:
        """Up to ``limit`` rows (> 0); fewer does not mean the end: ``last`` does."""
        ...

    def close(self) -> None:
        """Stop and free; returns at once; harmless when repeated."""
        ...


def types_of(columns: Sequence[OutputColumn]) -> tuple[PgType, ...]:
    """Their types."""
    return tuple(pg_type(column.type) for column in columns)


def encode(batch: pa.RecordBatch, types: Sequence[PgType], formats: Sequence[int], timezone: str = "UTC") -> Buffer:
    """DataRow messages; ``formats`` as in Bind."""
    return binary_rows(batch, types, formats, timezone) if any(formats) else text_rows(batch, types, timezone)


class Source:
    """The blocking half of a stream: used by one thread at a time."""

    def __init__(self, opening: Callable[[], Result], timezone: str = "UTC", sample: float | None = None) -> None:
        self._opening = opening
        self._timezone = timezone
        self._sample = sample
        self._result: Result | None = None
        self._iterator: Iterator[pa.RecordBatch] = iter(())
        self._left: deque[pa.RecordBatch] = deque()
        self._types: tuple[PgType, ...] = ()
        self._random = np.random.default_rng(random.getrandbits(64))
        self.columns: tuple[OutputColumn, ...] = ()

    def open(self) -> None:
        """Start the query; the columns are known afterwards."""
        self._result = self._opening()
        self.columns = tuple(self._result.columns)
        self._types = types_of(self.columns)
        self._iterator = iter(self._result)

    def put_back(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Rows that were cut for another size of chunk."""
        self._left.extendleft(reversed(list(batches)))

    def chunk(self, limit: int, formats: tuple[int, ...]) -> Chunk:
        """The next rows, encoded."""
        taken: list[pa.RecordBatch] = []
        rows = size = 0
        last = False
        start = time.monotonic()
        while rows < limit and size < CHUNK_BYTES and not (rows and time.monotonic() - start > CHUNK_SECONDS):
            batch = self._next()
            if batch is None:
                last = True
                break
            piece = self._cut(batch, limit - rows, CHUNK_BYTES - size)
            taken.append(piece)
            rows += piece.num_rows
            size += piece.nbytes
        if last:
            self.close()
        return Chunk(tuple(self._encode(piece, formats) for piece in taken), rows, last, formats, tuple(taken), limit)

    def _cut(self, batch: pa.RecordBatch, rows: int, size: int) -> pa.RecordBatch:
        fitting = max(256, size * batch.num_rows // max(1, batch.nbytes))
        count = min(rows, fitting)
        if batch.num_rows <= count:
            return batch
        self._left.appendleft(batch.slice(count))
        return batch.slice(0, count)

    def _next(self) -> pa.RecordBatch | None:
        if self._left:
            return self._left.popleft()
        for batch in self._iterator:
            kept = batch if self._sample is None else batch.filter(pa.array(self._random.random(batch.num_rows) < self._sample))
            if kept.num_rows:
                return kept
        return None

    def _encode(self, batch: pa.RecordBatch, formats: tuple[int, ...]) -> Buffer:
        return encode(batch, self._types, formats, self._timezone)

    def close(self) -> None:
        """Free the engine's side."""
        result, self._result = self._result, None
        self._iterator = iter(())
        if result is not None:
            result.close()


class QueryRows:
    """The rows of one running query; lives on the event loop."""

    def __init__(self, query: Query, source: Source, finished: Callable[[Query], None]) -> None:
        self._query = query
        self._source = source
        self._finished = finished
        self._work: asyncio.Future[Chunk] | None = None
        self._opening: asyncio.Future[None] | None = None
        self._closed = False
        self._ended = False

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """Known once ``open`` is done."""
        return self._source.columns

    @property
    def query(self) -> Query:
        """Whose rows these are."""
        return self._query

    async def open(self, first: int, formats: tuple[int, ...] = ()) -> None:
        """Start it, and start to make the first chunk of ``first`` rows."""
        loop = asyncio.get_running_loop()
        self._opening = loop.run_in_executor(self._query.threads, self._source.open)
        await self._query.wait(self._opening)
        self._query.state = "running"
        self._ahead(first, formats)

    def _ahead(self, limit: int, formats: tuple[int, ...]) -> asyncio.Future[Chunk]:
        count = min(limit, CHUNK_ROWS)
        self._work = asyncio.get_running_loop().run_in_executor(self._query.threads, self._source.chunk, count, formats)
        return self._work

    async def take(self, limit: int, formats: tuple[int, ...]) -> Chunk:
        """See ``Rows``."""
        if self._ended or self._closed:
            return Chunk((), 0, True, formats)
        self._query.state = "running"
        chunk = await self._query.wait(self._work or self._ahead(limit, formats))
        if chunk.rows > limit or (chunk.rows and chunk.formats != formats):
            self._source.put_back(chunk.batches)
            chunk = await self._query.wait(self._ahead(limit, formats))
        self._work = None
        self._query.rows += chunk.rows
        self._query.state = "sending"
        if chunk.last:
            self._ended = True
            self._finished(self._query)
        else:
            self._ahead(limit - chunk.rows or chunk.asked, formats)
        return chunk

    def close(self) -> None:
        """See ``Rows``. A piece of work that is under way is interrupted first; then the engine's side is freed on a thread."""
        if self._closed:
            return
        self._closed = True
        if not self._ended:
            under_way = self._work or self._opening
            if under_way is not None and not under_way.done():
                self._query.threads.submit(self._query.context.cancel)
                under_way.add_done_callback(self._free)
            else:
                self._free(under_way)
        self._finished(self._query)

    def _free(self, done: asyncio.Future[Chunk] | asyncio.Future[None] | None) -> None:
        if done is not None and not done.cancelled():
            done.exception()  # seen
        self._query.threads.submit(self._source.close)


class FixedRows:
    """A short answer of the pool's own: rows that are there already."""

    def __init__(self, columns: Sequence[OutputColumn], values: Sequence[Sequence[object]]) -> None:
        self.columns = tuple(columns)
        self._values = [tuple(row) for row in values]

    async def take(self, limit: int, formats: tuple[int, ...]) -> Chunk:
        """See ``Rows``."""
        now, self._values = self._values[:limit], self._values[limit:]
        if not now:
            return Chunk((), 0, True, formats)
        types = types_of(self.columns)
        arrays = [pa.array([row[place] for row in now], of.arrow) for place, of in enumerate(types)]
        batch = pa.RecordBatch.from_arrays(arrays, names=[f"c{place}" for place in range(len(arrays))])
        return Chunk((encode(batch, types, formats),), len(now), not self._values, formats)

    def close(self) -> None:
        """See ``Rows``."""
        self._values = []
