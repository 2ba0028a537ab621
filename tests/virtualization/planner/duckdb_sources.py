"""Two sources that are one DuckDB in this process: whatever is pushed runs there, so that whole plans run without a server.

A stand-in of the Protocols ``Connector`` and ``Fragment``; it takes every query.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from virtualization.catalog import Column, ColumnFacts, DataSource, MemoryCatalog, VirtualTable
from virtualization.engine import Engine
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.plan import Accepted, Declined, Detected, FragmentRequest, Kept, OutputColumn, QueryContext, Scanned
from virtualization.types import arrow_field

TABLES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "a": ("one", {"id": "bigint", "k": "integer", "g": "text", "x": "integer", "n": "numeric(12,2)", "d": "date", "ok": "boolean"}),
    "b": ("one", {"a": "bigint", "y": "bigint", "t": "text"}),
    "c": ("two", {"k": "integer", "h": "text", "z": "integer", "m": "numeric(10,3)"}),
    "e": ("two", {"id": "bigint", "k": "integer", "g": "text", "x": "integer", "n": "numeric(12,2)", "d": "date", "ok": "boolean"}),
}
_TYPES = {"HUGEINT": "bigint", "INTEGER": "integer", "BIGINT": "bigint", "VARCHAR": "text", "DATE": "date", "BOOLEAN": "boolean"}


def _value(pick: random.Random, of: str) -> object:
    if pick.random() < 0.15:
        return None
    if of in ("integer", "bigint"):
        return pick.randint(1, 8)
    if of.startswith("numeric"):
        return f"{pick.randint(-999, 999)}.{pick.randint(0, 99):02}"
    return {"text": pick.choice("uvwxyz"), "date": f"2024-01-{pick.randint(1, 9):02}", "boolean": pick.random() < 0.5}[of]


@dataclass(frozen=True)
class Ran:
    """A fragment whose text runs on the DuckDB."""

    source: str
    columns: tuple[OutputColumn, ...]
    text: str
    tables: tuple[tuple[str, str], ...]
    connection: Any = field(repr=False, compare=False)

    def open(self, context: QueryContext) -> Rows:
        schema = pa.schema([arrow_field(column.name, column.type) for column in self.columns])
        found = self.connection.cursor().sql(self.text).to_arrow_table()
        columns = [column.cast(told.type) for column, told in zip(found.columns, schema, strict=True)]
        return Rows(pa.table(columns, schema=schema))

    def duckdb_sql(self) -> None:
        return

    def prepare_duckdb(self, connection: object) -> None:
        return

    def fault(self, error: Exception) -> None:
        return


@dataclass
class Rows:
    table: pa.Table

    @property
    def schema(self) -> pa.Schema:
        return self.table.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self.table.to_batches())

    def close(self) -> None:
        return


@dataclass
class DuckDbSource:
    """See ``virtualization.plan.Connector``."""

    definition: DataSource
    connection: Any
    takes: bool = True
    knows: Detected = field(default_factory=lambda: Detected(()))

    def push(self, request: FragmentRequest) -> Accepted | Declined:
        if not self.takes:
            return Declined((Kept("all", "not_on_list", "it takes nothing"),))
        text = request.query.sql("duckdb")
        described = self.connection.cursor().execute(f"DESCRIBE {text}").fetchall()
        columns = tuple(OutputColumn(name, _TYPES.get(of, of.lower().replace("decimal", "numeric"))) for name, of, *_ in described)
        return Accepted(Ran(self.definition.name, columns, text, tuple(table.key for table in request.tables.values()), self.connection))

    def scan(self, table: VirtualTable, columns: Sequence[str], predicates: Sequence[exp.Expression]) -> Scanned:
        types = {column.name: column.type for column in table.columns}
        text = f"SELECT {', '.join(columns)} FROM public.{table.name}"
        outputs = tuple(OutputColumn(name, types[name]) for name in columns)
        return Scanned(Ran(self.definition.name, outputs, text, (table.key,), self.connection), tuple(predicates))

    def detect(self, location: str, options: Mapping[str, str]) -> Detected:
        return self.knows

    def close(self) -> None:
        return


@dataclass
class Sources:
    """The tables, an engine over them, and DuckDB's own answers."""

    rows: int = 40
    seed: int = 0
    takes: Mapping[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pick = random.Random(self.seed)
        self.connection = duckdb.connect()
        self.connection.execute("CREATE SCHEMA public")
        for name, (_, columns) in TABLES.items():
            self.connection.execute(f"CREATE TABLE public.{name} ({', '.join(f'{c} {t}' for c, t in columns.items())})")
            values = [[_value(pick, of) for of in columns.values()] for _ in range(self.rows)]
            self.connection.executemany(f"INSERT INTO public.{name} VALUES ({', '.join('?' * len(columns))})", values)
        self.executor = DuckDbExecutor(1 << 28, "/tmp", 1)
        self.knows = Detected(())
        self.engine = Engine(
            [self.executor], {"memory": lambda source: DuckDbSource(source, self.connection, self.takes.get(source.name, True), self.knows)}
        )

    @staticmethod
    def definition(name: str, **options: str) -> DataSource:
        """``one`` or ``two``."""
        return DataSource(name, "memory", "", options)

    def catalog(self, facts: Mapping[str, Mapping[str, ColumnFacts]] | None = None, rows: float = 40.0, **options: str) -> MemoryCatalog:
        """``facts``: by table; ``options``: of both sources."""
        sources = [self.definition(name, **options) for name in ("one", "two")]
        tables = [
            VirtualTable("public", name, source, name, tuple(Column(c, t) for c, t in columns.items()), {}, rows)
            for name, (source, columns) in TABLES.items()
        ]
        return MemoryCatalog.of(sources, [replace(table, facts=(facts or {}).get(table.name, {})) for table in tables])

    def close(self) -> None:
        self.engine.close()
        self.connection.close()
