"""Results of the SDK's ``sql()``: Python tuples, or an Arrow table where pyarrow is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psycopg

from bdc.errors import UserError
from bdc.names import kind_of
from bdc.sql import Column, translated

if TYPE_CHECKING:
    import pyarrow


class Result:
    """The result of one statement: iterate it, or take ``one()``, ``fetchall()`` or ``arrow()``; each row is given once.

    ``columns`` is empty for a statement without rows, ``rowcount`` then tells how many it changed. The rows are held in memory; for results
    that don't fit, use a server-side cursor of ``session.connection`` (psycopg).
    """

    def __init__(self, cursor: psycopg.Cursor[tuple[Any, ...]]) -> None:
        self._cursor = cursor
        self.columns = tuple(Column(item.name, item.type_code) for item in cursor.description or ())
        self.rowcount = cursor.rowcount
        self._taken = False

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The rows that were not read yet, as tuples of Python values."""
        return iter(self._cursor) if self.columns and not self._taken else iter(())

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
        """The rows that were not read yet as an Arrow table, exact (``bdc.arrow`` lists the types). UserError without pyarrow."""
        try:
            from bdc import arrow
        except ImportError as error:
            raise UserError("Arrow results need pyarrow", hint="pip install pyarrow") from error
        result = self._cursor.pgresult
        if result is None or not self.columns:
            raise UserError("the statement gave no rows to make a table of")
        first = result.ntuples if self._taken else self._cursor.rownumber or 0
        self._taken = True
        return arrow.table(result, first)


def run(
    connection: psycopg.Connection[tuple[Any, ...]], query: str, parameters: Sequence[object] | Mapping[str, object] | None = None
) -> Result:
    """Run ``query`` (``%s`` or ``%(name)s`` for parameters). UserError, SqlError."""
    if parameters is not None and (isinstance(parameters, str | bytes) or not hasattr(parameters, "__len__")):
        raise UserError(f"parameters are a list or a dict, not {kind_of(parameters)}", hint="sql('SELECT %s', [5]): in brackets")
    with translated():
        return Result(connection.execute(query.encode(), parameters))
