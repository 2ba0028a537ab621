"""read: one statement of DuckDB's SQL over the tables that a ticket names, as a snapshot sees them, streamed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache

import duckdb
import pyarrow as pa

from pools.data.errors import ShardError
from pools.data.question import Generations, Question, with_relations
from pools.data.store import Store, pin, rollback
from pools.data.visibility import View, view
from virtualization.duckdb_sql import small_decimals
from virtualization.duckdb_sql.streaming import BATCH_ROWS, streamed
from virtualization.types import PG_TYPE, pg_type


class Answer:
    """A read that is under way: its Arrow schema and its batches. Close it, also half-read; iterating to the end does it too.

    Where the ticket tells the columns' ``types`` (DuckDB's), the statement runs when the first batch is asked for: the reader
    has the schema by then, and can leave while the rows are computed."""

    def __init__(self, store: Store, question: Question, values: str = "") -> None:
        self._sql = question.text(values)
        self._store = store
        self._question = question
        self.schema = pa.schema([]) if question.types is None else _labelled(_schema_of(question.types), question.output)
        self._context = store.cursor()
        store.memory.admit()
        self._reading = store.ledger.begin_read()
        self._cursor = self._context.__enter__()
        self._reader: pa.RecordBatchReader | None = None
        self._ahead: pa.RecordBatch | None = None
        if question.types is not None:
            return
        try:
            self._reader = self._begin(self._sql)
            self.schema = _labelled(self._reader.schema, question.output)
        except BaseException:
            self.close()
            raise

    def _begin_narrow(self) -> bool:
        """Begin with narrow decimals; False where that is not to be had, or not enough."""
        sql = small_decimals.narrow(self._sql)
        if sql is None:
            return False
        try:
            reader = self._begin(sql)
            self._ahead = next(reader, None)
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            if not small_decimals.too_narrow(error):
                raise
            rollback(self._cursor)
            return False
        self._reader = reader
        return True

    def _begin(self, sql: str) -> pa.RecordBatchReader:
        """The statement's transaction begins somewhere in ``streamed``. If what the snapshot sees was the same before and after, that is
        what it has read; only otherwise the transaction is begun first and looked at second, which costs three statements more."""
        known = self._known()
        seen = self._views(known)
        try:
            reader = streamed(self._cursor, self._text(sql, seen, known))
        except duckdb.Error:
            if self._views(known) == seen:
                raise
        else:
            if self._views(known) == seen:
                return reader
            reader.close()
        known = self._known()
        self._cursor.execute("BEGIN TRANSACTION")
        pin(self._cursor)
        return streamed(self._cursor, self._text(sql, self._views(known), known))

    def _known(self) -> list[Generations]:
        """Columns of each table's generations."""
        ledger = self._store.ledger
        with ledger.lock:
            states = [ledger.table((table.db, table.id)) for table in self._question.tables]
            return [{number: dict(one.columns) for number, one in state.generations.items()} for state in states]

    def _views(self, known: Sequence[Generations]) -> list[View]:
        ledger, snapshot = self._store.ledger, self._question.snapshot
        pairs = zip(self._question.tables, known, strict=True)
        return [view(ledger, (table.db, table.id), snapshot, generations) for table, generations in pairs]

    def _text(self, sql: str, seen: Sequence[View], known: Sequence[Generations]) -> str:
        return with_relations(sql, self._question.relations(seen, known))

    def whole(self) -> pa.Table | None:
        """All rows, if they are few and computed already; None: they are to be iterated over."""
        if self._reader is None:
            return None
        try:
            first = next(self._reader, None)
            if first is not None and first.num_rows == BATCH_ROWS:
                self._ahead = first
                return None
            rest = list(self._reader)
        except BaseException:
            self.close()
            raise
        self.close()
        return pa.Table.from_batches([self._as_told(batch) for batch in (first, *rest) if batch is not None], self.schema)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Batches of ``schema``."""
        try:
            if self._reader is None:
                if not self._begin_narrow():
                    self._reader = self._begin(self._sql)
                assert self._reader is not None
                if len(self._reader.schema) != len(self.schema):
                    raise ShardError("08P01", f"the ticket tells {len(self.schema)} columns, the statement has {len(self._reader.schema)}")
            if self._ahead is not None:
                yield self._as_told(self._ahead)
            for batch in self._reader:
                yield self._as_told(batch)
        finally:
            self.close()

    def _as_told(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch if batch.schema.equals(self.schema, check_metadata=True) else _cast(batch, self.schema)

    def close(self) -> None:
        """End the transaction and let vacuum go on; can be called again."""
        if self._reading:
            reading, self._reading = self._reading, 0
            try:
                if self._reader is not None:
                    self._reader.close()  # half-read: the transaction can't end before
                self._context.__exit__(None, None, None)
            finally:
                self._store.ledger.end_read(reading)
                self._store.memory.leave()

    def cancel(self) -> None:
        """Interrupt it, from another thread; nothing to do when it has just ended."""
        with suppress(duckdb.Error):
            self._cursor.interrupt()


def _labelled(schema: pa.Schema, output: Sequence[str] | None) -> pa.Schema:
    """With the PostgreSQL types that the ticket tells (``output``), in their Arrow types."""
    if output is None:
        return schema
    if len(output) != len(schema):
        raise ShardError("08P01", f"the ticket tells {len(output)} columns, the statement has {len(schema)}")
    types = [pg_type(text) for text in output]
    return pa.schema([pa.field(name, of.arrow, metadata={PG_TYPE: of.text.encode()}) for name, of in zip(schema.names, types, strict=True)])


def _schema_of(types: Iterable[str]) -> pa.Schema:
    """Of columns c0, c1 … of DuckDB's types."""
    return pa.schema([pa.field(f"c{at}", _arrow_type(of)) for at, of in enumerate(types)])


@lru_cache(maxsize=512)
def _arrow_type(of: str) -> pa.DataType:
    """What DuckDB hands out for one of its types. Asked once per type: opening a database for it takes longer than most reads."""
    with duckdb.connect(":memory:") as session:
        session.execute("SET TimeZone = 'UTC'")
        found: pa.DataType = session.sql(f"SELECT CAST(NULL AS {of}) AS c").to_arrow_reader().schema.field(0).type
        return found


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        column if column.type == field.type else column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
