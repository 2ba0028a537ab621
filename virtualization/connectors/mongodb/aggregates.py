"""Aggregates as accumulators of ``$group`` whose results are PostgreSQL's to the last digit.

MongoDB sums 64-bit integers into doubles when they overflow, and doubles by another order of work; it divides otherwise. So sums are made
of decimals of 34 digits where those hold every sum there can be, averages are made here, and the rest is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa
from sqlglot import exp

from virtualization.connectors.mongodb.conditions import Operand
from virtualization.connectors.mongodb.constants import mixed
from virtualization.connectors.mongodb.types import DECIMAL_DIGITS, Expression, Kind, wired
from virtualization.duckdb_sql.quotients import quotient
from virtualization.encoding.text import text_column
from virtualization.refusal import refuse
from virtualization.types import PgType, pg_type

_DIGITS = "Declare the column numeric(15,2)."
_MAX_DIGITS = 22
"""Of a column: 34 digits then hold the sum of a million million values."""

_NUMBER, _BIGINT, _TEXT = (pg_type(name) for name in ("numeric", "bigint", "text"))
_WIDE = Context(prec=60)
Finish = Callable[[list[Any]], "pa.Array[Any]"]


@dataclass(frozen=True)
class Aggregate:
    """``accumulators``: by suffix of the field, (operator, expression): the same operator combines partial results. ``value``: from the
    fields' names, the typed result; ``wire``: the form that travels; ``finish``: see ``rows.Output``; ``kind``: of the result;
    ``distinct``: the field whose different values are counted; ``of_nothing``: the result over no row."""

    kind: Kind
    accumulators: dict[str, tuple[str, Expression]]
    value: Callable[[str], Expression]
    wire: Callable[[Expression], Expression] | None = None
    finish: Finish | None = None
    distinct: str | None = None
    of_nothing: Any = None
    comparable: bool = True
    """May HAVING and ORDER BY look at ``value``?"""


def is_aggregate(node: exp.Expr) -> bool:
    """Is it a call of an aggregate?"""
    return isinstance(node, exp.AggFunc)


def aggregate(node: exp.Expr, resolve: Callable[[exp.Expr], Operand | None]) -> Aggregate:
    """RefusedError for one that is not exactly PostgreSQL's at the source."""
    made = _MAKERS.get(type(node))
    if made is None or any(value for name, value in node.args.items() if name not in ("this", "big_int")):
        raise refuse(node, "aggregate", "this aggregate is not on the connector's list")
    argument = node.this
    if isinstance(node, exp.Count) and isinstance(argument, exp.Star):
        return _count({"$sum": 1})
    distinct = isinstance(argument, exp.Distinct)
    if distinct:
        if not isinstance(node, exp.Count) or len(argument.expressions) != 1 or argument.args.get("on"):
            raise refuse(node, "aggregate", "DISTINCT inside this aggregate")
        argument = argument.expressions[0]
    operand = resolve(argument.unnest()) if argument is not None else None
    if operand is None:
        raise refuse(node, "not_on_list", "aggregates over columns only")
    if operand.kind.raw:
        raise mixed(node)
    return _distinct(node, operand) if distinct else made(node, operand)


def _present(operand: Operand) -> Expression:
    return {"$cond": [{"$eq": [operand.reference, None]}, 0, 1]}


def _count(accumulator: dict[str, Expression]) -> Aggregate:
    return Aggregate(Kind("integer", _BIGINT), {"": ("$sum", accumulator["$sum"])}, lambda field: {"$toLong": f"${field}"}, of_nothing=0)


def _counted(node: exp.Expr, operand: Operand) -> Aggregate:
    return _count({"$sum": _present(operand)})


def _distinct(node: exp.Expr, operand: Operand) -> Aggregate:
    if operand.kind.name in ("double", "bytes") or _is_wide(operand.kind):
        raise refuse(node, "type", "which values are the same is not the same at the source")
    # the field is one of the first grouping's keys: see ``queries``
    return Aggregate(Kind("integer", _BIGINT), {}, lambda field: {"$toLong": f"${field}"}, distinct=operand.field, of_nothing=0)


def _is_wide(kind: Kind) -> bool:
    """Is it numeric without digits? It may hold NaN, and 1.5 beside 1.50."""
    return kind.name == "numeric" and kind.scale is None


