"""Results of the SDK's ``sql()``: Python tuples, or an Arrow table where pyarrow is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psycopg

from bdc.errors import UserError
from bdc.sql import Column, translated

if TYPE_CHECKING:
    import pyarrow


class Result:
    """The result of one statement. ``columns`` is empty for a statement without rows, ``rowcount`` then tells how many it changed."""

    def __init__(self, cursor: psycopg.Cursor[tuple[Any, ...]]) -> None:
        self._cursor = cursor
        self.columns = tuple(Column(item.name, item.type_code) for item in cursor.description or ())
        self.rowcount = cursor.rowcount

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._cursor) if self.columns else iter(())

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows that were not read yet."""
        return list(self)

    def one(self) -> tuple[Any, ...]:
        """The only row; UserError when there are none or more."""
        rows = self.fetchall()
        if len(rows) != 1:
            raise UserError(f"the statement gave {len(rows)} rows where one was expected")
        return rows[0]

    def arrow(self) -> pyarrow.Table:
        """All rows as an Arrow table; UserError when pyarrow is not installed."""
        try:
            import pyarrow
        except ImportError as error:
            raise UserError("Arrow results need pyarrow", hint="pip install pyarrow") from error
        rows = self.fetchall()
        arrays = [pyarrow.array([row[place] for row in rows]) for place in range(len(self.columns))]
        return pyarrow.Table.from_arrays(arrays, names=[column.name for column in self.columns])


def run(
    connection: psycopg.Connection[tuple[Any, ...]], query: str, parameters: Sequence[object] | Mapping[str, object] | None = None
) -> Result:
    """Run ``query`` (``%s`` or ``%(name)s`` for parameters)."""
    with translated():
        return Result(connection.execute(query.encode(), parameters))
