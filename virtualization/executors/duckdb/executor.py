"""Runs admitted residuals on one DuckDB instance, a cursor per query."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType
from sqlglot import exp

from virtualization.encoding.numerics import decimal_text
from virtualization.errors import CancelledError, UnsupportedError
from virtualization.executors.duckdb.faults import fault
from virtualization.executors.duckdb.inputs import Inputs
from virtualization.executors.duckdb.kinds import Kind, kind_of_text
from virtualization.executors.duckdb.quotients import KEY_FUNCTION, keys, quotient_text
from virtualization.executors.duckdb.statements import Translated, placeholder, translate_columns
from virtualization.plan import Fragment, Kept, OutputColumn, QueryContext
from virtualization.types import arrow_field

BATCH_ROWS = 65_536
_SETTINGS = (
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET python_enable_replacements = false",
    "SET default_null_order = 'nulls_last_on_asc_first_on_desc'",
    "SET TimeZone = 'UTC'",
)


class DuckDbExecutor:
    """See ``virtualization.plan.Executor``. ``memory_bytes`` is DuckDB's own limit for all its queries; beyond it they spill
    into ``temp_folder``."""

    name = "duckdb"

    def __init__(self, memory_bytes: int, temp_folder: str | os.PathLike[str], threads: int) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_bytes}B",
            "temp_directory": os.fspath(temp_folder),
            "threads": str(threads),
        }
        self._connection = duckdb.connect(":memory:", config=config)
        for setting in _SETTINGS:
            self._connection.execute(setting)
        self._connection.create_function(KEY_FUNCTION, keys, ["VARCHAR", "VARCHAR", "BIGINT"], "VARCHAR", type=PythonUDFType.ARROW)
        self._lock = threading.Lock()
        self._translated = lru_cache(maxsize=512)(self._translate)

    def refuses(self, residual: exp.Query, fragments: Sequence[Fragment]) -> Kept | None:
        """The first thing in ``residual`` that is not on the allow list, or that DuckDB types in another way."""
        translated = self._lookup(residual, fragments)
        return translated if isinstance(translated, Kept) else None

    def describe(self, residual: exp.Query, fragments: Sequence[Fragment]) -> tuple[OutputColumn, ...]:
        """Names and PostgreSQL types of the result; nothing runs."""
        return _output(self._admitted(residual, fragments).columns)

    def run(self, residual: exp.Query, fragments: Sequence[Fragment], context: QueryContext) -> DuckDbResult:
        """Start; rows stream."""
        translated = self._admitted(residual, fragments)
        with self._lock:
            cursor = self._connection.cursor()
        return DuckDbResult(cursor, translated, list(fragments), context)

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
        translated = translate_columns(residual, columns)
        return translated if isinstance(translated, Kept) else self._checked(translated, columns, residual)

    def _checked(self, translated: Translated, columns: Sequence[Sequence[OutputColumn]], residual: exp.Query) -> Translated | Kept:
        """DuckDB's binder over empty tables: it must know all, and find the types that we found."""
        sql = translated.sql
        for number in translated.reads:
            typed = ", ".join(f"CAST(NULL AS {kind_of_text(column.type).duckdb}) AS c{at}" for at, column in enumerate(columns[number]))
            sql = sql.replace(placeholder(number), f"(SELECT {typed} WHERE false)")
        with self._lock:
            cursor = self._connection.cursor()
        try:
            found = [str(of) for of in cursor.sql(sql).types]
        except duckdb.Error as error:
            return Kept(residual.sql("postgres")[:200], "engine_refused", f"DuckDB does not take it: {str(error).splitlines()[0]}")
        finally:
            cursor.close()
        expected = [kind.duckdb for _, kind in translated.columns]
        if found != expected:
            return Kept(residual.sql("postgres")[:200], "engine_types", f"DuckDB's types are {found}, PostgreSQL's {expected}")
        return translated


class DuckDbResult:
    """The streaming answer. ``close`` interrupts what still runs and leaves the sources."""

    def __init__(self, cursor: Any, translated: Translated, fragments: list[Fragment], context: QueryContext) -> None:  # noqa: ANN401
        self.columns = _output(translated.columns)
        self._kinds = [kind for _, kind in translated.columns]
        self._schema = pa.schema([arrow_field(column.name, column.type) for column in self.columns])
        self._cursor = cursor
        self._context = context
        self._inputs = Inputs(cursor, context)
        self._lock = threading.Lock()
        self._open = True
        self._withdraw = context.on_cancel(self._interrupt)
        try:
            if context.cancelled:  # before there was anything to interrupt
                raise CancelledError("canceling statement due to user request")
            sql = self._inputs.place(translated, fragments)
            # sql() streams, execute() would materialise
            self._reader = cursor.sql(sql).to_arrow_reader(BATCH_ROWS)
        except Exception as error:  # noqa: BLE001 raised again as what it means
            raise self._ended(error) from None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            while self._open:
                try:
                    batch = self._reader.read_next_batch()
                except StopIteration:
                    return
                except Exception as error:  # noqa: BLE001 raised again as what it means
                    raise self._ended(error) from None
                if batch.num_rows:
                    yield self._as_declared(batch)
        finally:
            self.close()

    def _as_declared(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [_carried(column, kind, field) for column, kind, field in zip(batch.columns, self._kinds, self._schema, strict=True)]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)

    def _ended(self, error: Exception) -> Exception:
        cancelled = self._context.cancelled
        said = None if cancelled else self._inputs.meaning(error)
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
        self._cursor.close()


def _output(columns: Sequence[tuple[str, Kind]]) -> tuple[OutputColumn, ...]:
    return tuple(OutputColumn(name, kind.pg) for name, kind in columns)


def _carried(column: Any, kind: Kind, field: Any) -> Any:  # noqa: ANN401 Arrow arrays and fields of any type
    """DuckDB's column in the Arrow type of the result: an unconstrained numeric travels as text."""
    if kind.name == "quotient":
        return quotient_text(column, kind.places)
    if kind.name == "decimal" and pa.types.is_string(field.type):
        return decimal_text(column).cast(pa.string())
    return column.cast(field.type)