def _addend(node: exp.Expr, operand: Operand) -> tuple[Expression, int]:
    """What is summed, and its digits after the point."""
    kind = operand.kind
    if kind.name == "double":
        raise refuse(
            node, "double_order", "the last digits of a sum of doubles depend on the order of work", "Declare the column numeric(p,s)."
        )
    if kind.name == "integer":
        return (operand.reference, 0) if kind.of.name != "bigint" else ({"$toDecimal": operand.reference}, 0)
    shape = kind.shape
    if kind.name != "numeric" or shape is None or shape[0] > _MAX_DIGITS:
        raise refuse(
            node, "precision", f"sums of {kind.of.text} may need more digits than the source has", "Declare the column numeric(15,2)."
        )
    return operand.reference, shape[1]


def _sum(node: exp.Expr, operand: Operand) -> Aggregate:
    addend, scale = _addend(node, operand)
    small = operand.kind.name == "integer" and operand.kind.of.name != "bigint"
    kind = Kind("integer", _BIGINT) if small else Kind("numeric", _NUMBER, digits=(DECIMAL_DIGITS, scale))

    def value(field: str) -> Expression:
        total = {"$toLong": f"${field}s"} if small else {"$toDecimal": f"${field}s"}
        return {"$cond": [{"$eq": [f"${field}n", 0]}, None, total]}

    parts = {"s": ("$sum", addend), "n": ("$sum", _present(operand))}
    return Aggregate(kind, parts, value, finish=None if small else scaled(scale))


def _average(node: exp.Expr, operand: Operand) -> Aggregate:
    addend, scale = _addend(node, operand)
    parts = {"s": ("$sum", addend), "n": ("$sum", _present(operand))}

    def value(field: str) -> Expression:
        return {"$cond": [{"$eq": [f"${field}n", 0]}, None, {"s": {"$toString": {"$toDecimal": f"${field}s"}}, "n": f"${field}n"}]}

    def finish(found: list[Any]) -> pa.Array[Any]:
        unit = Decimal(1).scaleb(-scale)
        texts = [None if one is None else quotient(_quantized(one["s"], unit), Decimal(int(one["n"]))) for one in found]
        return pa.array(texts, pa.string())

    # compared where PostgreSQL's digits are: here
    return Aggregate(Kind("numeric", _NUMBER), parts, value, lambda made: made, finish, comparable=False)


def _quantized(text: str, unit: Decimal) -> Decimal:
    return Decimal(text).quantize(unit, context=_WIDE)


def _extreme(node: exp.Expr, operand: Operand) -> Aggregate:
    kind = operand.kind
    if kind.name not in ("integer", "numeric", "text", "date", "timestamp") or _is_wide(kind):
        raise refuse(node, "aggregate", f"the least and greatest {kind.of.text} are not the same at the source")
    operator = "$min" if isinstance(node, exp.Min) else "$max"
    made = Kind(kind.name, _without_modifier(kind), digits=kind.shape if kind.name == "numeric" else None)
    finish = scaled(kind.scale) if kind.scale is not None else None
    return Aggregate(made, {"": (operator, operand.reference)}, lambda field: {"$ifNull": [f"${field}", None]}, finish=finish)


def _without_modifier(kind: Kind) -> PgType:
    return {"numeric": _NUMBER, "text": _TEXT}.get(kind.name, kind.of)


def scaled(scale: int) -> Finish:
    """Decimals that arrive as text, with exactly ``scale`` digits after the point."""

    def finish(found: list[Any]) -> pa.Array[Any]:
        unit = Decimal(1).scaleb(-scale)
        values = [None if text is None else _quantized(text, unit) for text in found]
        column = pa.array(values, pa.decimal128(38, scale))
        texts: pa.Array[Any] = text_column(column, pg_type(f"numeric(38,{scale})"), "UTC").cast(pa.string())
        return texts

    return finish


_MAKERS: dict[type[exp.Expr], Callable[[exp.Expr, Operand], Aggregate]] = {
    exp.Count: _counted, exp.Sum: _sum, exp.Avg: _average, exp.Min: _extreme, exp.Max: _extreme,
}  # fmt: skip


def travelling(made: Aggregate, field: str) -> Expression:
    """A result as it travels."""
    value = made.value(field)
    return made.wire(value) if made.wire is not None else wired(value, made.kind)
