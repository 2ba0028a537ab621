"""Who is asked: engines (with and without pushdown), read-only and within limits. Any ``Side`` may take part, also in tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
from sqlglot import exp

from virtualization.catalog import Catalog, Column, DataSource, VirtualTable
from virtualization.encoding.text import text_column
from virtualization.engine import Engine
from virtualization.errors import SourceTimeoutError, VirtualizationError
from virtualization.plan import (
    Accepted,
    Connector,
    Declined,
    Detected,
    FragmentRequest,
    Kept,
    OutputColumn,
    Plan,
    QueryContext,
    RemoteObject,
    Result,
    Scanned,
    TestedSource,
)
from virtualization.types import pg_type, schema_of
from virtualization.verify.answers import CRASH, TOO_MANY, TOO_SLOW, Answer, Refusal, Row

MOST_ROWS = 50_000
"""Bigger answers are not compared."""

Contexts = Callable[[], QueryContext]
"""A fresh context for each query; the compute pool's knows the state of the data pool that is read."""


class Side(Protocol):
    """One way to answer. ``name`` is what reports say; ``zone``: the session's time zone."""

    name: str
    zone: str

    def ask(self, sql: str) -> Answer | Refusal:
        """Never raises for what a statement may cause."""
        ...

    def explain(self, sql: str) -> str:
        """How it answers, for reports."""
        ...


class EngineSide:
    """An engine over a catalog."""

    def __init__(self, name: str, engine: Engine, catalog: Catalog, contexts: Contexts = QueryContext, seconds: float = 30.0) -> None:
        self.name = name
        self.zone = ""
        self._engine = engine
        self._catalog = catalog
        self._contexts = contexts
        self._seconds = seconds

    def ask(self, sql: str) -> Answer | Refusal:
        """Run it to its end, or to a limit."""
        context = self._context()
        timer = threading.Timer(self._seconds, context.cancel)
        timer.daemon = True
        timer.start()
        try:
            return self._answer(self._engine.plan(sql, self._catalog), context)
        except VirtualizationError as error:
            if context.cancelled:
                return Refusal(TOO_SLOW, f"more than {self._seconds:g} s")
            return Refusal(error.code, error.message)
        except Exception as error:  # noqa: BLE001 a crash is what we are looking for
            return Refusal(CRASH, f"{type(error).__name__}: {error}")
        finally:
            timer.cancel()

    def _answer(self, plan: Plan, context: QueryContext) -> Answer | Refusal:
        result = self._engine.run(plan, context)
        try:
            return _collected(result, context.timezone)
        finally:
            result.close()

    def _context(self) -> QueryContext:
        context = self._contexts()
        if self.zone:
            context.timezone = self.zone
        return context

    def explain(self, sql: str) -> str:
        """The engine's explanation; an error's text where there is none."""
        try:
            return self._engine.explain(sql, self._catalog).text()
        except VirtualizationError as error:
            return f"{error.code} {error.message}"

    def arrow(self, sql: str) -> pa.Table:
        """The answer in Arrow's form, for a local copy; VirtualizationError, also for what takes longer than a query may."""
        context = self._context()
        timer = threading.Timer(self._seconds, context.cancel)
        timer.daemon = True
        timer.start()
        try:
            result = self._engine.run(self._engine.plan(sql, self._catalog), context)
            try:
                schema = schema_of_columns(result.columns)
                return pa.Table.from_batches([batch.cast(schema) for batch in result], schema)
            finally:
                result.close()
        except VirtualizationError as error:
            if context.cancelled:
                raise SourceTimeoutError(f"reading it takes more than {self._seconds:g} s") from error
            raise
        finally:
            timer.cancel()


def schema_of_columns(columns: Sequence[OutputColumn]) -> pa.Schema:
    """The Arrow schema that carries a result."""
    return schema_of([Column(column.name, column.type) for column in columns])


def _collected(result: Result, zone: str) -> Answer | Refusal:
    columns = tuple(result.columns)
    types = [pg_type(column.type) for column in columns]
    rows: list[Row] = []
    for batch in result:
        if len(rows) + batch.num_rows > MOST_ROWS:
            return Refusal(TOO_MANY, f"more than {MOST_ROWS:,} rows")
        texts = [text_column(column, of, zone).cast(pa.string()).to_pylist() for column, of in zip(batch.columns, types, strict=True)]
        rows += list(zip(*texts, strict=True)) if texts else [()] * batch.num_rows
    return Answer(columns, rows)


def without_pushdown(engine: Engine, catalog: Catalog, copies: Mapping[tuple[str, str], pa.Table]) -> Engine:
    """An engine over the same executors whose sources are asked for columns only, once: all rows of all tables are in ``copies``. Don't
    close it: it holds nothing of its own."""
    kinds = {catalog.source(table.source).connector for table in catalog.tables()}
    return Engine(engine.executors, {kind: lambda source: Unpushed(engine.connector(source), source, copies) for kind in kinds})


@dataclass(frozen=True)
class Unpushed:
    """A connector that takes nothing but scans of whole columns."""

    inner: Connector
    source: DataSource
    copies: Mapping[tuple[str, str], pa.Table]

    def test(self) -> TestedSource:
        """The source's own."""
        return self.inner.test()

    def objects(self, schema: str | None = None) -> Sequence[RemoteObject]:
        """The source's own."""
        return self.inner.objects(schema)

    def detect(self, location: str, options: Mapping[str, str]) -> Detected:
        """The source's own."""
        return self.inner.detect(location, options)

    def scan(self, table: VirtualTable, columns: Sequence[str], predicates: Sequence[exp.Expression]) -> Scanned:
        """Columns, of all rows."""
        return Scanned(CopyFragment(table, tuple(columns), self.copies[table.key]), tuple(predicates))

    def push(self, request: FragmentRequest) -> Accepted | Declined:
        """Nothing."""
        return Declined((Kept(self.source.name, "switched_off", "pushdown is off for the comparison"),))

    def close(self) -> None:
        """The connection is another engine's."""


@dataclass(frozen=True, eq=False)
class CopyFragment:
    """Rows of a local copy, as a fragment (``virtualization.plan.Fragment``)."""

    table: VirtualTable
    names: tuple[str, ...]
    rows: pa.Table

    @property
    def source(self) -> str:
        """The table's."""
        return self.table.source

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """As declared."""
        types = {column.name: pg_type(column.type).text for column in self.table.columns}
        return tuple(OutputColumn(name, types[name]) for name in self.names)

    @property
    def text(self) -> str:
        """In words."""
        return f"local copy of {self.table.schema}.{self.table.name}: {', '.join(self.names)}"

    @property
    def tables(self) -> tuple[tuple[str, str], ...]:
        """The one."""
        return (self.table.key,)

    def open(self, context: QueryContext) -> CopyBatches:
        """From memory."""
        return CopyBatches(self.rows.select(list(self.names)))

    def duckdb_sql(self) -> str | None:
        """There is none."""
        return None

    def prepare_duckdb(self, connection: object) -> None:
        """Nothing to do."""

    def fault(self, error: Exception) -> VirtualizationError | None:
        """None of its own."""
        return None


class CopyBatches:
    """See ``virtualization.plan.Batches``."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self.schema = rows.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self._rows.to_batches())

    def close(self) -> None:
        """Nothing to free."""
