"""Stand-ins of the library's Protocols for tests: a fragment whose rows lie in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from virtualization.plan import OutputColumn, QueryContext
from virtualization.types import arrow_field, pg_type_of


@dataclass
class MemoryBatches:
    """Batches of a table; remembers whether it was closed. ``cancelled`` ends it as a real source would."""

    table: pa.Table
    batch_rows: int
    context: QueryContext
    closed: bool = False

    @property
    def schema(self) -> pa.Schema:
        return self.table.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from self.table.to_batches(max_chunksize=self.batch_rows)

    def close(self) -> None:
        self.closed = True


@dataclass
class MemoryFragment:
    """An Arrow table (its fields carry ``pg:type``) as a fragment; counts how often it was opened."""

    table: pa.Table
    source: str = "memory"
    text: str = "rows in memory"
    tables: tuple[tuple[str, str], ...] = ()
    batch_rows: int = 1000
    sql: str | None = None
    """What ``duckdb_sql`` answers."""
    opened: list[MemoryBatches] = field(default_factory=list)

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        return tuple(OutputColumn(f.name, pg_type_of(f).text) for f in self.table.schema)

    def open(self, context: QueryContext) -> MemoryBatches:
        batches = MemoryBatches(self.table, self.batch_rows, context)
        self.opened.append(batches)
        return batches

    def duckdb_sql(self) -> str | None:
        return self.sql

    def prepare_duckdb(self, connection: object) -> None:
        return None


def memory_table(columns: Mapping[str, tuple[str, Sequence[object]]]) -> pa.Table:
    """A table from ``{name: (PostgreSQL type, values)}``; types that travel as text take their text."""
    fields = [arrow_field(name, of) for name, (of, _) in columns.items()]
    arrays = [pa.array(values, f.type) for f, (_, values) in zip(fields, columns.values(), strict=True)]
    return pa.table(arrays, schema=pa.schema(fields))
