"""Constants: read as PostgreSQL reads them, written in a plain form that the source's settings don't change."""

from __future__ import annotations

import datetime
import re

from sqlglot import exp

from virtualization.binding.datatypes import type_name
from virtualization.connectors.odbc.capabilities import Capabilities, family
from virtualization.connectors.odbc.values import COMPARED, INTEGERS, Digits, Operand, digits_of, integer, made
from virtualization.refusal import refuse
from virtualization.types import pg_type

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


def is_constant(node: exp.Expr) -> bool:
    """A literal, also with a sign, in parentheses, cast."""
    while isinstance(node, exp.Neg | exp.Paren) or type(node) is exp.Cast:
        node = node.this
    return isinstance(node, exp.Literal | exp.Boolean | exp.Null)


def constant_operand(node: exp.Expr, known: Capabilities) -> Operand:
    """A constant as an operand of its own; RefusedError where its type is not certain."""
    value = node.unnest()
    if isinstance(value, exp.Boolean):
        return made(known.form("boolean").constant.format("1" if value.this else "0"), "boolean", "boolean", known)
    if isinstance(value, exp.Cast):
        return _typed_constant(value, known)
    text, is_quoted = _text(value)
    if text is None:
        raise refuse(node, "literal", "NULL without a type")
    if is_quoted:
        if "\0" in text:
            raise refuse(node, "literal", "a text with a zero in it")
        return made(text_constant(text, known), "text", "text", known).but(untyped=True)
    return _number_constant(node, text, known)


def _number_constant(node: exp.Expr, text: str, known: Capabilities) -> Operand:
    if not _DECIMAL.match(text):
        raise refuse(node, "literal", "a number with an exponent")
    shown, plain = (f"({text})" if text.startswith("-") else text), text.lstrip("-")
    if "." not in plain:
        for of in ("integer", "bigint"):
            if int(plain) <= INTEGERS[of]:
                return integer(shown, of, int(plain), known)
    whole, _, fraction = plain.partition(".")
    if not known.form("decimal").calculated:
        raise refuse(node, "type", "this source has no decimals that are exact")
    return made(shown, "numeric", "decimal", known, Digits(len(whole), len(fraction)))


def _typed_constant(node: exp.Cast, known: Capabilities) -> Operand:
    of = pg_type(type_name(node.to))
    kind = family(of) if of.name != "numeric" else "decimal"
    if kind not in COMPARED:
        raise refuse(node, "literal", f"a constant of type {of.text}")
    form = known.form(kind)
    plain = Operand("", "", of, kind, form)
    digits, text = digits_of(of), _text(node.this.unnest())[0] or ""
    if kind == "decimal":
        fraction = len(text.partition(".")[2])
        if digits is None:
            digits = Digits(len(text.lstrip("-").partition(".")[0]), fraction)
        elif digits.scale != fraction:
            raise refuse(node, "literal", "a constant with other digits than its type")
    return made(constant(node, plain, known), of.text, kind, known, digits)


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


def whole_number(node: exp.Expr | None) -> int | None:
    """The value of an integer constant, also a negative one; None: it is something else."""
    text, is_quoted = _text(node.unnest()) if node is not None else (None, True)
    return int(text) if text is not None and not is_quoted and _INTEGER.match(text) else None
