"""The blocking half of a stream: an engine's Arrow batches, cut to pieces and encoded. Used by one thread at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from pools.compute.rows import types_of
from virtualization.encoding.rows import RowBlock, row_block
from virtualization.plan import OutputColumn, Result
from virtualization.types import PgType

PIECE_ROWS = 16_384
PIECE_BYTES = 3 * 512 * 1024
"""Of Arrow data that are encoded at once: large enough that nothing is paid per row; small enough for a core's cache, and for the
event loop, which gets the interpreter between two calls of numpy only."""

LEAST_ROWS = 256
"""A piece of very wide rows has so many at least."""


@dataclass
class Piece:
    """Encoded rows of which the first ``taken`` were handed out. The batch stays, in case the rest is wanted in other formats."""

    batch: pa.RecordBatch
    formats: tuple[int, ...]
    block: RowBlock
    taken: int = 0

    @property
    def left(self) -> int:
        """Rows that are still to be handed out."""
        return self.batch.num_rows - self.taken

    @property
    def bytes(self) -> int:
        """Of the encoded rows."""
        return len(self.block.data)

    @property
    def bytes_left(self) -> int:
        """Of the encoded rows that are still to be handed out."""
        return self.bytes - int(self.block.offsets[self.taken])

    def part(self, rows: int) -> memoryview:
        """The next rows; they count as handed out."""
        first, self.taken = self.taken, self.taken + rows
        return self.block.part(first, self.taken)


class Opening(Protocol):
    """A query on its way to its rows."""

    def plan(self) -> Sequence[OutputColumn] | None:
        """Plan it; the columns if they are known with the plan."""
        ...

    def start(self) -> Result:
        """Run it."""
        ...


class Source:
    """``opening`` starts the query; ``take_sample``, asked when the first rows are there: the share to keep (None: all)."""

    def __init__(self, opening: Opening, timezone: str = "UTC", take_sample: Callable[[], float | None] = lambda: None) -> None:
        self._opening = opening
        self._timezone = timezone
        self._take_sample = take_sample
        self._share: float | None = None
        self._result: Result | None = None
        self._iterator: Iterator[pa.RecordBatch] = iter(())
        self._left: pa.RecordBatch | None = None
        self._types: tuple[PgType, ...] = ()
        self.columns: tuple[OutputColumn, ...] = ()

    def plan(self) -> bool:
        """Plan the query; are the columns known by now?"""
        columns = self._opening.plan()
        if columns is not None:
            self.columns = tuple(columns)
        return columns is not None

    def open(self) -> None:
        """Start the query; the columns are known afterwards."""
        self._result = self._opening.start()
        self.columns = tuple(self._result.columns)
        self._types = types_of(self.columns)
        self._iterator = iter(self._result)

    def next(self, formats: tuple[int, ...]) -> Piece | None:
        """The next rows, encoded; None at the end, with the engine's side freed."""
        batch, self._left = self._left, None
        while batch is None or batch.num_rows == 0:
            try:
                batch = self._sampled(next(self._iterator))
            except StopIteration:
                self.close()
                return None
        return self.encoded(self._cut(batch), formats)

    def encoded(self, batch: pa.RecordBatch, formats: tuple[int, ...]) -> Piece:
        """A piece of these rows."""
        return Piece(batch, formats, row_block(batch, self._types, formats, self._timezone))

    def _cut(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        rows, size = batch.num_rows, batch.nbytes
        count = min(PIECE_ROWS, max(LEAST_ROWS, PIECE_BYTES * rows // max(1, size)))
        if rows <= count:
            return batch
        self._left = batch.slice(count)
        return batch.slice(0, count)

    def _sampled(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self._share = self._take_sample() or self._share
        if self._share is None:
            return batch
        return batch.filter(pa.array(np.random.default_rng().random(batch.num_rows) < self._share))

    def close(self) -> None:
        """Free the engine's side."""
        result, self._result = self._result, None
        self._iterator, self._left = iter(()), None
        if result is not None:
            result.close()
