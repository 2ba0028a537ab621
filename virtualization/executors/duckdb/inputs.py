"""Fragments as tables of one DuckDB cursor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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

READ_AHEAD_BYTES = 32 << 20
"""Of each stream that is joined with others: DuckDB takes a stream for one row, and orders joins accordingly. What ends within this is an
Arrow table of known size instead; what does not is stored by DuckDB."""

MANY_INPUTS = 3
"""From so many on the order of joins matters, by numbers of distinct values: DuckDB counts them for tables of its own."""


class Inputs:
    """The fragments of one query. A stream can be read once only: a fragment that the query reads twice is first stored (DuckDB
    spills it to disk where it must)."""

    def __init__(self, cursor: Any, context: QueryContext) -> None:  # noqa: ANN401 duckdb is untyped
        self._cursor = cursor
        self._context = context
        self._open: list[Batches] = []
        self._inline: list[tuple[Fragment, str]] = []
        self._failed = False
        self.error: VirtualizationError | None = None
        """What a source said: the engine would only repeat its text."""

    def place(self, translated: Translated, fragments: list[Fragment]) -> str:
        """Make every fragment that is read a table of the cursor; the text to run."""
        joined = len(translated.reads) > 1 and " UNION ALL " not in translated.sql
        found = self._prepared({number: fragments[number] for number in translated.reads}, joined)
        texts: dict[int, str] = {}
        for number, rows in found.items():
            if isinstance(rows, str):
                texts[number] = self._inline_table(fragments[number], rows)
                continue
            store = (joined and len(found) >= MANY_INPUTS) if rows.whole else (joined or translated.reads[number] > 1)
            texts[number] = self._registered(number, rows, store=store)
        sql = translated.sql
        for number, text in texts.items():
            sql = sql.replace(placeholder(number), text)
        if self._inline:  # what passes through nobody's hands here is counted by the engine itself (0.3 ms a query)
            self._cursor.execute("SET enable_profiling = 'no_output'")
        return sql

    def _prepared(self, fragments: dict[int, Fragment], joined: bool) -> dict[int, str | _Stream]:
        """Scans that the engine does itself, and streams, which are read ahead where they are joined. All at once: sources compute side
        by side."""
        if len(fragments) < 2:
            return {number: self._begun(fragment, joined) for number, fragment in fragments.items()}
        with ThreadPoolExecutor(len(fragments), thread_name_prefix="inputs") as threads:
            begun = {number: threads.submit(self._begun, fragment, joined) for number, fragment in fragments.items()}
        return {number: one.result() for number, one in begun.items()}

    def _begun(self, fragment: Fragment, joined: bool) -> str | _Stream:
        inline = fragment.duckdb_sql()
        if inline is not None:
            return inline
        stream = self._opened(fragment)
        if joined:
            stream.read_ahead()
        return stream

    def _inline_table(self, fragment: Fragment, scan: str) -> str:
        names = ", ".join(f"c{at}" for at in range(len(fragment.columns)))
        fragment.prepare_duckdb(self._cursor)
        self._inline.append((fragment, scan))
        casts = [f"CAST(x.c{at} AS {_duckdb_type(column.type)}) AS c{at}" for at, column in enumerate(fragment.columns)]
        return f"(SELECT {', '.join(casts)} FROM ({scan}) AS x({names}))"

    def _registered(self, number: int, stream: _Stream, *, store: bool) -> str:
        name = f"bdc_stream_{number}"
        self._cursor.register(name, stream.table() if stream.whole else stream.reader())
        if not store:
            return name
        self._cursor.execute(f"CREATE TEMP TABLE bdc_stored_{number} AS SELECT * FROM {name}")
        self._cursor.unregister(name)
        return f"bdc_stored_{number}"

    def _opened(self, fragment: Fragment) -> _Stream:
        told = schema_of([Column(column.name, column.type) for column in fragment.columns])
        schema = pa.schema([pa.field(f"c{at}", field.type) for at, field in enumerate(told)])
        batches = fragment.open(self._context)
        self._open.append(batches)
        return _Stream(schema, self._batches(batches, schema))

    def _batches(self, batches: Batches, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            for batch in batches:
                if self._context.cancelled:
                    raise CancelledError("canceling statement due to user request")
                if self._failed:
                    return  # another source has: the answer of this one is of no use
                columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)
        except VirtualizationError as error:
            self.error = self.error or error
            self._failed = True
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


class _Stream:
    """The rows of one fragment, some of them read already."""

    def __init__(self, schema: pa.Schema, rows: Iterator[pa.RecordBatch]) -> None:
        self.whole = False
        self._schema = schema
        self._rows = rows
        self._ahead: list[pa.RecordBatch] = []

    def read_ahead(self) -> None:
        """Up to ``READ_AHEAD_BYTES``."""
        size = 0
        for batch in self._rows:
            self._ahead.append(batch)
            size += batch.nbytes
            if size > READ_AHEAD_BYTES:
                return
        self.whole = True

    def table(self) -> pa.Table:
        """All of it, once it is ``whole``."""
        return pa.Table.from_batches(self._ahead, self._schema)

    def reader(self) -> pa.RecordBatchReader:
        """What was read, and the rest as it comes."""
        return pa.RecordBatchReader.from_batches(self._schema, self._remaining())

    def _remaining(self) -> Iterator[pa.RecordBatch]:
        while self._ahead:
            yield self._ahead.pop(0)
        yield from self._rows


def _scans(operators: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The scans of a profile's operators."""
    for operator in operators:
        if operator["type"] == "TABLE_SCAN":
            yield operator
        yield from _scans(operator.get("children", []))


def _duckdb_type(text: str) -> str:
    return kind_of_text(text).duckdb
