"""Stand-ins over one real PostgreSQL: a connector with settable abilities and an executor that runs residual SQL in temporary tables.

Both ends being PostgreSQL, any difference between the planned and the plain query is the planner's fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg
import pyarrow as pa
from sqlglot import exp

from virtualization.catalog import DataSource, VirtualTable
from virtualization.plan import (
    Accepted,
    Declined,
    Detected,
    FragmentRequest,
    Kept,
    OutputColumn,
    QueryContext,
    RemoteObject,
    Scanned,
    TestedSource,
)

Rows = list[tuple[object, ...]]


@dataclass
class TextBatches:
    """Rows as PostgreSQL's texts in one batch of string columns."""

    rows: Rows
    columns: tuple[OutputColumn, ...]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([pa.field(c.name, pa.string(), metadata={b"pg:type": c.type.encode()}) for c in self.columns])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        arrays = [pa.array([row[n] for row in self.rows], pa.string()) for n in range(len(self.columns))]
        yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def close(self) -> None:
        return None


@dataclass(frozen=True)
class SqlFragment:
    connection: psycopg.Connection
    source: str
    columns: tuple[OutputColumn, ...]
    text: str
    tables: tuple[tuple[str, str], ...]

    def open(self, context: QueryContext) -> TextBatches:
        return TextBatches(fetch_text(self.connection, self.text), self.columns)

    def duckdb_sql(self) -> str | None:
        return None

    def prepare_duckdb(self, connection: object) -> None:
        return None

    def fault(self, error: Exception) -> None:
        return None


def fetch_text(connection: psycopg.Connection, sql: str) -> Rows:
    """All rows, each value as PostgreSQL's text."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        result = cursor.pgresult
        assert result is not None
        return [
            tuple(None if (value := result.get_value(r, c)) is None else value.decode() for c in range(result.nfields))
            for r in range(result.ntuples)
        ]


def described(connection: psycopg.Connection, sql: str) -> tuple[OutputColumn, ...]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({sql}) described LIMIT 0" if not sql.lstrip().upper().startswith("WITH RECURSIVE") else sql)
        found = [(d.name, d.type_code, cursor.pgresult.fmod(n)) for n, d in enumerate(cursor.description or [])]  # type: ignore[union-attr]
        types = []
        for _, oid, modifier in found:
            cursor.execute("SELECT pg_catalog.format_type(%s, %s)", (oid, modifier))
            types.append(cursor.fetchone()[0])  # type: ignore[index]
    return tuple(OutputColumn(name, of) for (name, _, _), of in zip(found, types, strict=True))


@dataclass
class StandInConnector:
    """``takes``: may this request be pushed? ``applies``: does a scan apply this predicate? Remembers what it was asked."""

    source: DataSource
    connection: psycopg.Connection
    takes: Callable[[exp.Query], bool] = lambda query: True
    applies: Callable[[exp.Expr], bool] = lambda predicate: True
    pushed: list[str] = field(default_factory=list)
    scanned: list[str] = field(default_factory=list)
    closed: bool = False

    def test(self) -> TestedSource:
        return TestedSource("stand-in", 0.0)

    def objects(self, schema: str | None = None) -> Sequence[RemoteObject]:
        return []

    def detect(self, location: str, options: Mapping[str, str]) -> Detected:
        return Detected(())

    def push(self, request: FragmentRequest) -> Accepted | Declined:
        if not self.takes(request.query):
            return Declined((Kept(request.query.sql("postgres"), "not_taken", "the stand-in declines this"),))
        for table in request.query.find_all(exp.Table):
            assert not table.db or table.alias in request.tables
        fragment = self._fragment(request.query.sql("postgres"), tuple(sorted({t.key for t in request.tables.values()})))
        self.pushed.append(fragment.text)
        return Accepted(fragment)

    def scan(self, table: VirtualTable, columns: Sequence[str], predicates: Sequence[exp.Expression]) -> Scanned:
        assert columns
        assert all(not column.table for predicate in predicates for column in predicate.find_all(exp.Column))
        taken = [predicate for predicate in predicates if self.applies(predicate)]
        names = ", ".join(f'"{name}"' for name in columns)
        where = " AND ".join(f"({predicate.sql('postgres')})" for predicate in taken)
        text = f'SELECT {names} FROM "{table.schema}"."{table.name}"' + (f" WHERE {where}" if where else "")
        self.scanned.append(text)
        return Scanned(self._fragment(text, (table.key,)), tuple(p for p in predicates if p not in taken))

    def close(self) -> None:
        self.closed = True

    def _fragment(self, text: str, tables: tuple[tuple[str, str], ...]) -> SqlFragment:
        return SqlFragment(self.connection, self.source.name, described(self.connection, text), text, tables)


@dataclass
class TextResult:
    columns: tuple[OutputColumn, ...]
    rows: Rows

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield from TextBatches(self.rows, self.columns)

    def close(self) -> None:
        return None


@dataclass
class StandInExecutor:
    """Runs residual SQL as it is, fragments being temporary tables."""

    connection: psycopg.Connection
    name: str = "stand-in"
    refusal: Kept | None = None
    ran: list[str] = field(default_factory=list)

    def refuses(self, residual: exp.Query, fragments: Sequence[object]) -> Kept | None:
        return self.refusal

    def describe(self, residual: exp.Query, fragments: Sequence[SqlFragment]) -> tuple[OutputColumn, ...]:
        with self.connection.cursor() as cursor:
            for number, fragment in enumerate(fragments):
                columns = ", ".join(f'"{c.name}" {c.type}' for c in fragment.columns)
                cursor.execute(f"DROP TABLE IF EXISTS __f{number}")
                cursor.execute(f"CREATE TEMP TABLE __f{number} ({columns})")
        return described(self.connection, residual.sql("postgres"))

    def run(self, residual: exp.Query, fragments: Sequence[SqlFragment], context: QueryContext) -> TextResult:
        with self.connection.cursor() as cursor:
            for number, fragment in enumerate(fragments):
                columns = ", ".join(f'"{c.name}" {c.type}' for c in fragment.columns)
                cursor.execute(f"DROP TABLE IF EXISTS __f{number}")
                cursor.execute(f"CREATE TEMP TABLE __f{number} ({columns})")
                batches = fragment.open(context)
                rows = [tuple(row.values()) for batch in batches for row in unique_names(batch).to_pylist()]
                places = ", ".join(["%s"] * len(fragment.columns))
                if rows:
                    cursor.executemany(f"INSERT INTO __f{number} VALUES ({places})", rows)
        text = residual.sql("postgres")
        self.ran.append(text)
        return TextResult(described(self.connection, text), fetch_text(self.connection, text))

    def close(self) -> None:
        return None


def unique_names(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(batch.columns, names=[str(n) for n in range(batch.num_columns)])
