"""Kinds of values, as far as the generator of queries tells them apart, and constants of each that are worth asking for."""

from __future__ import annotations

from enum import StrEnum

from virtualization.types import pg_type


class Kind(StrEnum):
    """The letter is what templates of expressions name it by."""

    INTEGER = "i"
    NUMERIC = "n"
    FLOAT = "f"
    TEXT = "t"
    DATE = "d"
    TIMESTAMP = "s"
    INSTANT = "z"
    BOOLEAN = "b"
    OTHER = "o"
    """Only fetched, counted and asked for NULL."""


_BY_NAME = {
    "smallint": Kind.INTEGER, "integer": Kind.INTEGER, "bigint": Kind.INTEGER, "numeric": Kind.NUMERIC,
    "real": Kind.FLOAT, "double precision": Kind.FLOAT, "text": Kind.TEXT, "character varying": Kind.TEXT, "character": Kind.TEXT,
    "date": Kind.DATE, "timestamp without time zone": Kind.TIMESTAMP, "timestamp with time zone": Kind.INSTANT, "boolean": Kind.BOOLEAN,
}  # fmt: skip

JOINED = (Kind.INTEGER, Kind.TEXT, Kind.DATE, Kind.NUMERIC)
"""Kinds that tables are joined on."""

EDGES: dict[Kind, tuple[str, ...]] = {
    Kind.INTEGER: ("0", "1", "-1", "7", "32767", "2147483647", "(-2147483648)"),
    Kind.NUMERIC: ("0", "1.5", "-0.5", "100.00", "0.005", "1e3"),
    Kind.FLOAT: ("0", "1.5", "'-0'::double precision", "'NaN'::double precision", "'Infinity'::double precision", "1e-9"),
    Kind.TEXT: ("''", "' '", "'a'", "'A'", "'a '", "'%'", "'a_b'", "'é'", "'ß'", "E'\\\\'"),
    Kind.DATE: ("date '2024-02-29'", "'1999-12-31'::date", "date '1582-10-15'", "date '0001-01-01'"),
    Kind.TIMESTAMP: ("timestamp '2024-02-29 23:59:59.999999'", "'2024-03-31 02:30:00'::timestamp", "timestamp '1969-12-31 23:59:59'"),
    Kind.INSTANT: ("timestamptz '2024-03-31 01:00:00+00'", "'2024-10-27 02:30:00+02'::timestamptz"),
    Kind.BOOLEAN: ("true", "false"),
}
"""Asked for whatever the data."""


def kind_of(type_text: str) -> Kind:
    """Of a PostgreSQL type."""
    of = pg_type(type_text)
    return Kind.OTHER if of.array else _BY_NAME.get(of.name, Kind.OTHER)


def literal(value: str, kind: Kind, type_text: str) -> str:
    """A value's text form as a constant."""
    if kind is Kind.INTEGER:
        return f"({value})" if value.startswith("-") else value
    if kind is Kind.BOOLEAN:
        return "true" if value in ("t", "true") else "false"
    quoted = "'" + value.replace("'", "''") + "'"
    if kind is Kind.TEXT:
        return quoted
    of = {Kind.NUMERIC: "numeric", Kind.DATE: "date", Kind.TIMESTAMP: "timestamp", Kind.INSTANT: "timestamptz"}.get(kind, type_text)
    return f"{quoted}::{of}"
