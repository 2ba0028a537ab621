"""Results that need no executor's work: a fragment passed through, output names put back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from virtualization.plan import Batches, Counts, OutputColumn, Result


def renamed(batch: pa.RecordBatch, columns: tuple[OutputColumn, ...]) -> pa.RecordBatch:
    """The batch under the result's names (duplicates included); types and metadata stay."""
    if batch.schema.names == [column.name for column in columns]:
        return batch
    fields = [field.with_name(column.name) for field, column in zip(batch.schema, columns, strict=True)]
    return pa.RecordBatch.from_arrays(batch.columns, schema=pa.schema(fields))


def with_names(columns: tuple[OutputColumn, ...], names: tuple[str, ...] | None) -> tuple[OutputColumn, ...]:
    """The same types under other names (None: their own)."""
    if names is None:
        return columns
    return tuple(OutputColumn(name, column.type) for name, column in zip(names, columns, strict=True))


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
    """An executor's result under the names that PostgreSQL would give, counted."""

    def __init__(self, result: Result, names: tuple[str, ...] | None, counts: Counts) -> None:
        self._result = result
        self._names = names
        self._counts = counts

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """Names of the statement, types of the executor."""
        return with_names(self._result.columns, self._names)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        columns = self.columns
        for batch in self._result:
            self._counts.rows += batch.num_rows
            self._counts.bytes += batch.nbytes
            yield renamed(batch, columns)

    def close(self) -> None:
        """Free what is behind it."""
        self._result.close()
