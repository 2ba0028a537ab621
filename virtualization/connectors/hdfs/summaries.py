"""``count(*)``, ``min`` and ``max`` of whole files by what their footers say, without reading a row."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
from sqlglot import exp

from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.hdfs.footers import column_bounds
from virtualization.connectors.hdfs.fragments import FilesFragment
from virtualization.connectors.hdfs.layout import Layout
from virtualization.connectors.hdfs.partitions import partition_columns
from virtualization.connectors.hdfs.types import quoted, typed_value
from virtualization.errors import VirtualizationError
from virtualization.fragments import RowsThroughOpen
from virtualization.plan import Batches, FragmentRequest, OutputColumn, QueryContext
from virtualization.types import pg_type, schema_of

FORMATS = ("delta", "orc", "parquet")
_PARTS = frozenset({"expressions", "from_", "where"})
_WORDS: Mapping[type[exp.Expr], str] = {exp.Min: "min", exp.Max: "max"}
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "smallint": int, "integer": int, "bigint": int, "numeric": (int, Decimal), "date": datetime.date,
    "timestamp without time zone": datetime.datetime,
}  # fmt: skip
"""Types whose bounds in a footer are values that occur, in PostgreSQL's order: texts may be cut, NaN is left out."""


@dataclass(frozen=True)
class Summary:
    """One column of the answer: the number of rows (``column`` None), or the least or greatest value."""

    name: str
    word: str
    column: Column | None = None

    @property
    def type(self) -> str:
        """Of the answer."""
        return "bigint" if self.column is None else pg_type(self.column.type).text

    @property
    def sql(self) -> str:
        """Over the scan."""
        return f"{self.word}({'*' if self.column is None else quoted(self.column.name)}) AS {quoted(self.name)}"


def summaries(request: FragmentRequest) -> tuple[tuple[Summary, ...], VirtualTable, Sequence[exp.Expr]] | None:
    """What a query asks of the files of one table, and its conjuncts; None for any other query."""
    query = request.query
    source = query.args.get("from_")
    named = source.this if source is not None else None
    if not isinstance(query, exp.Select) or not isinstance(named, exp.Table) or named.alias_or_name not in request.tables:
        return None
    plain = not any(value for name, value in named.args.items() if name not in ("this", "db", "alias"))
    if not plain or any(value for name, value in query.args.items() if name not in _PARTS):
        return None
    table = request.tables[named.alias_or_name]
    asked = [_summary(one, table) for one in query.expressions]
    made = tuple(one for one in asked if one is not None)
    where = query.args.get("where")
    condition = where.this if where is not None else None
    parts = list(condition.flatten()) if isinstance(condition, exp.And) else [condition] if condition is not None else []
    return (made, table, parts) if made and len(made) == len(asked) else None


def _summary(node: exp.Expr, table: VirtualTable) -> Summary | None:
    call = node.unalias()
    if any(value for name, value in call.args.items() if name not in ("this", "big_int")):
        return None
    if isinstance(call, exp.Count):
        return Summary(node.alias_or_name, "count") if isinstance(call.this, exp.Star) else None
    word, argument = _WORDS.get(type(call)), call.this
    if word is None or not isinstance(argument, exp.Column):
        return None
    column = next((one for one in table.columns if one.name == argument.name), None)
    of = pg_type(column.type) if column is not None else None
    if of is None or of.array or of.travels_as_text or of.name not in _TYPES:
        return None
    return Summary(node.alias_or_name, word, column)


@dataclass(frozen=True)
class FootersFragment(RowsThroughOpen):
    """See ``virtualization.plan.Fragment``. Where a footer does not tell, the rows are read."""

    scan: FilesFragment
    """Of the columns that are looked at, over the folders that are asked for."""
    asked: tuple[Summary, ...]
    text: str = field(init=False, default="")

    def __post_init__(self) -> None:
        said = ", ".join(one.sql for one in self.asked)
        object.__setattr__(self, "text", f"{said} by the files' footers, else: {self.scan.text}")

    @property
    def source(self) -> str:
        """As the scan."""
        return self.scan.source

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """As asked."""
        return tuple(OutputColumn(one.name, one.type) for one in self.asked)

    @property
    def tables(self) -> tuple[tuple[str, str], ...]:
        """The one table."""
        return self.scan.tables

    def open(self, context: QueryContext) -> Batches:
        """One row."""
        told = self._by_footers()
        schema = schema_of(Column(one.name, one.type) for one in self.asked)
        if told is None:
            return replace(self.scan, summary=(", ".join(one.sql for one in self.asked), schema)).open(context)
        values = [pa.array([value], field.type) for value, field in zip(told, schema, strict=True)]
        return _OneBatch(pa.RecordBatch.from_arrays(values, schema=schema))

    def fault(self, error: Exception) -> VirtualizationError | None:
        """As the scan."""
        return self.scan.fault(error)

    def _by_footers(self) -> list[Any] | None:
        reader = self.scan.reader
        found = reader.found(self.scan.scan.table.location, self.scan.shape)
        _, layouts = reader.to_read(self.scan.scan, found)
        folders = {column.name for column in partition_columns(self.scan.scan.table, found.shape)}
        answer: list[Any] = []
        for one in self.asked:
            if one.column is None:
                rows = [layout.rows for layout in layouts]
                told = None if None in rows else sum(row or 0 for row in rows)
            else:
                told = None if one.column.name in folders else _end(one.column, one.word, layouts)
            if told is None:
                return None
            answer.append(None if told is _NOTHING else told)
        return answer


_NOTHING = object()


def _end(column: Column, word: str, layouts: Sequence[Layout]) -> Any:  # noqa: ANN401
    """The least or greatest value, _NOTHING where there is no value; None where the footers don't tell."""
    of, ends = pg_type(column.type), []
    for layout in layouts:
        if column.remote_name not in layout.names:
            continue  # NULL in all rows
        stored = layout.types[layout.names.index(column.remote_name)]
        bounds = column_bounds(layout, column.remote_name, exact=True)
        if bounds is None or typed_value("x", stored, of, "''") is None:
            return None
        if not bounds.none:
            ends.append(bounds.least if word == "min" else bounds.greatest)
    if any(type(end) not in _exact_types(of.name) for end in ends):
        return None
    return (min(ends) if word == "min" else max(ends)) if ends else _NOTHING


def _exact_types(name: str) -> tuple[type, ...]:
    found = _TYPES[name]
    return found if isinstance(found, tuple) else (found,)


@dataclass
class _OneBatch:
    batch: pa.RecordBatch

    @property
    def schema(self) -> pa.Schema:
        """Of the row."""
        return self.batch.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield self.batch

    def close(self) -> None:
        """Nothing is open."""
