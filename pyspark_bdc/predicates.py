"""Spark's filters as SQL, where SQL means the same.

A filter is *exact* when the server's answer is Spark's answer: Spark needs not look again. It is *wide* when the server keeps every
row that Spark would keep and maybe more: it goes to the server and Spark filters again. Everything else stays with Spark.
Texts: Spark compares bytes. A collation of the server may call different bytes equal or order them differently, so equality and
LIKE are wide (and can be passed on to a remote source as they are), and all else asks for ``COLLATE "C"``, which compares bytes.
``char(n)`` compares without its trailing blanks: only its NULLs are left to the server.
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pyspark_bdc.columns import Column

_COMPARISONS = {
    "EqualTo": "=",
    "EqualNullSafe": "IS NOT DISTINCT FROM",
    "GreaterThan": ">",
    "GreaterThanOrEqual": ">=",
    "LessThan": "<",
    "LessThanOrEqual": "<=",
}
_PATTERNS = {"StringStartsWith": "{}%", "StringEndsWith": "%{}", "StringContains": "%{}%"}
_TEXTS = ("text", "varchar")


@dataclass(frozen=True)
class Predicate:
    """A condition for WHERE. Not exact: Spark must look again."""

    sql: str
    exact: bool


def predicate(spark_filter: object, columns: Mapping[str, Column]) -> Predicate | None:
    """The filter (any object of the shape of ``pyspark.sql.datasource.Filter``) as SQL; None: the server can't answer it."""
    if type(spark_filter).__name__ == "Not":
        inner = _positive(spark_filter.child, columns, bytewise=True)  # type: ignore[attr-defined]
        return Predicate(f"NOT ({inner.sql})", True) if inner and inner.exact else None
    return _positive(spark_filter, columns, bytewise=False)


def _positive(spark_filter: Any, columns: Mapping[str, Column], *, bytewise: bool) -> Predicate | None:  # noqa: ANN401 - see above
    kind = type(spark_filter).__name__
    path: tuple[str, ...] = getattr(spark_filter, "attribute", ())
    column = columns.get(path[0]) if len(path) == 1 else None
    if column is None:
        return None
    if kind in ("IsNull", "IsNotNull"):
        return Predicate(f"{column.expression} IS {'NOT ' if kind == 'IsNotNull' else ''}NULL", True)
    if column.server == "bpchar":
        return None
    if kind in _PATTERNS:
        return _pattern(column, _PATTERNS[kind], spark_filter.value, bytewise)
    if kind == "In":
        return _membership(column, spark_filter.value, bytewise)
    return _comparison(column, kind, spark_filter.value, bytewise) if kind in _COMPARISONS else None


def _comparison(column: Column, kind: str, value: object, bytewise: bool) -> Predicate | None:
    if value is None:
        return Predicate(f"{column.expression} IS NULL", True) if kind == "EqualNullSafe" else None
    text = literal(column, value)
    if text is None:
        return None
    wide = column.server in _TEXTS and kind == "EqualTo" and not bytewise
    return Predicate(f"{_operand(column, wide)} {_COMPARISONS[kind]} {text}", not wide)


def _membership(column: Column, values: object, bytewise: bool) -> Predicate | None:
    if not isinstance(values, (list, tuple)) or not values:
        return None
    texts = ["NULL" if value is None else literal(column, value) for value in values]
    wide = column.server in _TEXTS and not bytewise
    shown = [text for text in texts if text is not None]
    return Predicate(f"{_operand(column, wide)} IN ({', '.join(shown)})", not wide) if len(shown) == len(texts) else None


def _pattern(column: Column, shape: str, value: object, bytewise: bool) -> Predicate | None:
    if column.server not in _TEXTS or not isinstance(value, str) or not _sendable(value):
        return None
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return Predicate(f"{_operand(column, not bytewise)} LIKE {quote(shape.format(escaped))}", bytewise)


def _operand(column: Column, wide: bool) -> str:
    return column.expression if wide or column.server not in _TEXTS else f'{column.expression} COLLATE "C"'


def quote(text: str) -> str:
    """A string literal that means the same under any ``standard_conforming_strings``."""
    doubled = text.replace("'", "''")
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in text else f"'{doubled}'"


def _sendable(text: str) -> bool:
    """PostgreSQL's texts hold neither a zero byte nor half a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def literal(column: Column, value: object) -> str | None:
    """The value as SQL that compares with the column exactly; None where there is none."""
    writer = _WRITERS.get(column.server)
    return writer(value) if writer else None


def _boolean(value: object) -> str | None:
    return str(value).upper() if isinstance(value, bool) else None


def _integer(value: object) -> str | None:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _numeric(value: object) -> str | None:
    return format(value, "f") if isinstance(value, Decimal) and value.is_finite() else _integer(value)


def _double(value: object) -> str | None:
    return f"CAST('{value!r}' AS double precision)" if isinstance(value, float) else None


def _real(value: object) -> str | None:
    """Only what single precision holds: another value has no equal in the column."""
    if not isinstance(value, float):
        return None
    try:
        held = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return None
    return f"CAST('{value!r}' AS real)" if held == value or value != value else None


def _text(value: object) -> str | None:
    return quote(value) if isinstance(value, str) and _sendable(value) else None


def _bytes(value: object) -> str | None:
    return f"decode('{bytes(value).hex()}', 'hex')" if isinstance(value, (bytes, bytearray)) else None


def _date(value: object) -> str | None:
    return f"DATE '{value.isoformat()}'" if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime) else None


def _timestamp(value: object) -> str | None:
    return f"TIMESTAMP '{value.isoformat()}'" if isinstance(value, datetime.datetime) and value.tzinfo is None else None


def _timestamptz(value: object) -> str | None:
    return f"TIMESTAMPTZ '{value.isoformat()}'" if isinstance(value, datetime.datetime) and value.tzinfo is not None else None


_WRITERS = {
    "bool": _boolean,
    "int2": _integer,
    "int4": _integer,
    "int8": _integer,
    "float4": _real,
    "float8": _double,
    "numeric": _numeric,
    "text": _text,
    "varchar": _text,
    "bytea": _bytes,
    "date": _date,
    "timestamp": _timestamp,
    "timestamptz": _timestamptz,
}
