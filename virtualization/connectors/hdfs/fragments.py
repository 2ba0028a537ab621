"""A scan of files, ready to run: the folder is listed, pruned and looked into each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import pyarrow as pa

from virtualization.catalog import Column
from virtualization.connectors.hdfs import narrowing, typed_files
from virtualization.connectors.hdfs.ahead import Ahead
from virtualization.connectors.hdfs.checked_sql import EXTRA, CheckedFile
from virtualization.connectors.hdfs.client import RemoteFile
from virtualization.connectors.hdfs.engine import ScanStream, concerns_files, fault, stream
from virtualization.connectors.hdfs.file_system import Listing, fault_behind, forget, place_in, register, remember
from virtualization.connectors.hdfs.layout import Layout
from virtualization.connectors.hdfs.lines import MOST_BYTES
from virtualization.connectors.hdfs.options import STREAMED, FileFormat, RejectLimit
from virtualization.connectors.hdfs.rejects import Accepted, Progress, Rejected, columns_of, first_rejected, rejecting
from virtualization.connectors.hdfs.scan_sql import NOT_A_VALUE, Scan, groups, scan_sql, streamed_name
from virtualization.connectors.hdfs.table_files import Reader
from virtualization.connectors.hdfs.types import duckdb_type
from virtualization.errors import DataError, VirtualizationError
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
    summary: tuple[str, pa.Schema] | None = None
    """Aggregates over the scan (DuckDB SQL) that are asked for instead of its rows, and their schema."""
    ahead: Ahead | None = field(default=None, repr=False, compare=False)
    """Of one query: see ``begun``."""

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
        if rejecting(self.shape):
            return self._open_checked(context)
        reading = self._reading()
        cursor = self.reader.engine.cursor()

        def start() -> ScanStream:
            reading.register(cursor)
            words, schema = self.summary or ("*", _schema(self.scan.columns))
            return stream(cursor, [f"SELECT {words} FROM ({reading.sql})"], schema, lambda: forget(reading.listing), context)

        return self._started(start, cursor, reading.listing)

    def _started(self, start: Callable[[], ScanStream], cursor: Any, listing: Listing) -> ScanStream:  # noqa: ANN401 duckdb is untyped
        try:
            rows = start()
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            meant = self._explained(error, listing)  # before forget: it needs the listing
            cursor.close()
            forget(listing)
            raise meant from None
        except VirtualizationError:
            cursor.close()
            forget(listing)
            raise
        rows.explain = lambda error: self._explained(error, listing)
        return rows

    def _open_checked(self, context: QueryContext) -> Batches:
        checked = self._checked()
        if not checked:
            empty = (
                "SELECT " + ", ".join(f"CAST(NULL AS {duckdb_type(pg_type(c.type), c.name)})" for c in self.scan.columns) + " WHERE false"
            )
            cursor = self.reader.engine.cursor()
            return stream(cursor, [empty], _schema(self.scan.columns), lambda: None, context)
        progress = Progress(checked)
        listing = checked[0].listing
        cursor = self.reader.engine.cursor()
        schema = pa.schema([*_schema(checked[0].scan.columns), *EXTRA])
        rows = self._started(lambda: stream(cursor, progress.queries(), schema, lambda: forget(listing), context), cursor, listing)
        if self.shape.rejected_of is not None:
            return Rejected(rows, _schema(self.scan.columns), progress.file)
        return Accepted(rows, _schema(self.scan.columns), progress.file, self.shape.rejects or RejectLimit(0), self.source)

    def _checked(self) -> list[CheckedFile]:
        """The files whose rows are looked at one by one."""
        scan = self.scan
        if self.shape.rejected_of is not None:
            table = replace(scan.table, columns=columns_of(self.shape.rejected_of))
            scan = Scan(table, (), (), (), table.columns)
        found = self.reader.found(scan.table.location, self.shape)
        files, layouts = self.reader.to_read(scan, found)
        listing = remember(self.reader.client, files)
        limit = found.shape.rejects
        most = int(limit.value) + 1 if limit is not None and limit.sample is None else 0
        return [CheckedFile(listing, number, layouts[number], scan, found.shape, most) for number, file in enumerate(files) if file.size]

    def with_keys(self, column: str, keys: Any) -> FilesFragment:  # noqa: ANN401 an Arrow array
        """See ``virtualization.plan.TakesKeys``."""
        return replace(self, scan=narrowing.narrowed(self.scan, column, keys))

    def begun(self) -> FilesFragment:
        """See ``virtualization.plan.BeginsEarly``."""
        if not self.by_engine:
            return self
        return replace(self, ahead=Ahead(self.reader, self.scan.table.location, self.shape))

    @property
    def by_engine(self) -> bool:
        """See ``virtualization.plan.ReadByEngine``."""
        return self.shape.format not in STREAMED and not rejecting(self.shape)

    def duckdb_sql(self) -> str | None:
        """The scan over the files as they are now. Good for the query that begins now: do not keep it."""
        if not self.by_engine:
            return None
        return replace(self, scan=replace(self.scan, lists=()))._reading().sql  # the engine joins by the keys itself

    def prepare_duckdb(self, connection: object) -> None:
        """Register the file system with the connection's instance."""
        register(connection)

    def fault(self, error: Exception) -> VirtualizationError | None:
        """What an engine's error means that came up while it ran ``duckdb_sql``; None: it has nothing to do with the files."""
        text = str(error)
        own = fault_behind(text, self.reader.client)
        if own is not None or not concerns_files(text):
            return own
        return self._explained(error, None)

    def _explained(self, error: Exception, listing: Listing | None) -> VirtualizationError:
        """With the line of a value that can't be read, which costs a second look into its file."""
        meant = fault(error, listing, self.source)
        place = place_in(str(error)) if NOT_A_VALUE in meant.message and self.shape.is_text else None
        if place is None or place[0].files[place[1]].size > MOST_BYTES:
            return meant
        first = self._first_rejected(*place)
        return meant if first is None else DataError(f'data source "{self.source}": {first}', hint=meant.hint)

    def _first_rejected(self, listing: Listing, number: int) -> str | None:
        layout = self.reader.layouts.of([listing.files[number]], self.shape)[0]
        progress = Progress([CheckedFile(listing, number, layout, self.scan, self.shape)])
        cursor = self.reader.engine.cursor()
        schema = pa.schema([*_schema(self.scan.columns), *EXTRA])
        try:
            return first_rejected(stream(cursor, progress.queries(), schema, lambda: None, QueryContext()), progress)
        except (duckdb.Error, pa.ArrowException, VirtualizationError):
            return None  # the message does without

    def files(self) -> list[RemoteFile]:
        """The files that would be read now."""
        return self.reader.to_read(self.scan, self.reader.found(self.scan.table.location, self.shape))[0]

    def _reading(self) -> Reading:
        found = self.ahead.found() if self.ahead is not None else self.reader.found(self.scan.table.location, self.shape)
        files, layouts = self.reader.to_read(self.scan, found)
        listing = remember(self.reader.client, files, self.ahead)
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
