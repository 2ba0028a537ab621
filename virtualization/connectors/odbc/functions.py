"""Functions of texts, dates and timestamps, as far as the driver's file says that they are the same there."""

from __future__ import annotations

from sqlglot import exp

from virtualization.connectors.odbc import arithmetic
from virtualization.connectors.odbc.constants import text_constant, whole_number
from virtualization.connectors.odbc.expressions import Expressions, Handler
from virtualization.connectors.odbc.values import Digits, Operand, integer, made
from virtualization.refusal import refuse

NAMES = (
    "abs", "bigint", "ceil", "concat", "date_of", "day", "days", "divide", "floor", "hour", "integer", "integer_text", "length", "minute",
    "month", "numeric", "position", "quarter", "remainder", "round", "substring", "substring_from", "timestamp_of", "trim", "trim_leading",
    "trim_trailing", "trunc_day", "trunc_hour", "trunc_minute", "trunc_month", "trunc_quarter", "trunc_year", "whole", "year",
)  # fmt: skip
"""All that a file may have. ``{0}`` is the value; ``{1}``, ``{2}``: of ``substring`` start and length, of ``position`` what is sought, of
``round`` the places and the digits of the result. ``days``: between two dates. ``bigint``, ``integer``, ``numeric``: casts of narrower
integers, in which a product may calculate otherwise. ``whole``: a decimal rounded to an integer."""

_MOST_LENGTH = 2**31 - 1
_MOST_DAYS = 3_652_058
"""Between the first day of year 1 and the last of 9999."""

_FIELDS = {"YEAR": 4, "QUARTER": 1, "MONTH": 2, "DAY": 2, "HOUR": 2, "MINUTE": 2}
"""What is extracted, and the digits of it."""


def _text(made_by: Expressions, node: exp.Expr) -> Operand:
    value = made_by.operand(node)
    if value.family != "text":
        raise refuse(node, "type", f"{value.of.text} is not a text")
    return value


def _text_result(made_by: Expressions, sql: str) -> Operand:
    return made(sql, "text", "text", made_by.known)


def length(made_by: Expressions, node: exp.Expr) -> Operand:
    """In characters."""
    return integer(made_by.called(node, "length", _text(made_by, node.this).value), "integer", _MOST_LENGTH, made_by.known)


def substring(made_by: Expressions, node: exp.Expr) -> Operand:
    """From a constant place, of a constant length."""
    given, size = node.args.get("length"), whole_number(node.args.get("length"))
    start = whole_number(node.args.get("start")) if node.args.get("start") is not None else 1
    if start is None or start < 1 or (given is not None and (size is None or size < 0)):
        raise refuse(node, "substring", "only constant places from 1 on")
    value = _text(made_by, node.this).value
    if size is None:
        return _text_result(made_by, made_by.called(node, "substring_from", value, start))
    return _text_result(made_by, made_by.called(node, "substring", value, start, size))


def left(made_by: Expressions, node: exp.Expr) -> Operand:
    """The first characters."""
    size = whole_number(node.expression)
    if size is None or size < 0:
        raise refuse(node, "substring", "only constant lengths")
    return _text_result(made_by, made_by.called(node, "substring", _text(made_by, node.this).value, 1, size))


def trimmed(made_by: Expressions, node: exp.Expr) -> Operand:
    """Blanks only."""
    if node.expression is not None or node.args.get("collation") is not None:
        raise refuse(node, "not_on_list", "only blanks are trimmed")
    side = {"LEADING": "trim_leading", "TRAILING": "trim_trailing"}.get(str(node.args.get("position") or "").upper(), "trim")
    return _text_result(made_by, made_by.called(node, side, _text(made_by, node.this).value))


def place(made_by: Expressions, node: exp.Expr) -> Operand:
    """Of a constant in a text; 0 where it is not."""
    sought = node.args["substr"]
    if not isinstance(sought, exp.Literal) or not sought.is_string or not sought.name or node.args.get("position") is not None:
        raise refuse(node, "not_on_list", "only constants are looked for")
    sql = made_by.called(node, "position", _text(made_by, node.this).exact, text_constant(sought.name, made_by.known))
    return integer(sql, "integer", _MOST_LENGTH, made_by.known)


def joined(made_by: Expressions, node: exp.Expr) -> Operand:
    """``||``: NULL where one is NULL."""
    return _text_result(made_by, made_by.called(node, "concat", *(_text(made_by, side).value for side in (node.this, node.expression))))


def extracted(made_by: Expressions, node: exp.Expr) -> Operand:
    """``extract(field FROM x)``: a numeric without digits behind the point."""
    field, value = node.this.name.upper(), made_by.operand(node.expression)
    if value.family not in ("date", "timestamp") or field not in _FIELDS or (value.family == "date" and field in ("HOUR", "MINUTE")):
        raise refuse(node, "extract", "only plain parts of dates and timestamps are asked for")
    return made(made_by.called(node, field.lower(), value.value), "numeric", "decimal", made_by.known, Digits(_FIELDS[field], 0))


def truncated(made_by: Expressions, node: exp.Expr) -> Operand:
    """``date_trunc(unit, timestamp)``"""
    value, unit = made_by.operand(node.this), str(node.args["unit"].name).lower()
    if value.family != "timestamp" or value.untyped or node.args.get("zone") is not None:
        raise refuse(node, "date_trunc", "only timestamps without time zone, and plain units", "Cast to timestamp first.")
    sql = made_by.called(node, f"trunc_{unit}", value.value)
    return made(sql, "timestamp without time zone", "timestamp", made_by.known)


def minus(made_by: Expressions, node: exp.Expr) -> Operand:
    """``-`` of numbers; of two dates: the days between them."""
    sides = [made_by.operand(side) for side in (node.this, node.expression)]
    if all(side.family == "date" for side in sides):
        return integer(made_by.called(node, "days", *(side.value for side in sides)), "integer", _MOST_DAYS, made_by.known)
    return arithmetic.minus(made_by, node)


HANDLERS: dict[type[exp.Expr], Handler] = {
    exp.Length: length, exp.Substring: substring, exp.Left: left, exp.Trim: trimmed, exp.StrPosition: place, exp.DPipe: joined,
    exp.Extract: extracted, exp.TimestampTrunc: truncated, exp.Sub: minus,
}  # fmt: skip
