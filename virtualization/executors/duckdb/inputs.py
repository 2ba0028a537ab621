"""Fragments as tables of one DuckDB cursor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pyarrow as pa

from virtualization.catalog import Column
from virtualization.duckdb_sql.kinds import kind_of_text
from virtualization.duckdb_sql.statements import Translated, placeholder
from virtualization.errors import CancelledError, VirtualizationError
from virtualization.metering import Meter
from virtualization.plan import Batches, Fragment, QueryContext
from virtualization.types import schema_of


class Inputs:
    """The fragments of one query. A stream can be read once only: a fragment that the query reads twice is first stored (DuckDB
    spills it to disk where it must)."""

    def __init__(self, cursor: Any, context: QueryContext) -> None:  # noqa: ANN401 duckdb is untyped
        self._cursor = cursor
        self._context = context
        self._open: list[Batches] = []
        self._inline: list[tuple[Fragment, str]] = []
        self.error: VirtualizationError | None = None
        """What a source said: the engine would only repeat its text."""

    def place(self, translated: Translated, fragments: list[Fragment]) -> str:
        """Make every fragment that is read a table of the cursor; the text to run."""
        sql = translated.sql
        for number, reads in translated.reads.items():
            sql = sql.replace(placeholder(number), self._table(number, fragments[number], reads))
        if self._inline:  # what passes through nobody's hands here is counted by the engine itself (0.3 ms a query)
            self._cursor.execute("SET enable_profiling = 'no_output'")
        return sql

    def _table(self, number: int, fragment: Fragment, reads: int) -> str:
        names = ", ".join(f"c{at}" for at in range(len(fragment.columns)))
        inline = fragment.duckdb_sql()
        if inline is not None:
            fragment.prepare_duckdb(self._cursor)
            self._inline.append((fragment, inline))
            casts = [f"CAST(x.c{at} AS {_duckdb_type(column.type)}) AS c{at}" for at, column in enumerate(fragment.columns)]
            return f"(SELECT {', '.join(casts)} FROM ({inline}) AS x({names}))"
        stream = f"bdc_stream_{number}"
        self._cursor.register(stream, self._reader(fragment))
        if reads == 1:
            return stream
        self._cursor.execute(f"CREATE TEMP TABLE bdc_stored_{number} AS SELECT * FROM {stream}")
        return f"bdc_stored_{number}"

    def _reader(self, fragment: Fragment) -> pa.RecordBatchReader:
        told = schema_of([Column(column.name, column.type) for column in fragment.columns])
        schema = pa.schema([pa.field(f"c{at}", field.type) for at, field in enumerate(told)])
        batches = fragment.open(self._context)
        self._open.append(batches)
        return pa.RecordBatchReader.from_batches(schema, self._batches(batches, schema))

    def _batches(self, batches: Batches, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            for batch in batches:
                if self._context.cancelled:
                    raise CancelledError("canceling statement due to user request")
                columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)
        except VirtualizationError as error:
            self.error = error
            raise

    def meaning(self, error: Exception) -> VirtualizationError | None:
        """What ``error`` is when an inline scan failed (a value in a file that does not fit); None: the engine itself failed."""
        told = (fragment.fault(error) for fragment, _ in self._inline)
        return self.error or next((meant for meant in told if meant is not None), None)

    def note_scans(self) -> None:
        """Tell the fragments that the engine read itself what its profile says of them: each file's path stands in one's text only.
        To be called when the last row was read: before, there is no profile."""
        if not self._inline:
            return
        for scan in _scans(json.loads(self._cursor.get_profiling_information("json") or "{}").get("operator", [])):
            path = str(scan["extra_info"].get("Filename(s)", "")).split(",")[0]
            for fragment, text in self._inline:
                if path and path in text and isinstance(fragment, Meter):
                    fragment.note(scan["intermediate_rows"], scan["intermediate_size_bytes"], scan["timing"] * 1000)

    def close(self) -> None:
        """Leave all streams; the sources stop."""
        opened, self._open = self._open, []
        for batches in opened:
            with suppress(VirtualizationError):  # what a cancelled source says while it is closed is no news
                batches.close()


def _scans(operators: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The scans of a profile's operators."""
    for operator in operators:
        if operator["type"] == "TABLE_SCAN":
            yield operator
        yield from _scans(operator.get("children", []))


def _duckdb_type(text: str) -> str:
    return kind_of_text(text).duckdb
