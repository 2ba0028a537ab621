"""Types: what the server says about a column, what Spark gets, and the expression that the server computes for it.

Types with an exact counterpart travel as they are. Everything else (uuid, json, arrays, enums, ranges, intervals, …) is cast to
text by the server itself, so Spark gets the server's own spelling. ``numeric(p,s)`` becomes ``decimal(p,s)``; a numeric without
precision becomes what the option ``unconstrainedNumeric`` says, and a value that doesn't fit there is an error, never rounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from pyspark_bdc.errors import OptionError, ReadError

WIDEST = 38
"""Digits of the widest decimal of Spark."""
_TYPMOD_HEADER = 4
_UTC = pa.timestamp("us", tz="UTC")
# server's name: Spark's name, Arrow's type on the way
_DIRECT: dict[str, tuple[str, pa.DataType]] = {
    "bool": ("boolean", pa.bool_()),
    "int2": ("smallint", pa.int16()),
    "int4": ("int", pa.int32()),
    "int8": ("bigint", pa.int64()),
    "float4": ("float", pa.float32()),
    "float8": ("double", pa.float64()),
    "text": ("string", pa.string()),
    "varchar": ("string", pa.string()),
    "bpchar": ("string", pa.string()),
    "bytea": ("binary", pa.binary()),
    "date": ("date", pa.date32()),
    "timestamp": ("timestamp_ntz", pa.timestamp("us")),
    "timestamptz": ("timestamp", _UTC),
}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


@dataclass(frozen=True)
class Column:
    """One column of the result."""

    name: str
    server: str
    """The server's type name (``int4``), or ``text`` when the server casts."""
    spark: str
    """As Spark spells the type (``decimal(10,2)``)."""
    cast: str | None = None
    """The type that the server casts to before it sends."""
    nullable: bool = True

    @property
    def quoted(self) -> str:
        """The name as SQL reads it."""
        return '"' + self.name.replace('"', '""') + '"'

    @property
    def expression(self) -> str:
        """What the server computes; filters refer to the same."""
        return f"CAST({self.quoted} AS {self.cast})" if self.cast else self.quoted

    @property
    def selected(self) -> str:
        """The item of the SELECT list."""
        return f"{self.expression} AS {self.quoted}" if self.cast else self.quoted

    @property
    def arrow(self) -> pa.DataType:
        """What Spark expects from the reader."""
        if size := decimal_size(self.spark):
            return pa.decimal128(*size)
        return next(arrow for spark, arrow in _DIRECT.values() if spark == self.spark)

    @property
    def field(self) -> str:
        """One field of a DDL schema text."""
        return "`" + self.name.replace("`", "``") + "` " + self.spark


def decimal_size(spark: str) -> tuple[int, int] | None:
    """``decimal(10,2)`` → (10, 2); None for any other type."""
    found = _DECIMAL.fullmatch(spark)
    return (int(found[1]), int(found[2])) if found else None


def described(schema: pa.Schema, unconstrained: tuple[int, int] | None) -> tuple[Column, ...]:
    """The columns of a statement from the driver's description of it. ReadError where two share a name."""
    names = [field.name for field in schema]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ReadError(f"the query gives more than one column named {', '.join(map(repr, twice))}", "rename them with AS")
    if not names:
        raise ReadError("the table has no columns")
    return tuple(_column(field, unconstrained) for field in schema)


def _column(field: pa.Field[Any], unconstrained: tuple[int, int] | None) -> Column:
    metadata = field.metadata or {}
    server = metadata.get(b"POSTGRESQL:type", b"").decode()
    if server == "numeric":
        size = _numeric_size(int(metadata.get(b"POSTGRESQL:typmod", b"-1")), unconstrained)
        return Column(field.name, server, f"decimal({size[0]},{size[1]})") if size else Column(field.name, "text", "string", "text")
    if server == "oid":
        return Column(field.name, "int8", "bigint", "bigint")
    if server in _DIRECT and _DIRECT[server][1] == field.type:
        return Column(field.name, server, _DIRECT[server][0])
    return Column(field.name, "text", "string", "text")


def _numeric_size(typmod: int, unconstrained: tuple[int, int] | None) -> tuple[int, int] | None:
    """PostgreSQL packs precision and (11 bits, signed) scale into the type modifier."""
    if typmod < _TYPMOD_HEADER:
        return unconstrained
    precision = ((typmod - _TYPMOD_HEADER) >> 16) & 0xFFFF
    scale = (((typmod - _TYPMOD_HEADER) & 0x7FF) ^ 0x400) - 0x400
    if scale < 0:  # numeric(2,-3) holds 99000
        precision, scale = precision - scale, 0
    precision = max(precision, scale)  # numeric(2,5) holds 0.00099
    return (precision, scale) if precision <= WIDEST else unconstrained


def named(columns: Sequence[Column], names: Sequence[str]) -> tuple[Column, ...]:
    """Those of the names, in their order; all where there are none. OptionError."""
    if len(set(names)) != len(names):
        raise OptionError("option columns names a column twice")
    known = {column.name: column for column in columns}
    missing = [name for name in names if name not in known]
    if missing:
        raise OptionError(f"option columns: there is no column {missing[0]!r}", f"there are {', '.join(known)}")
    return tuple(known[name] for name in names) or tuple(columns)


def chosen(columns: Iterable[Column], wanted: Iterable[tuple[str, str, bool]]) -> tuple[Column, ...]:
    """The columns that a schema names: (name, Spark's type, nullable) each.

    A schema may leave columns out, ask for a decimal of another size, or for anything as string. OptionError says what else it asked.
    """
    known = {column.name: column for column in columns}
    return tuple(_chosen(known, name, spark, nullable) for name, spark, nullable in wanted)


def _chosen(known: dict[str, Column], name: str, spark: str, nullable: bool) -> Column:
    column = known.get(name)
    if column is None:
        raise OptionError(f"the schema names a column {name!r} that is not there", f"there are {', '.join(known)}")
    if column.spark == spark:
        return replace(column, nullable=nullable)
    if column.server == "numeric" and decimal_size(spark):
        return replace(column, spark=spark, nullable=nullable)
    if spark == "string":
        return Column(name, "text", "string", "text", nullable)
    raise OptionError(f"column {name!r} is {column.spark}; the schema asks for {spark}", "cast it in a query, or read it as string")
