"""read: one statement of DuckDB's SQL over the tables that a ticket names, as a snapshot sees them, streamed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from pools.data.errors import ShardError, required
from pools.data.store import Store, pin, rollback
from pools.data.tables import ColumnSpec, TableSpec, quoted, table_of
from pools.data.visibility import Snapshot, View, view
from virtualization.types import PG_TYPE, pg_type

BATCH_ROWS = 65_536
_WITH = re.compile(r"\s*WITH\b(\s+RECURSIVE\b)?", re.IGNORECASE)


class Answer:
    """A read that is under way: its Arrow schema and its batches. Close it, also half-read; iterating to the end does it too."""

    def __init__(self, store: Store, claims: Mapping[str, Any]) -> None:
        db, tables, number, pending, self._sql = required(dict(claims), "db", "tables", "snapshot", "pending", "sql")
        store.check_memory()
        self._store = store
        self._tables = [table_of(db, claim) for claim in tables]
        self._snapshot = Snapshot.of(number, pending, claims.get("load"))
        self._output = claims.get("output")
        self._reading = store.ledger.begin_read()
        self._context = store.cursor()
        self._cursor = self._context.__enter__()
        self._reader: pa.RecordBatchReader | None = None
        try:
            self._reader = self._begin()
            self.schema = self._labelled(self._reader.schema)
        except BaseException:
            self.close()
            raise

    def _begin(self) -> pa.RecordBatchReader:
        known = {}
        with self._store.ledger.lock:
            for table in self._tables:
                state = self._store.ledger.table((table.db, table.id))
                known[table.id] = {number: dict(one.columns) for number, one in state.generations.items()}
        self._cursor.execute("BEGIN TRANSACTION")
        pin(self._cursor)
        relations = []
        for table in self._tables:
            seen = view(self._store.ledger, (table.db, table.id), self._snapshot, known[table.id])
            columns = known[table.id].get(seen.generation, {}) if seen.generation is not None else {}
            relations.append((table.alias or table.id, relation(table, seen, columns)))
        return streamed(self._cursor, with_relations(self._sql, relations))

    def _labelled(self, schema: pa.Schema) -> pa.Schema:
        """With the PostgreSQL types that the ticket tells (``output``), in their Arrow types."""
        if self._output is None:
            return schema
        if len(self._output) != len(schema):
            raise ShardError("08P01", f"the ticket tells {len(self._output)} columns, the statement has {len(schema)}")
        types = [pg_type(text) for text in self._output]
        return pa.schema(
            [pa.field(name, of.arrow, metadata={PG_TYPE: of.text.encode()}) for name, of in zip(schema.names, types, strict=True)]
        )

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Batches of ``schema``."""
        assert self._reader is not None
        try:
            for batch in self._reader:
                yield batch if batch.schema.equals(self.schema, check_metadata=True) else _cast(batch, self.schema)
        finally:
            self.close()

    def close(self) -> None:
        """End the transaction and let vacuum go on; can be called again."""
        if self._reading:
            self._store.ledger.end_read(self._reading)
            self._reading = 0
            try:
                if self._reader is not None:
                    self._reader.close()  # half-read: the transaction can't end before
                rollback(self._cursor)
            finally:
                self._context.__exit__(None, None, None)

    def cancel(self) -> None:
        """Interrupt it, from another thread."""
        self._cursor.interrupt()


def streamed(cursor: duckdb.DuckDBPyConnection, sql: str) -> pa.RecordBatchReader:
    """Run one statement, its rows as they come. What ``cursor.sql(sql).to_arrow_reader()`` calls in the end; the relation that it makes
    first parses and binds the statement once more, which for a row by its key costs as much as answering."""
    reader: pa.RecordBatchReader = cursor._submit(sql, None, "stream", BATCH_ROWS).arrow_reader()
    return reader


def relation(table: TableSpec, seen: View, columns: Mapping[str, str], *places: str) -> str:
    """The table as the snapshot sees it, with its own column names and types. ``places``: more physical expressions, ``rowid AS …``."""
    listed = ", ".join((*(f"{_stored(column, columns)} AS {quoted(column.name)}" for column in table.columns), *places))
    if seen.generation is None:
        empty = ", ".join(f"CAST(NULL AS {column.duckdb}) AS {quoted(column.name)}" for column in table.columns)
        return f"SELECT {empty or 'NULL'} WHERE false"
    return f"SELECT {listed} FROM {table.physical(seen.generation)} WHERE {seen.condition}"


def _stored(column: ColumnSpec, columns: Mapping[str, str]) -> str:
    """A column; for one that the physical table does not have yet, what its rows have in it."""
    present = columns.get(column.physical)
    if present is None:
        return f"CAST({column.missing or 'NULL'} AS {column.duckdb})"
    return column.physical if present == column.duckdb else f"CAST({column.physical} AS {column.duckdb})"


def with_relations(sql: str, relations: list[tuple[str, str]]) -> str:
    """The statement with its tables put before it."""
    if not relations:
        return sql
    tables = ", ".join(f"{quoted(alias)} AS NOT MATERIALIZED ({text})" for alias, text in relations)
    own = _WITH.match(sql)
    if own is None:
        return f"WITH {tables} {sql}"
    return f"WITH{' RECURSIVE' if own[1] else ''} {tables}, {sql[own.end() :]}"


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        column if column.type == field.type else column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
