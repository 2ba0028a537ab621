"""Constants: untyped ones take the type of what they stand beside, as in PostgreSQL, where their text has one meaning only."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from virtualization.duckdb_sql.kinds import INT4, INT8, Kind, literal_decimal

_INTEGER = re.compile(r"-?\d{1,18}")
_NUMBER = re.compile(r"-?\d{1,30}(\.\d{1,15})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?")
_INTEGER_ENDS = {"int2": 2**15, "int4": 2**31, "int8": 2**63}
_BOOLEANS = {"t": "TRUE", "true": "TRUE", "f": "FALSE", "false": "FALSE"}


@dataclass(frozen=True)
class Value:
    """A rendered expression. ``literal``: the text of a constant that may still take another kind. ``bare``: the same without a cast
    that widens it, for what takes any width (sums of 64 bits are a quarter faster than of 128)."""

    sql: str
    kind: Kind
    literal: str | None = None
    bare: str | None = None


def quoted(text: str) -> str:
    """A string constant of DuckDB."""
    return "'" + text.replace("'", "''") + "'"


def number(text: str) -> Value | None:
    """A number as PostgreSQL types it: integer, bigint, or numeric with the scale as written; None for other forms."""
    if text.isdigit():
        if int(text) < 2**31:
            return Value(f"CAST({int(text)} AS INTEGER)", INT4, text)
        if int(text) < 2**63:
            return Value(f"CAST({int(text)} AS BIGINT)", INT8, text)
    whole, _, fraction = text.partition(".")
    if not re.fullmatch(r"\d*", whole + fraction) or not whole + fraction:
        return None
    kind = literal_decimal(text)
    return None if kind is None else Value(f"CAST({quoted(text)} AS {kind.duckdb})", kind, text)


def take_kind(text: str, kind: Kind) -> str | None:
    """The constant ``text`` as a value of ``kind``; None where its form is not plain enough to mean the same in both engines."""
    name = kind.name
    if "\0" in text:
        return None
    if name == "text":
        return quoted(text)
    if name in _INTEGER_ENDS and _INTEGER.fullmatch(text) and -_INTEGER_ENDS[name] <= int(text) < _INTEGER_ENDS[name]:
        return f"CAST({int(text)} AS {kind.duckdb})"
    if name == "float8" and _NUMBER.fullmatch(text):
        return f"CAST({quoted(text)} AS DOUBLE)"
    if name == "bool":
        return _BOOLEANS.get(text.lower())
    if name == "date" and _DATE.fullmatch(text) and _exists(text):
        return f"CAST({quoted(text)} AS DATE)"
    if name == "timestamp" and (_TIMESTAMP.fullmatch(text) or _DATE.fullmatch(text)) and _exists(text):
        return f"CAST({quoted(text)} AS TIMESTAMP)"
    return None


def _exists(text: str) -> bool:
    try:
        return datetime.datetime.fromisoformat(text).year >= 1
    except ValueError:
        return False
