"""The DuckDB that this connector reads files with when no executor does: parsing, row-group pruning, streaming."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import duckdb
import pyarrow as pa

from virtualization.connectors.hdfs.file_system import PROTOCOL, Listing, register, with_real_paths
from virtualization.connectors.hdfs.types import DATA_MARK
from virtualization.duckdb_sql.streaming import streamed
from virtualization.errors import CancelledError, DataError, MemoryLimitError, SourceError, VirtualizationError
from virtualization.plan import QueryContext


class Engine:
    """One in-memory instance; a cursor per stream."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._instance: Any = None

    def cursor(self) -> Any:  # noqa: ANN401 - duckdb's classes are not typed
        """A connection of its own to the instance."""
        with self._lock:
            if self._instance is None:
                threads = min(4, os.cpu_count() or 1)
                # a scan needs little; what needs more (a value of a gigabyte) is refused, nothing is spilled
                self._instance = duckdb.connect(":memory:", config={"threads": threads, "memory_limit": "2GB", "temp_directory": ""})
                self._instance.execute("SET TimeZone = 'UTC'")
                register(self._instance)
            return self._instance.cursor()

    def close(self) -> None:
        """Running streams keep their cursors until they end."""
        with self._lock:
            if self._instance is not None:
                self._instance.close()
                self._instance = None


def concerns_files(text: str) -> bool:
    """Is an engine's message about reading files of a listing?"""
    return DATA_MARK in text or "CSV Error" in text or f"{PROTOCOL}://" in text


def fault(error: Exception, listing: Listing | None, source: str) -> VirtualizationError:
    """What an error of DuckDB means when it came from reading files."""
    if listing is not None and listing.faults:
        return listing.faults[0]
    text = with_real_paths(str(error))
    if DATA_MARK in text:
        said = text.split(DATA_MARK, 1)[1].splitlines()[0]
        return DataError(f'data source "{source}": {said}', hint="The value does not fit the declared type.")
    if "CSV Error" in text:
        return DataError(f'data source "{source}": {_csv_message(text)}', hint="The table's options say how its files are read.")
    if isinstance(error, duckdb.OutOfMemoryException):
        return MemoryLimitError(f'data source "{source}": reading files needs more memory than its limit')
    if isinstance(error, (duckdb.InvalidInputException, duckdb.ConversionException)):
        return DataError(f'data source "{source}": {text.splitlines()[0]}')
    return SourceError(f'data source "{source}": reading failed: {text.splitlines()[0]}')


def _csv_message(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    number = next((line.split("CSV Error on Line:")[1].strip() for line in lines if "CSV Error on Line:" in line), "?")
    file = next((line.removeprefix("file = ") for line in lines if line.startswith("file = ")), "a file")
    said = next((line for line in lines[1:] if not line.startswith(("Original Line", "file ="))), "not valid CSV")
    return f"file {file}, line {number}: {said}"


class ScanStream:
    """Batches as DuckDB reads them; leaving early stops the reading."""

    def __init__(
        self,
        cursor: Any,  # noqa: ANN401
        readers: Iterator[Any],
        schema: pa.Schema,
        ended: Callable[[], None],
        context: QueryContext,
    ) -> None:
        self._cursor = cursor
        self._readers = readers
        self._reader = next(readers)
        self._schema = schema
        self._ended = ended
        self._context = context
        self._open = True
        self.explain: Callable[[Exception], VirtualizationError] = lambda error: fault(error, None, "")
        self._lock = threading.Lock()
        self._withdraw = context.on_cancel(self._interrupt)

    @property
    def schema(self) -> pa.Schema:
        """As promised by the fragment."""
        return self._schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while self._open:
            try:
                batch = self._next()
            except (duckdb.Error, pa.ArrowException, OSError, RuntimeError) as error:
                meant = self.explain(error)  # before close: it needs the listing
                self.close()
                if self._context.cancelled:
                    raise CancelledError("canceling statement due to user request") from None
                raise meant from None
            if self._context.cancelled:
                self.close()
                raise CancelledError("canceling statement due to user request")
            if batch is None:
                self.close()
                return
            if batch.num_rows:
                columns = [
                    values if values.type == of.type else values.cast(of.type)
                    for values, of in zip(batch.columns, self._schema, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _next(self) -> Any:  # noqa: ANN401
        """The next batch of this reader or the next ones; None after the last."""
        while True:
            try:
                return self._reader.read_next_batch()
            except StopIteration:
                following = next(self._readers, None)
                if following is None:
                    return None
                self._reader = following

    def _interrupt(self) -> None:
        with self._lock:
            if self._open:
                self._cursor.interrupt()

    def close(self) -> None:
        """Free the cursor; harmless when repeated."""
        self._withdraw()
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._cursor.interrupt()
        self._reader = None
        self._cursor.close()
        self._ended()


def stream(
    cursor: Any,  # noqa: ANN401
    queries: Iterable[str],
    schema: pa.Schema,
    ended: Callable[[], None],
    context: QueryContext,
) -> ScanStream:
    """Start the first of ``queries``; each later one when those before have ended."""
    readers = (streamed(cursor, sql) for sql in queries)
    return ScanStream(cursor, readers, schema, ended, context)
