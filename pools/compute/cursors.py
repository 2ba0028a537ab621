"""SQL cursors: rows that stay open between statements."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pools.compute.queries import Query
from pools.compute.rows import CHUNK_ROWS, Chunk, Rows
from pools.compute.statements import ALL
from pools.compute.streams import QueryRows
from virtualization.plan import OutputColumn


class Cursor:
    """``start`` runs the query again (after a rewind); ``held``: WITH HOLD."""

    def __init__(self, start: Callable[[], Awaitable[Rows]], rows: Rows, *, held: bool = False) -> None:
        self._start = start
        self._rows: Rows | None = rows
        self.columns: tuple[OutputColumn, ...] = tuple(rows.columns)
        self.held = held
        self.survives = False
        """Held, and its transaction has committed: a later rollback leaves it alone."""

        self._position = 0

    @property
    def query(self) -> Query | None:
        """The query that runs for it, if one does."""
        return self._rows.query if isinstance(self._rows, QueryRows) else None

    async def ready(self) -> None:
        """Start again what was rewound."""
        if self._rows is None:
            self._rows = await self._start()

    async def take(self, limit: int, formats: tuple[int, ...]) -> Chunk:
        """The next rows, as ``Rows.take``."""
        assert self._rows is not None, "ready() comes first"
        chunk = await self._rows.take(limit, formats)
        self._position += chunk.rows
        return chunk

    async def skip(self, count: int) -> int:
        """Move forward; how many rows were there."""
        skipped = 0
        while count == ALL or skipped < count:
            chunk = await self.take(CHUNK_ROWS if count == ALL else count - skipped, ())
            skipped += chunk.rows
            if chunk.last:
                break
        return skipped

    def rewind(self) -> int:
        """Back to before the first row; the number of rows passed on the way. An untouched cursor just stays."""
        passed, self._position = self._position, 0
        if passed or self._rows is None:
            self.close()
        return passed

    def close(self) -> None:
        """Stop and free."""
        rows, self._rows = self._rows, None
        if rows is not None:
            rows.close()


class FetchedRows:
    """What one FETCH gives: at most ``count`` rows of a cursor (None: all); closing it leaves the cursor open."""

    def __init__(self, cursor: Cursor, count: int | None) -> None:
        self._cursor = cursor
        self._left = count
        self.columns = cursor.columns

    async def take(self, limit: int, formats: tuple[int, ...]) -> Chunk:
        """See ``Rows``."""
        if self._left == 0:
            return Chunk((), 0, True)
        chunk = await self._cursor.take(limit if self._left is None else min(limit, self._left), formats)
        if self._left is None:
            return chunk
        self._left -= chunk.rows
        return Chunk(chunk.parts, chunk.rows, chunk.last or self._left == 0)

    def close(self) -> None:
        """See ``Rows``."""
