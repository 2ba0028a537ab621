"""Constants of a query as the values that distribution columns hold."""

from __future__ import annotations

import datetime
import decimal
import re
import uuid

from sqlglot import exp

from virtualization.types import pg_type

_INTEGER_ENDS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
_NUMBER = re.compile(r"-?\d{1,38}(\.\d{1,38})?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CASTS = {
    "smallint": (exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT),
    "integer": (exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT),
    "bigint": (exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT),
    "text": (exp.DType.TEXT, exp.DType.VARCHAR),
    "character varying": (exp.DType.TEXT, exp.DType.VARCHAR),
    "date": (exp.DType.DATE,),
    "uuid": (exp.DType.UUID,),
    "numeric": (exp.DType.DECIMAL,),
}
"""Casts of a constant that change nothing about its being equal to a value of the column's type."""


_FAMILIES = {"smallint": "integer", "bigint": "integer", "character varying": "text", "real": "double precision"}


def family(type_: str) -> str:
    """Types of one family have one hash for equal values (see ``virtualization.buckets``), and exactly equal values only are equal."""
    name = pg_type(type_).name
    return _FAMILIES.get(name, name)


def constant(node: exp.Expr, type_: str) -> object | None:
    """The value of ``type_`` that is equal to ``node``, as Arrow takes it; None where that is not known for sure."""
    of = pg_type(type_)
    text = _text(node, of.name)
    if text is None or of.array:
        return None
    if of.name in _INTEGER_ENDS:
        plain = re.fullmatch(r"-?\d{1,19}", text)
        return int(text) if plain and -_INTEGER_ENDS[of.name] <= int(text) < _INTEGER_ENDS[of.name] else None
    if of.name in ("text", "character varying"):
        return text if _is_string(node) and "\0" not in text else None
    if of.name == "date":
        return _date(text)
    if of.name == "uuid":
        return _uuid(text)
    shape = of.precision_and_scale
    if of.name == "numeric" and shape is not None and not of.travels_as_text:
        return _decimal(text, *shape)
    return None


def _text(node: exp.Expr, name: str) -> str | None:
    if isinstance(node, exp.Paren):
        return _text(node.this, name)
    if isinstance(node, exp.Cast):
        plain = node.to.this in _CASTS.get(name, ()) and not node.to.expressions
        return _text(node.this, name) if plain else None
    if isinstance(node, exp.Neg):
        text = None if _is_string(node.this) else _text(node.this, name)
        return None if text is None else text[1:] if text.startswith("-") else "-" + text
    return node.name if isinstance(node, exp.Literal) else None


def _is_string(node: exp.Expr) -> bool:
    while isinstance(node, (exp.Paren, exp.Cast)):
        node = node.this
    return isinstance(node, exp.Literal) and node.is_string


def _date(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def _uuid(text: str) -> str | None:
    try:
        return str(uuid.UUID(text)) if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text) else None
    except ValueError:
        return None


def _decimal(text: str, precision: int, scale: int) -> decimal.Decimal | None:
    if not _NUMBER.fullmatch(text):
        return None
    whole, _, fraction = text.lstrip("-").partition(".")
    fits = len(whole.lstrip("0")) <= precision - scale and not fraction[scale:].strip("0")
    context = decimal.Context(prec=80)
    return decimal.Decimal(text).quantize(decimal.Decimal(1).scaleb(-scale), context=context) if fits else None
