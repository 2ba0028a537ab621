"""What is done with the rows of several shards: sums of sums, first rows of first rows; in a DuckDB of this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa

from virtualization.connectors.datapool.access import ShardAccess
from virtualization.duckdb_sql.faults import fault
from virtualization.duckdb_sql.kinds import Kind
from virtualization.duckdb_sql.settings import carried, prepare
from virtualization.duckdb_sql.statements import placeholder
from virtualization.duckdb_sql.streaming import streamed
from virtualization.errors import CancelledError, VirtualizationError
from virtualization.plan import Batches, OutputColumn, QueryContext
from virtualization.types import arrow_field

_STREAM = "bdc_shards"


class Engine:
    """One instance for all queries, a cursor per merge; made on first use."""

    def __init__(self, access: ShardAccess) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._instance: Any = None

    def cursor(self) -> Any:  # noqa: ANN401 duckdb is untyped
        """A connection of its own."""
        with self._lock:
            if self._instance is None:
                config: dict[str, str | bool | int | float | list[str]] = {
                    "memory_limit": f"{self._access.memory_bytes}B",
                    "temp_directory": self._access.spill_folder,
                    "threads": str(self._access.threads),
                }
                self._instance = duckdb.connect(":memory:", config=config)
                prepare(self._instance)
            return self._instance.cursor()

    def close(self) -> None:
        """Running merges keep their cursors."""
        with self._lock:
            if self._instance is not None:
                self._instance.close()
                self._instance = None


class Carried:
    """DuckDB's columns as the fragment promises them; of rows as they are, (offset, limit) of them."""

    def __init__(self, rows: Batches, kinds: Sequence[Kind], schema: pa.Schema, first: tuple[int, int | None] = (0, None)) -> None:
        self._rows = rows
        self._kinds = kinds
        self.schema = schema
        self._skip, self._left = first

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            if self._left == 0:
                return
            for batch in self._rows:
                skipped = min(self._skip, batch.num_rows)
                self._skip -= skipped
                taken = batch.slice(skipped, self._left)
                if taken.num_rows:
                    yield self._as_promised(taken)
                if self._left is not None:
                    self._left -= taken.num_rows
                    if not self._left:
                        return
        finally:
            self.close()

    def _as_promised(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [
            column if column.type == field.type and kind.name != "quotient" else carried(column, kind, field)
            for column, kind, field in zip(batch.columns, self._kinds, self.schema, strict=False)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def close(self) -> None:
        """Leave the shards."""
        self._rows.close()


class Merged:
    """``sql`` over the shards' rows. See ``virtualization.plan.Batches``."""

    def __init__(self, cursor: Any, sql: str, rows: Batches, context: QueryContext) -> None:  # noqa: ANN401
        self._cursor = cursor
        self._rows = rows
        self._context = context
        self._said: VirtualizationError | None = None
        self._lock = threading.Lock()
        self._open = True
        self._withdraw = context.on_cancel(self._interrupt)
        try:
            reader = pa.RecordBatchReader.from_batches(rows.schema, self._fed())
            cursor.register(_STREAM, reader)
            self._reader: Any = streamed(cursor, sql.replace(placeholder(0), _STREAM))
            self.schema: pa.Schema = self._reader.schema
        except Exception as error:  # noqa: BLE001 raised again as what it means
            raise self._ended(error) from None

    def _fed(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._rows
        except VirtualizationError as error:
            self._said = error  # the engine would only repeat its text
            raise

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            while self._open:
                try:
                    batch = self._reader.read_next_batch()
                except StopIteration:
                    return
                except Exception as error:  # noqa: BLE001 raised again as what it means
                    raise self._ended(error) from None
                yield batch
        finally:
            self.close()

    def _ended(self, error: Exception) -> Exception:
        cancelled = self._context.cancelled
        self.close()
        if cancelled:
            return CancelledError("canceling statement due to user request")
        if self._said is not None:
            return self._said
        known = isinstance(error, duckdb.Error | pa.ArrowException | OSError | MemoryError)
        return fault(error, cancelled) if known else error

    def _interrupt(self) -> None:
        with self._lock:
            if self._open:
                self._cursor.interrupt()

    def close(self) -> None:
        """Leave the shards, free the cursor; harmless when repeated."""
        self._withdraw()
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._cursor.interrupt()
        self._rows.close()
        self._reader = None
        self._cursor.close()


@lru_cache(maxsize=1024)
def schema_of_columns(columns: tuple[OutputColumn, ...]) -> pa.Schema:
    """As the fragment promises it."""
    return pa.schema([arrow_field(column.name, column.type) for column in columns])
