"""A scan of files, ready to run: the folder is listed, pruned and looked into each time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import pyarrow as pa

from virtualization.catalog import Column
from virtualization.connectors.hdfs import narrowing, typed_files
from virtualization.connectors.hdfs.client import RemoteFile
from virtualization.connectors.hdfs.engine import concerns_files, fault, stream
from virtualization.connectors.hdfs.file_system import Listing, fault_behind, forget, register, remember
from virtualization.connectors.hdfs.layout import Layout
from virtualization.connectors.hdfs.options import STREAMED, FileFormat
from virtualization.connectors.hdfs.scan_sql import Scan, groups, scan_sql, streamed_name
from virtualization.connectors.hdfs.table_files import Reader
from virtualization.errors import VirtualizationError
from virtualization.plan import Batches, OutputColumn, QueryContext
from virtualization.types import pg_type, schema_of


@dataclass(frozen=True)
class FilesFragment:
    """See ``virtualization.plan.Fragment``."""

    source: str
    scan: Scan
    shape: FileFormat
    text: str
    reader: Reader = field(repr=False, compare=False)
    most_keys: int = narrowing.MOST_KEYS
    """See ``virtualization.plan.TakesKeys``."""

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """As declared."""
        return tuple(OutputColumn(column.name, pg_type(column.type).text) for column in self.scan.columns)

    @property
    def tables(self) -> tuple[tuple[str, str], ...]:
        """The one table."""
        return (self.scan.table.key,)

    def open(self, context: QueryContext) -> Batches:
        """Read with this connector's own engine."""
        reading = self._reading()
        listing = reading.listing
        cursor = self.reader.engine.cursor()
        try:
            reading.register(cursor)
            rows = stream(cursor, reading.sql, _schema(self.scan.columns), lambda: forget(listing), context)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            meant = fault(error, listing, self.source)  # before forget: it needs the listing
            cursor.close()
            forget(listing)
            raise meant from None
        except VirtualizationError:
            cursor.close()
            forget(listing)
            raise
        rows.explain = lambda error: fault(error, listing, self.source)
        return rows

    def with_keys(self, column: str, keys: Any) -> FilesFragment:  # noqa: ANN401 an Arrow array
        """See ``virtualization.plan.TakesKeys``."""
        return replace(self, scan=narrowing.narrowed(self.scan, column, keys))

    def duckdb_sql(self) -> str | None:
        """The scan over the files as they are now. Good for the query that begins now: do not keep it."""
        return None if self.shape.format in STREAMED else self._reading().sql

    def prepare_duckdb(self, connection: object) -> None:
        """Register the file system with the connection's instance."""
        register(connection)

    def fault(self, error: Exception) -> VirtualizationError | None:
        """What an engine's error means that came up while it ran ``duckdb_sql``; None: it has nothing to do with the files."""
        text = str(error)
        own = fault_behind(text, self.reader.client)
        if own is not None or not concerns_files(text):
            return own
        return fault(error, None, self.source)

    def files(self) -> list[RemoteFile]:
        """The files that would be read now."""
        return self.reader.to_read(self.scan, self.reader.found(self.scan.table.location, self.shape))[0]

    def _reading(self) -> Reading:
        found = self.reader.found(self.scan.table.location, self.shape)
        files, layouts = self.reader.to_read(self.scan, found)
        listing = remember(self.reader.client, files)
        try:
            wanted = frozenset(column.remote_name for column in self.scan.needed)
            return Reading(listing, layouts, found.shape, scan_sql(listing, layouts, self.scan, found.shape), wanted)
        except BaseException:
            forget(listing)
            raise


@dataclass(frozen=True)
class Reading:
    """One run over the files of one moment."""

    listing: Listing
    layouts: Sequence[Layout]
    shape: FileFormat
    sql: str
    wanted: frozenset[str]
    """The columns of the files that ``sql`` looks at."""

    def register(self, cursor: Any) -> None:  # noqa: ANN401 duckdb is untyped
        """Give ``cursor`` the streams that ``sql`` reads."""
        if self.shape.format not in STREAMED:
            return
        for numbers in groups(self.listing, self.layouts, self.shape):
            layout = self.layouts[numbers[0]]
            columns = [(name, of) for name, of in zip(layout.names, layout.types, strict=True) if name in self.wanted]
            cursor.register(streamed_name(numbers), self._stream(numbers, pa.schema(columns)))

    def _stream(self, numbers: Sequence[int], columns: pa.Schema) -> pa.RecordBatchReader:
        files = [(number, self.listing.files[number]) for number in numbers]
        return pa.RecordBatchReader.from_batches(typed_files.numbered_schema(columns), self._batches(files, columns))

    def _batches(self, files: Sequence[tuple[int, RemoteFile]], columns: pa.Schema) -> Iterator[pa.RecordBatch]:
        try:
            yield from typed_files.batches(self.listing.client, files, self.shape.format, columns)
        except VirtualizationError as error:
            self.listing.faults.append(error)  # the engine would only repeat its text
            raise


def _schema(columns: tuple[Column, ...]) -> pa.Schema:
    return schema_of(Column(column.name, column.type) for column in columns)
