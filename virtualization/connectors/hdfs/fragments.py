"""A scan of files, ready to run: the folder is listed, pruned and looked into each time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import pyarrow as pa

from virtualization.catalog import Column
from virtualization.connectors.hdfs import narrowing
from virtualization.connectors.hdfs.client import Client, RemoteFile
from virtualization.connectors.hdfs.engine import Engine, concerns_files, fault, stream
from virtualization.connectors.hdfs.file_system import Listing, fault_behind, forget, register, remember
from virtualization.connectors.hdfs.layout import Layouts
from virtualization.connectors.hdfs.options import FileFormat
from virtualization.connectors.hdfs.scan_sql import Scan, pruning_sql, scan_sql
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
    client: Client = field(repr=False, compare=False)
    layouts: Layouts = field(repr=False, compare=False)
    engine: Engine = field(repr=False, compare=False)
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
        listing = remember(self.client, self.files())
        cursor = self.engine.cursor()
        try:
            sql = self._sql(listing)
            rows = stream(cursor, sql, _schema(self.scan.columns), lambda: forget(listing), context)
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

    def duckdb_sql(self) -> str:
        """The scan over the files as they are now. Good for the query that begins now: do not keep it."""
        return self._sql(remember(self.client, self.files()))

    def prepare_duckdb(self, connection: object) -> None:
        """Register the file system with the connection's instance."""
        register(connection)

    def fault(self, error: Exception) -> VirtualizationError | None:
        """What an engine's error means that came up while it ran ``duckdb_sql``; None: it has nothing to do with the files."""
        text = str(error)
        own = fault_behind(text, self.client)
        if own is not None or not concerns_files(text):
            return own
        return fault(error, None, self.source)

    def files(self) -> list[RemoteFile]:
        """The files that would be read now: listed, and pruned by the predicates on folders."""
        files = self.client.files(self.scan.table.location)
        if not self.scan.partition_predicates or not files:
            return files
        cursor = self.engine.cursor()
        try:
            kept = cursor.execute(pruning_sql(files, self.scan, self.shape)).fetchall()
        except duckdb.Error as error:
            raise fault(error, None, self.source) from None
        finally:
            cursor.close()
        return [files[number] for (number,) in kept]

    def _sql(self, listing: Listing) -> str:
        return scan_sql(listing, self.layouts.of(listing.files, self.shape), self.scan, self.shape)


def _schema(columns: tuple[Column, ...]) -> pa.Schema:
    return schema_of(Column(column.name, column.type) for column in columns)
