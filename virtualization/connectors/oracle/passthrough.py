"""A text of the user's own, run at the source as it is: one query, in a read-only transaction of a session that nothing else ever uses.

The driver's cursors read it, not its data frames: those need to know beforehand what the columns are, and cut off numbers without digits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import oracledb
import pyarrow as pa

from virtualization.connectors.oracle import rows
from virtualization.connectors.oracle.client import Client, Running
from virtualization.connectors.oracle.options import Settings
from virtualization.errors import DataError
from virtualization.passthrough import SCHEMA, WHAT, OwnSession, check_reads, json_rows
from virtualization.plan import QueryContext

READ_ONLY = "SET TRANSACTION READ ONLY"
_ROWS = 1000
_WHOLE = {oracledb.DB_TYPE_CLOB: oracledb.DB_TYPE_LONG, oracledb.DB_TYPE_NCLOB: oracledb.DB_TYPE_LONG_NVARCHAR,
    oracledb.DB_TYPE_BLOB: oracledb.DB_TYPE_LONG_RAW, oracledb.DB_TYPE_NUMBER: oracledb.DB_TYPE_VARCHAR}  # fmt: skip
"""What is fetched as something else: LOBs with the row, numbers with all their digits."""


def passthrough(settings: Settings, text: str, context: QueryContext) -> OwnSession:
    """Rows as JSON objects; see ``virtualization.passthrough``."""
    check_reads(text, "oracle", settings.source, session_reads_only=True)
    client = Client(dataclasses.replace(settings, max_connections=1), lambda: None)

    def begin(running: Running, connection: Any) -> JsonStream:  # noqa: ANN401 the driver's connection
        cursor = connection.cursor()
        cursor.arraysize = cursor.prefetchrows = _ROWS
        running.call(lambda: cursor.execute(READ_ONLY))
        cursor.outputtypehandler = _whole
        running.call(lambda: cursor.execute(text.strip().rstrip(";")))
        return JsonStream(client, running, cursor)

    try:
        return OwnSession(client.start(WHAT, context, begin), client.close)
    except BaseException:
        client.close()
        raise


def _whole(cursor: Any, column: Any) -> Any:  # noqa: ANN401 the driver's
    kind = _WHOLE.get(column.type_code)
    return None if kind is None else cursor.var(kind, arraysize=cursor.arraysize)


class JsonStream:
    """Batches of one cursor. See ``virtualization.plan.Batches``."""

    schema = SCHEMA

    def __init__(self, client: Client, running: Running, cursor: Any) -> None:  # noqa: ANN401 the driver's cursor
        self._client = client
        self._running = running
        self._cursor = cursor
        self._names = [column.name for column in cursor.description or ()]
        self._numbers = frozenset(at for at, one in enumerate(cursor.description or ()) if one.type_code == oracledb.DB_TYPE_NUMBER)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while self._names:
            found = self._client.step(self._running, WHAT, lambda: self._cursor.fetchmany(_ROWS))
            if not found:
                return
            yield self._batch(found)

    def close(self) -> None:
        """Harmless when repeated."""
        self._running.end(reusable=False)

    def _batch(self, found: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
        arrays: list[pa.Array[Any]] = []
        for at, values in enumerate(zip(*found, strict=True)):
            try:
                array = pa.array(values)
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise DataError(
                    f'column "{self._names[at]}" of {WHAT} is of a type that is not carried: {error}', hint="Cast it."
                ) from None
            arrays.append(rows.plain_numbers(array.cast(pa.string())) if at in self._numbers else array)
        return json_rows(pa.RecordBatch.from_arrays(arrays, names=self._names), self._numbers)
