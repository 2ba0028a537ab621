"""Values in a statement: columns in the form in which they compare, constants, and the reason why one of them stays here."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from virtualization.binding.datatypes import type_name
from virtualization.connectors.odbc.capabilities import Capabilities, Form
from virtualization.refusal import refuse
from virtualization.types import PgType

_INTEGER = re.compile(r"^-?\d{1,18}$")
_DECIMAL = re.compile(r"^-?\d{1,30}(\.\d{1,30})?$")
_DATE = re.compile(r"^\d{4}-\d\d-\d\d$")
_TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?$")
_PLAIN_TEXT = re.compile(r"^[A-Za-z0-9 _.,:+/@#-]*$")
_CASTS = {
    "integer": ("smallint", "integer", "bigint", "numeric"),
    "decimal": ("smallint", "integer", "bigint", "numeric"),
    "double": ("double precision",),
    "text": ("text", "character varying"),
    "date": ("date",),
    "timestamp": ("date", "timestamp without time zone"),
    "boolean": ("boolean",),
}
COMPARED = frozenset(_CASTS)
"""Families that may be compared at a source at all; each driver's file says which are."""


@dataclass(frozen=True)
class Operand:
    """``exact``: SQL of the value as it compares; ``plain``: the bare column where it is one; ``why_not``: why it can't be compared."""

    exact: str
    of: PgType
    family: str
    form: Form
    plain: str | None = None
    why_not: str | None = None


Resolve = Callable[[exp.Expr], Operand | None]
"""The operand that a node is; None where it is none."""


def constant(node: exp.Expr, beside: Operand, known: Capabilities) -> str:
    """SQL of ``node`` where a column like ``beside`` is compared with it; RefusedError for what is no such constant, or reads by rules
    that are not PostgreSQL's there."""
    value, declared = node.unnest(), None
    if isinstance(value, exp.Cast):
        declared = type_name(value.to)
        if type(value) is not exp.Cast or declared not in _CASTS.get(beside.family, ()):
            raise refuse(node, "cast", f"the cast to {declared} beside a column that is {beside.of.text}")
        value = value.this.unnest()
    if isinstance(value, exp.Boolean) and beside.family == "boolean":
        return beside.form.constant.format("1" if value.this else "0")
    text, is_quoted = _text(value)
    read = None if text is None else _read(text, is_quoted, beside, declared)
    if read is None:
        raise refuse(node, "literal", f"it is no plain constant for a column that is {beside.of.text}")
    return beside.form.constant.format(text_constant(read, known) if beside.family == "text" else read)


def text_constant(text: str, known: Capabilities) -> str:
    """SQL of a text; what quotes, backslashes and other letters mean to a driver's own parser is not relied on."""
    if known.odd_text is not None and not _PLAIN_TEXT.match(text):
        return known.odd_text.format(hex=text.encode().hex(), hex16=text.encode("utf-16-le").hex())
    return "'" + text.replace("'", "''") + "'"


def _text(node: exp.Expr) -> tuple[str | None, bool]:
    sign = ""
    while isinstance(node, (exp.Neg, exp.Paren)):
        if isinstance(node, exp.Neg):
            sign = "" if sign else "-"
        node = node.this
    if not isinstance(node, exp.Literal) or (sign and node.is_string):
        return None, False
    return sign + str(node.this), bool(node.is_string)


def _read(text: str, is_quoted: bool, beside: Operand, declared: str | None) -> str | None:
    if beside.family in ("integer", "decimal", "double"):
        return _number(text, is_quoted, beside, declared)
    if not is_quoted:
        return None
    if beside.family == "text":
        return text if "\0" not in text else None
    if beside.family == "date":
        return text if _DATE.match(text) and _is_real(text) else None
    if beside.family == "timestamp":
        return _instant(text, declared == "date")
    return None


def _number(text: str, is_quoted: bool, beside: Operand, declared: str | None) -> str | None:
    if len(text.strip("-").replace(".", "").strip("0")) > beside.form.digits:
        return None
    whole = declared in ("smallint", "integer", "bigint") or (is_quoted and declared is None and beside.family == "integer")
    if beside.family == "double" or not whole:
        return text if _DECIMAL.match(text) else None
    return text if _INTEGER.match(text) else None


def _is_real(text: str) -> bool:
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _instant(text: str, is_date: bool) -> str | None:
    if not (_DATE if is_date else _TIMESTAMP).match(text) or not _is_real(text):
        return None
    made = text.replace("T", " ")
    return made + {10: " 00:00:00", 16: ":00"}.get(len(made), "")
