"""Constants of a query as values of BSON that compare with a column's typed values as PostgreSQL compares."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from typing import Any

from bson import Decimal128, Int64
from sqlglot import exp

from virtualization.binding.datatypes import type_name
from virtualization.connectors.mongodb.types import Kind
from virtualization.refusal import RefusedError, refuse

_INTEGER = re.compile(r"^-?\d{1,18}$")
_DECIMAL = re.compile(r"^-?\d{1,30}(\.\d{1,30})?$")
_DATE = re.compile(r"^\d{4}-\d\d-\d\d$")
_TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,3}0*)?)?)?$")
_DIGITS = 34
_CASTS = {
    "integer": ("smallint", "integer", "bigint", "numeric"),
    "numeric": ("smallint", "integer", "bigint", "numeric"),
    "double": ("double precision",),
    "text": ("text", "character varying"),
    "date": ("date", "timestamp without time zone"),
    "timestamp": ("date", "timestamp without time zone"),
    "boolean": ("boolean",),
}


def mixed(node: exp.Expr) -> RefusedError:
    """The reason why a column of raw values stays here."""
    return refuse(node, "mixed_types", "its values are read as text here, whatever they are", "Declare the type, and another policy.")


def constant(node: exp.Expr, kind: Kind) -> Any:  # noqa: ANN401 a value of BSON
    """What ``node`` is where a column of ``kind`` is compared with it; RefusedError for what is no such constant, or reads by rules that
    are not PostgreSQL's here."""
    if kind.of.name == "timestamp with time zone":
        raise refuse(node, "time_zone", "the constant's instant depends on the session's time zone", "Use timestamp without time zone.")
    value, declared = node, None
    while isinstance(value, exp.Paren):
        value = value.this
    if isinstance(value, exp.Cast):
        declared = type_name(value.to)
        if type(value) is not exp.Cast or declared not in _CASTS.get(kind.name, ()):
            raise refuse(node, "cast", f"the cast to {declared} beside a column that is {kind.of.text}")
        value = value.this
    if isinstance(value, exp.Boolean):
        if kind.name == "boolean":
            return bool(value.this)
        raise refuse(node, "not_on_list", "a truth value beside another type")
    text, quoted = _text(value)
    made = None if text is None else _read(text, quoted, kind, declared)
    if made is None:
        raise refuse(node, "literal", f"it is no plain constant for a column that is {kind.of.text}")
    return made


def _text(node: exp.Expr) -> tuple[str | None, bool]:
    sign = ""
    while isinstance(node, (exp.Neg, exp.Paren)):
        if isinstance(node, exp.Neg):
            sign = "" if sign else "-"
        node = node.this
    if not isinstance(node, exp.Literal) or (sign and node.is_string):
        return None, False
    return sign + str(node.this), bool(node.is_string)


def _read(text: str, quoted: bool, kind: Kind, declared: str | None) -> Any:  # noqa: ANN401
    if kind.name in ("integer", "numeric"):
        return _number(text, quoted, kind, declared)
    if kind.name == "double":
        return float(text) if _DECIMAL.match(text) else None
    if not quoted:
        return None
    if kind.name == "text":
        return text if "\0" not in text else None
    if kind.name in ("date", "timestamp"):
        return _instant(text, (declared or kind.of.name) == "date")
    return None


def _number(text: str, quoted: bool, kind: Kind, declared: str | None) -> Any:  # noqa: ANN401
    whole = declared in ("smallint", "integer", "bigint") or (quoted and declared is None and kind.name == "integer")
    if _INTEGER.match(text):
        return Int64(int(text))
    if whole or not _DECIMAL.match(text) or len(text.strip("-").replace(".", "")) > _DIGITS:
        return None
    return Decimal128(Decimal(text))


def _instant(text: str, is_date: bool) -> datetime.datetime | None:
    if not (_DATE if is_date else _TIMESTAMP).match(text):
        return None
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
