"""Rows on their way out, as portals and cursors take them: encoded, in portions of the size that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from virtualization.encoding.rows import row_block
from virtualization.plan import OutputColumn
from virtualization.types import PgType, pg_type

CHUNK_ROWS = 65_536
"""Rows that are taken at once where all are wanted."""

Buffer = bytes | memoryview


@dataclass(frozen=True)
class Chunk:
    """``parts``: encoded rows; ``last``: nothing follows."""

    parts: tuple[Buffer, ...]
    rows: int
    last: bool

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


class FixedRows:
    """A short answer of the pool's own: rows that are there already."""

    def __init__(self, columns: Sequence[OutputColumn], values: Sequence[Sequence[object]]) -> None:
        self.columns = tuple(columns)
        self._values = [tuple(row) for row in values]

    async def take(self, limit: int, formats: tuple[int, ...]) -> Chunk:
        """See ``Rows``."""
        now, self._values = self._values[:limit], self._values[limit:]
        if not now:
            return Chunk((), 0, True)
        types = types_of(self.columns)
        arrays = [pa.array([row[place] for row in now], of.arrow) for place, of in enumerate(types)]
        batch = pa.RecordBatch.from_arrays(arrays, names=[f"c{place}" for place in range(len(arrays))])
        return Chunk((row_block(batch, types, formats).data,), len(now), not self._values)

    def close(self) -> None:
        """See ``Rows``."""
        self._values = []
