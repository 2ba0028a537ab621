"""Dates and timestamps: constants are calculated here; of columns the parts, the beginning of a unit, the days between two are asked for.

Nothing is added to a column: Oracle's dates end with the year 9999, where PostgreSQL goes on.
"""

from __future__ import annotations

import datetime

from sqlglot import exp

from virtualization.connectors.oracle import arithmetic, literals
from virtualization.connectors.oracle.expressions import Expressions, Handler
from virtualization.connectors.oracle.values import Value, integer
from virtualization.refusal import refuse

_MOST_DAYS = 5_400_000
"""Between Oracle's first and last day."""

_FIELDS = ("YEAR", "MONTH", "DAY")
_TIMES = ("HOUR", "MINUTE")
_FORMATS = {"QUARTER": "Q", "DOY": "DDD", "WEEK": "IW"}
_UNITS = {"YEAR": "YYYY", "QUARTER": "Q", "MONTH": "MM", "WEEK": "IW", "DAY": "DD", "HOUR": "HH24", "MINUTE": "MI"}


def is_moment(value: Value) -> bool:
    """A date, or a timestamp without time zone?"""
    return value.kind in ("date", "timestamp")


def extracted(made: Expressions, node: exp.Expr) -> Value:
    """``extract(field FROM x)``: a numeric without digits behind the point."""
    field, value = node.this.name.upper(), made.value(node.expression)
    if value.kind == "timestamptz":
        raise refuse(node, "time_zone", "its value depends on the session's time zone", "Use timestamp without time zone.")
    if not is_moment(value) or value.literal is not None:
        raise refuse(node, "extract", "only parts of dates and timestamps are asked for")
    if field in _FIELDS:
        text = f"EXTRACT({field} FROM {value.text})"
    elif field in _TIMES and value.kind == "timestamp":
        text = f"EXTRACT({field} FROM CAST({value.text} AS TIMESTAMP))"
    elif field in _FORMATS:
        text = f"TO_NUMBER(TO_CHAR({value.text}, '{_FORMATS[field]}'))"
    else:
        raise refuse(node, "extract", f"{field.lower()} is not asked for")
    return Value(text, "numeric", 4, 0, nullable=value.nullable)


def truncated(made: Expressions, node: exp.Expr) -> Value:
    """``date_trunc(unit, timestamp)``"""
    value, unit = made.value(node.this), str(node.args["unit"].name).upper()
    if value.kind != "timestamp" or value.literal is not None or unit not in _UNITS or node.args.get("zone") is not None:
        raise refuse(node, "date_trunc", "only timestamps without time zone, and plain units", "Cast to timestamp first.")
    return Value(f"TRUNC({value.text}, '{_UNITS[unit]}')", "timestamp without time zone", remote="date", nullable=value.nullable)


def plus(made: Expressions, node: exp.Expr) -> Value:
    """``+`` of numbers, or of a constant date and an interval or days."""
    return _shifted(made, node, 1) or arithmetic.plus(made, node)


def minus(made: Expressions, node: exp.Expr) -> Value:
    """``-``; of two dates: the days between them."""
    found = _shifted(made, node, -1)
    if found is not None:
        return found
    left, right = made.value(node.this), made.value(node.expression)
    if left.kind == right.kind == "date":
        return integer(f"({left.text} - {right.text})", "integer", _MOST_DAYS, nullable=left.nullable or right.nullable)
    return arithmetic.minus(made, node)


def _shifted(made: Expressions, node: exp.Expr, sign: int) -> Value | None:
    base, by = node.this.unnest(), node.expression.unnest()
    if not isinstance(by, exp.Interval) and sign > 0 and isinstance(base, exp.Interval):
        base, by = by, base
    if not isinstance(by, exp.Interval):
        value = made.value(base)
        days = literals.whole_number(by)
        if value.kind != "date" or days is None:
            return None
        return _constant(node, value, 0, datetime.timedelta(days=sign * days), "date")
    months, rest = literals.period(by)
    return _constant(node, made.value(base), sign * months, sign * rest, "timestamp without time zone")


def _constant(node: exp.Expr, value: Value, months: int, rest: datetime.timedelta, pg: str) -> Value:
    if value.kind == "timestamptz":
        raise refuse(node, "time_zone", "its value depends on the session's time zone", "Use timestamp without time zone.")
    if value.literal is None or not is_moment(value):
        raise refuse(node, "date_range", "dates of the source end with the year 9999", "Move the constant on the other side instead.")
    made = literals.shifted(node, datetime.datetime.fromisoformat(value.literal), months, rest)
    return literals.moment_value(made, pg, "date")


HANDLERS: dict[type[exp.Expr], Handler] = {exp.Extract: extracted, exp.TimestampTrunc: truncated, exp.Add: plus, exp.Sub: minus}
