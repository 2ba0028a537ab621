"""Parts of dates and timestamps without time zone, which mean the same in both calendars (Gregorian, also before its beginning)."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from virtualization.connectors.mongodb.types import Expression, Kind
from virtualization.connectors.mongodb.values import Handler, Value, Values, check, numeric
from virtualization.refusal import refuse
from virtualization.types import pg_type

_TIMESTAMP = "timestamp without time zone"
_PARTS = {"YEAR": "$year", "MONTH": "$month", "DAY": "$dayOfMonth", "HOUR": "$hour", "MINUTE": "$minute", "DOY": "$dayOfYear"}
_OF_DATES = ("YEAR", "MONTH", "DAY", "DOY")
_UNITS = ("YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")


def extracted(made: Values, node: exp.Expr) -> Value:
    """``extract``"""
    check(node)
    unit = node.this.name.upper()
    value = made.value(node.expression)
    taken = _PARTS if value.kind.of.name == _TIMESTAMP else _OF_DATES if value.kind.name == "date" else ()
    if unit not in taken:
        raise refuse(node, "extract", "only plain parts of a date or of a timestamp without time zone are taken")
    part: Expression = {_PARTS[unit]: value.expression}
    if unit == "YEAR":  # PostgreSQL has no year 0
        before = {"$cond": [{"$gt": ["$$y", 0]}, "$$y", {"$subtract": ["$$y", 1]}]}
        part = {"$let": {"vars": {"y": part}, "in": {"$cond": [{"$eq": ["$$y", None]}, None, before]}}}
    return Value(part, numeric(6, 0))


def truncated(made: Values, node: exp.Expr) -> Value:
    """``date_trunc`` of a timestamp (of a date it gives one with a time zone)."""
    check(node, "unit")
    unit = node.args["unit"].name.upper()
    value = made.value(node.this)
    if value.kind.of.name != _TIMESTAMP or unit not in _UNITS:
        raise refuse(node, "date_trunc", "only timestamps without time zone, and plain units")
    return Value({"$dateTrunc": {"date": value.expression, "unit": unit.lower()}}, Kind("timestamp", pg_type(_TIMESTAMP)))


HANDLERS: Mapping[type[exp.Expr], Handler] = {exp.Extract: extracted, exp.TimestampTrunc: truncated}
