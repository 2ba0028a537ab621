"""Results that need no executor's work: a fragment passed through, output names put back, fragments without rows for describing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from virtualization.catalog import Column
from virtualization.plan import Batches, Fragment, OutputColumn, QueryContext, Result
from virtualization.types import schema_of


def renamed(batch: pa.RecordBatch, columns: tuple[OutputColumn, ...]) -> pa.RecordBatch:
    """The batch under the result's names (duplicates included); types and metadata stay."""
    if batch.schema.names == [column.name for column in columns]:
        return batch
    fields = [field.with_name(column.name) for field, column in zip(batch.schema, columns, strict=True)]
    return pa.RecordBatch.from_arrays(batch.columns, schema=pa.schema(fields))


@dataclass(frozen=True)
class FragmentResult:
    """A plan that is one whole fragment: its rows pass through."""

    batches: Batches
    columns: tuple[OutputColumn, ...]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self.batches:
            yield renamed(batch, self.columns)

    def close(self) -> None:
        """Also at the source."""
        self.batches.close()


class RenamedResult:
    """An executor's result under the names that PostgreSQL would give."""

    def __init__(self, result: Result, names: tuple[str, ...] | None) -> None:
        self._result = result
        self._names = names

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """Names of the statement, types of the executor."""
        given = self._result.columns
        if self._names is None:
            return given
        return tuple(OutputColumn(name, column.type) for name, column in zip(self._names, given, strict=True))

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        columns = self.columns
        for batch in self._result:
            yield renamed(batch, columns)

    def close(self) -> None:
        """Free what is behind it."""
        self._result.close()


@dataclass(frozen=True)
class _NoBatches:
    schema: pa.Schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(())

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class EmptyFragment:
    """A fragment's columns without its rows: enough for an executor to say what a residual query returns."""

    source: str
    columns: tuple[OutputColumn, ...]
    text: str
    tables: tuple[tuple[str, str], ...]

    @classmethod
    def like(cls, fragment: Fragment) -> EmptyFragment:
        """The same columns."""
        return cls(fragment.source, fragment.columns, fragment.text, fragment.tables)

    def open(self, context: QueryContext) -> Batches:
        """No rows."""
        return _NoBatches(schema_of([Column(column.name, column.type) for column in self.columns]))

    def duckdb_sql(self) -> str | None:
        """Rows (none) come through ``open``."""
        return None

    def prepare_duckdb(self, connection: object) -> None:
        """Nothing to prepare."""
