"""Runs admitted residuals on one DuckDB instance, a cursor per query."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from virtualization.duckdb_sql.checks import mismatch
from virtualization.duckdb_sql.faults import fault
from virtualization.duckdb_sql.kinds import kind_of_text
from virtualization.duckdb_sql.settings import carried, output_columns, prepare
from virtualization.duckdb_sql.statements import Translated, translate_columns
from virtualization.duckdb_sql.streaming import streamed
from virtualization.errors import CancelledError, UnsupportedError
from virtualization.executors.duckdb.inputs import Inputs
from virtualization.executors.duckdb.predicting import CalledFunctions, Predicting
from virtualization.plan import Fragment, Kept, OutputColumn, QueryContext
from virtualization.predictions import Models
from virtualization.types import arrow_field

HARMFUL = "partial_aggregate_pushdown,join_elimination"
"""What DuckDB 2.0.0 is not to do.

Partial aggregates: with groups below a join it reads all rows of the grouped side: the other side's keys are no longer told to its scan
(TPC-H's Q10: 1.4 times the processors' time). Groups below joins that pay are the planner's (``planner.partial_groups``).

Join elimination: above a FULL JOIN that a filter has made an outer one it takes away a column that is still needed ("Failed to bind column
reference"; found by the verifier, test_a_join_that_is_not_needed)."""


class DuckDbExecutor:
    """See ``virtualization.plan.Executor``. ``memory_bytes`` is DuckDB's own limit for all its queries; beyond it they spill
    into ``temp_folder``. ``models``: what ``predict`` calls."""

    name = "duckdb"

    def __init__(self, memory_bytes: int, temp_folder: str | os.PathLike[str], threads: int, models: Models | None = None) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_bytes}B",
            "temp_directory": os.fspath(temp_folder),
            "threads": str(threads),
        }
        self._connection = duckdb.connect(":memory:", config=config)
        prepare(self._connection)
        self._connection.execute(f"SET disabled_optimizers = '{HARMFUL}'")
        self._lock = threading.Lock()
        self._predicting = Predicting(models)
        self.models = models
        self._translated = lru_cache(maxsize=512)(self._translate)

    def refuses(self, residual: exp.Query, fragments: Sequence[Fragment]) -> Kept | None:
        """The first thing in ``residual`` that is not on the allow list, or that DuckDB types in another way."""
        translated = self._lookup(residual, fragments)
        return translated if isinstance(translated, Kept) else None

    def describe(self, residual: exp.Query, fragments: Sequence[Fragment]) -> tuple[OutputColumn, ...]:
        """Names and PostgreSQL types of the result; nothing runs."""
        return output_columns(self._admitted(residual, fragments).columns)

    def run(self, residual: exp.Query, fragments: Sequence[Fragment], context: QueryContext) -> DuckDbResult:
        """Start; rows stream."""
        translated = self._admitted(residual, fragments)
        with self._lock:
            cursor = self._connection.cursor()
        return DuckDbResult(cursor, translated, Inputs(cursor, context), (list(fragments), context, self._predicting))

    def close(self) -> None:
        """Close the instance."""
        self._connection.close()

    def _admitted(self, residual: exp.Query, fragments: Sequence[Fragment]) -> Translated:
        translated = self._lookup(residual, fragments)
        if isinstance(translated, Kept):
            raise UnsupportedError(f"{translated.what} can't run on DuckDB: {translated.why}", hint=translated.fix)
        return translated

    def _lookup(self, residual: exp.Query, fragments: Sequence[Fragment]) -> Translated | Kept:
        return self._translated(residual, tuple(fragment.columns for fragment in fragments))

    def _translate(self, residual: exp.Query, columns: tuple[tuple[OutputColumn, ...], ...]) -> Translated | Kept:
        translated = translate_columns(residual, columns, self.models)
        return translated if isinstance(translated, Kept) else self._checked(translated, columns, residual)

    def _checked(self, translated: Translated, columns: Sequence[Sequence[OutputColumn]], residual: exp.Query) -> Translated | Kept:
        kinds = [[(column.name, kind_of_text(column.type)) for column in of] for of in columns]
        with self._lock:
            cursor = self._connection.cursor()
        try:
            bindable = self._predicting.stood_in(cursor, translated)
            return mismatch(cursor, bindable, kinds, residual) or translated
        finally:
            cursor.close()


class DuckDbResult:
    """The streaming answer. ``close`` interrupts what still runs and leaves the sources."""

    def __init__(
        self,
        cursor: Any,  # noqa: ANN401
        translated: Translated,
        inputs: Inputs,
        run: tuple[list[Fragment], QueryContext, Predicting],
    ) -> None:
        fragments, context, predicting = run
        self.columns = output_columns(translated.columns)
        self._kinds = [kind for _, kind in translated.columns]
        self._schema = pa.schema([arrow_field(column.name, column.type) for column in self.columns])
        self._cursor = cursor
        self._context = context
        self._inputs = inputs
        self._functions = CalledFunctions(cursor, context)
        self._lock = threading.Lock()
        self._open = True
        self._withdraw = context.on_cancel(self._interrupt)
        try:
            if context.cancelled:  # before there was anything to interrupt
                raise CancelledError("canceling statement due to user request")
            sql = predicting.made(self._functions, translated, self._inputs.place(translated, fragments))
            self._reader: Any = streamed(cursor, sql)
        except Exception as error:  # noqa: BLE001 raised again as what it means
            raise self._ended(error) from None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            while self._open:
                try:
                    batch = self._reader.read_next_batch()
                except StopIteration:
                    self._inputs.note_scans()
                    return
                except Exception as error:  # noqa: BLE001 raised again as what it means
                    raise self._ended(error) from None
                if batch.num_rows:
                    yield self._as_declared(batch)
        finally:
            self.close()

    def _as_declared(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [carried(column, kind, field) for column, kind, field in zip(batch.columns, self._kinds, self._schema, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _ended(self, error: Exception) -> Exception:
        cancelled = self._context.cancelled
        said = None if cancelled else self._inputs.meaning(error) or self._functions.error
        self.close()
        if said is not None:
            return said
        return fault(error, cancelled) if isinstance(error, duckdb.Error | pa.ArrowException | OSError | MemoryError) else error

    def _interrupt(self) -> None:
        with self._lock:
            if self._open:
                self._cursor.interrupt()

    def close(self) -> None:
        """Harmless when repeated."""
        self._withdraw()
        with self._lock:
            if not self._open:
                return
            self._open = False
            self._cursor.interrupt()
        self._inputs.close()
        self._reader = None
        self._functions.close()
        self._cursor.close()
