"""Aggregates whose results are PostgreSQL's to the last digit at the source."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from virtualization.connectors.odbc.capabilities import Capabilities
from virtualization.connectors.odbc.values import COMPARED, Operand, Resolve
from virtualization.refusal import refuse
from virtualization.types import PgType, pg_type

_BIGINT, _NUMERIC, _TEXT = (pg_type(name) for name in ("bigint", "numeric", "text"))
_SIMPLE = frozenset({"this", "big_int"})


@dataclass(frozen=True)
class Aggregate:
    """``sql`` of the call, PostgreSQL's type of the result, the family that the result is sent as."""

    sql: str
    of: PgType
    family: str


def is_aggregate(node: exp.Expr) -> bool:
    """Is it a call of an aggregate?"""
    return isinstance(node, exp.AggFunc)


def aggregate(node: exp.Expr, resolve: Resolve, known: Capabilities) -> Aggregate:
    """RefusedError for one that is not exactly PostgreSQL's there."""
    if any(value for name, value in node.args.items() if name not in _SIMPLE):
        raise refuse(node, "aggregate", "this form of the aggregate")
    if isinstance(node, exp.Count):
        return _count(node, resolve, known)
    if not isinstance(node, exp.Sum | exp.Min | exp.Max | exp.Avg):
        raise refuse(node, "aggregate", "this aggregate is not on the connector's list")
    operand = _argument(node, node.this, resolve)
    if isinstance(node, exp.Min | exp.Max):
        return _extreme(node, operand)
    return _sum(node, operand, known)


def _argument(node: exp.Expr, argument: exp.Expr | None, resolve: Resolve) -> Operand:
    operand = resolve(argument.unnest()) if argument is not None else None
    if operand is None:
        raise refuse(node, "not_on_list", "aggregates over columns only")
    if operand.why_not is not None or operand.family not in COMPARED:
        raise refuse(node, "type", operand.why_not or f"{operand.of.text} is calculated with by other rules at the source")
    return operand


def _count(node: exp.Expr, resolve: Resolve, known: Capabilities) -> Aggregate:
    argument = node.this
    if isinstance(argument, exp.Star):
        return Aggregate(known.counted.format("*"), _BIGINT, "integer")
    if not isinstance(argument, exp.Distinct):
        operand = resolve(argument.unnest())
        if operand is None or operand.plain is None:
            raise refuse(node, "not_on_list", "aggregates over columns only")
        return Aggregate(known.counted.format(operand.exact if operand.why_not is None else operand.plain), _BIGINT, "integer")
    if len(argument.expressions) != 1 or argument.args.get("on"):
        raise refuse(node, "aggregate", "DISTINCT inside this aggregate")
    operand = _argument(node, argument.expressions[0], resolve)
    if not operand.form.groups:
        raise refuse(node, "type", "which values are the same is not the same at the source")
    return Aggregate(known.counted.format(f"DISTINCT {operand.exact}"), _BIGINT, "integer")


def _extreme(node: exp.Expr, operand: Operand) -> Aggregate:
    if operand.family in ("boolean", "double") or not operand.form.orders:  # 0 and -0
        raise refuse(node, "aggregate", f"the least and greatest {operand.of.text} are not the same at the source")
    of = {"decimal": _NUMERIC, "text": _TEXT}.get(operand.family, operand.of)
    return Aggregate(f"{'MIN' if isinstance(node, exp.Min) else 'MAX'}({operand.exact})", of, operand.family)


def _sum(node: exp.Expr, operand: Operand, known: Capabilities) -> Aggregate:
    if operand.family == "double":
        raise refuse(
            node, "double_order", "the last digits of a sum of doubles depend on the order of work", "Declare the column numeric(p,s)."
        )
    if operand.family not in known.sums:
        raise refuse(node, "aggregate", f"sums of {operand.of.text} are not exact at this source")
    if isinstance(node, exp.Avg):
        if not known.averages:
            raise refuse(node, "aggregate", "the source divides to other digits")
        return Aggregate(f"AVG({operand.exact})", _NUMERIC, "decimal")
    made = known.sums[operand.family].format(operand.exact)
    if operand.of.name in ("smallint", "integer"):
        return Aggregate(made, _BIGINT, "integer")
    if operand.family == "integer" and not known.wide_sums:
        raise refuse(node, "aggregate", "a sum of bigint may be more than the source's integers hold", "Declare the column integer.")
    return Aggregate(made, _NUMERIC, "decimal")
