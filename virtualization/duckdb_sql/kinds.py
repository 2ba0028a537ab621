"""What DuckDB holds for a PostgreSQL type: the kinds over which the allow list speaks."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from virtualization.plan import Kept
from virtualization.types import PgType, pg_type

MAX_PRECISION = 38
SMALL_PRECISION = 18
"""Decimals of so many digits are integers of 64 bits in DuckDB."""

EXACT_DOUBLE_PRECISION = 15
"""Decimals of so many digits become the same double in both engines."""

INTEGERS = ("int2", "int4", "int8")
_INTEGER_DIGITS = {"int2": 5, "int4": 10, "int8": 19}


class RefusedError(Exception):
    """Something is not on the allow list."""

    def __init__(self, kept: Kept) -> None:
        super().__init__(kept.why)
        self.kept = kept


@dataclass(frozen=True)
class Kind:
    """``name``: a line of ``DUCKDB_TYPES``, ``decimal``, ``opaque`` (only passed through), ``quotient`` (of two sums, see
    ``quotients``), or ``unknown`` (an untyped literal).
    ``pg``: the PostgreSQL type as the result reports it."""

    name: str
    pg: str
    precision: int = 0
    scale: int = 0
    divisor_scale: int = 0
    """Of a quotient; ``scale`` is its dividend's."""
    places: int | None = None
    """A quotient is shown rounded to so many; None: as PostgreSQL's division gives it."""

    @property
    def duckdb(self) -> str:
        """The DuckDB type."""
        if self.name == "quotient":
            return f"STRUCT(s DECIMAL(38,{self.scale}), n DECIMAL(38,{self.divisor_scale}))"
        return f"DECIMAL({self.precision},{self.scale})" if self.name == "decimal" else DUCKDB_TYPES[self.name]

    @property
    def unmodified(self) -> Kind:
        """Without the modifier: numeric(12,2) as numeric, character varying(20) as character varying."""
        return replace(self, pg=re.sub(r"\(\d+(,\d+)?\)", "", self.pg))

    @property
    def plain(self) -> Kind:
        """As aggregates and functions give it: every string is text there."""
        return TEXT if self.name == "text" else self.unmodified


DUCKDB_TYPES = {
    "bool": "BOOLEAN",
    "bytea": "BLOB",
    "date": "DATE",
    "float4": "FLOAT",
    "float8": "DOUBLE",
    "int2": "SMALLINT",
    "int4": "INTEGER",
    "int8": "BIGINT",
    "opaque": "VARCHAR",
    "text": "VARCHAR",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "unknown": "VARCHAR",
}

_NAMES = {
    "boolean": "bool",
    "bytea": "bytea",
    "date": "date",
    "real": "float4",
    "double precision": "float8",
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "text": "text",
    "character varying": "text",
    "time without time zone": "time",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
}

BOOL, INT4, INT8, FLOAT8, TEXT = (
    Kind("bool", "boolean"),
    Kind("int4", "integer"),
    Kind("int8", "bigint"),
    Kind("float8", "double precision"),
    Kind("text", "text"),
)
DATE, TIMESTAMP = Kind("date", "date"), Kind("timestamp", "timestamp without time zone")
UNKNOWN = Kind("unknown", "text")
SIMPLE = {kind.name: kind for kind in (BOOL, INT4, INT8, FLOAT8, TEXT, DATE, TIMESTAMP, Kind("int2", "smallint"))}


def kind_of(of: PgType) -> Kind:
    """The kind of a column of this type. ``character(n)`` is opaque: its blanks compare in a way of their own."""
    shape = of.precision_and_scale
    if shape is not None and not of.travels_as_text:
        return Kind("decimal", of.text, *shape)
    name = None if of.array or of.travels_as_text else _NAMES.get(of.name)
    return Kind(name or "opaque", of.text)


def kind_of_text(text: str) -> Kind:
    """``kind_of`` of a type's name."""
    return kind_of(pg_type(text))


def decimal(precision: int, scale: int) -> Kind | None:
    """An unconstrained numeric whose values all have this scale; None where DuckDB has no room."""
    return Kind("decimal", "numeric", precision, scale) if precision <= MAX_PRECISION else None


MOST_ROWS_DIGITS = 13
"""No query adds up more than 10^13 rows: a sum has at most so many digits more than its largest operand."""


def sum_kind(kind: Kind) -> Kind:
    """The sum of an integer or decimal kind: an unconstrained numeric of the same scale."""
    operand = as_decimal(kind)
    return Kind("decimal", "numeric", min(operand.precision + MOST_ROWS_DIGITS, MAX_PRECISION), operand.scale)


def literal_decimal(text: str) -> Kind | None:
    """The narrowest decimal that holds a plain number as it is written."""
    whole, _, fraction = text.partition(".")
    return decimal(max(len(whole.lstrip("0")) + len(fraction), 1), len(fraction))


def as_decimal(kind: Kind) -> Kind:
    """An integer kind as the decimal that holds it."""
    return kind if kind.name == "decimal" else Kind("decimal", "numeric", _INTEGER_DIGITS[kind.name], 0)


def common_decimal(left: Kind, right: Kind, extra: int = 0) -> Kind | None:
    """The decimal that holds both (and ``extra`` more digits in front)."""
    left, right = as_decimal(left), as_decimal(right)
    scale = max(left.scale, right.scale)
    return decimal(max(left.precision - left.scale, right.precision - right.scale) + scale + extra, scale)
