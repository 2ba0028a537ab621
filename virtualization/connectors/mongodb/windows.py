"""Window functions by ``$setWindowFields``: numbering by an order, and aggregates of whole partitions.

A rank there may be sorted by one field only, and knows no NULLS LAST. So the field that it is sorted by is a document, of which the server
compares field after field: where nulls go, then the value; descending orders turn both round.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from bson import Decimal128
from sqlglot import exp

from virtualization.connectors.mongodb.aggregates import Aggregate, aggregate, is_aggregate
from virtualization.connectors.mongodb.conditions import Operand, Resolve
from virtualization.connectors.mongodb.groups import grouped_by
from virtualization.connectors.mongodb.types import Expression
from virtualization.connectors.mongodb.values import BIGINT
from virtualization.refusal import refuse

Stage = dict[str, Any]
_NAN = float("nan")
_MOST_DIGITS = 18
"""That 64 bits hold."""
_NUMBERS: dict[type[exp.Expr], str] = {exp.Rank: "$rank", exp.DenseRank: "$denseRank", exp.RowNumber: "$documentNumber"}
_PARTS = frozenset({"this", "partition_by", "order", "over"})


class Windows:
    """Of one block. ``resolve``: the values of its rows."""

    def __init__(self, resolve: Resolve) -> None:
        self._row = resolve
        self._known: dict[str, Operand] = {}
        self._stages: list[Stage] = []

    def resolve(self, node: exp.Expr) -> Operand | None:
        """A window's value, or one of the row."""
        if not isinstance(node, exp.Window):
            return self._row(node) if node.find(exp.Window) is None else None
        key = node.sql("postgres")
        if key not in self._known:
            self._known[key] = self._made(node, f"v{len(self._known)}")
        return self._known[key]

    def stages(self) -> list[Stage]:
        """Of the pipeline."""
        return self._stages

    def _made(self, node: exp.Window, field: str) -> Operand:
        for name, value in node.args.items():
            if value and name not in _PARTS:
                raise refuse(node, "window", f"the part {name} of a window")
        order = node.args.get("order")
        partition = [grouped_by(part, self._row) for part in node.args.get("partition_by") or []]
        keys = {f"p{number}": _plain(node, operand) for number, operand in enumerate(partition)}
        spec: Stage = {"partitionBy": keys} if keys else {}
        if type(node.this) in _NUMBERS and order is not None and not _arguments(node.this):
            self._stages.append({"$set": {f"{field}o": self._sorted(node, order)}})
            spec |= {"sortBy": {f"{field}o": -1 if _is_descending(order) else 1}, "output": {field: {_NUMBERS[type(node.this)]: {}}}}
            self._stages.append({"$setWindowFields": spec})
            return Operand(field, BIGINT)
        if is_aggregate(node.this) and order is None and type(node.this) not in _NUMBERS:
            return self._whole(node, spec, field)
        raise refuse(node, "window", "rank, dense_rank and row_number by an order, and aggregates of whole partitions, are taken")

    def _whole(self, node: exp.Window, spec: Stage, field: str) -> Operand:
        made: Aggregate = aggregate(node.this, self._row)
        if made.distinct is not None or not made.comparable:
            raise refuse(node, "window", "this aggregate over a window")
        frame = {"documents": ["unbounded", "unbounded"]}
        output = {f"{field}_{suffix}": {operator: value, "window": frame} for suffix, (operator, value) in made.accumulators.items()}
        self._stages += [{"$setWindowFields": {**spec, "output": output}}, {"$set": {field: made.value(f"{field}_")}}]
        return Operand(field, made.kind)

    def _sorted(self, node: exp.Window, order: exp.Expr) -> Expression:
        made: dict[str, Expression] = {}
        descending = _is_descending(order)
        for number, item in enumerate(order.expressions):
            if bool(item.args.get("desc")) != descending:
                raise refuse(node, "window_order", "an order that rises and falls", "Order by one direction.")
            operand = self._row(item.this.unnest())
            if operand is None or operand.kind.raw or operand.kind.name == "bytes":
                raise refuse(node, "window_order", "an order by something that is ordered otherwise at the source")
            turned: Callable[[Expression], Expression] = (lambda one: {"$multiply": [one, -1]}) if descending else (lambda one: one)
            made[f"r{number}"] = turned(rank(operand, descending, bool(item.args.get("nulls_first"))))
            made[f"k{number}"] = _plain(item, operand)
        return made


def _plain(node: exp.Expr, operand: Operand) -> Expression:
    """A value in a form that equal ones share: inside of documents nobody promises that 1.5 is 1.50, or that NaN is NaN."""
    kind, value = operand.kind, operand.reference
    if kind.name == "double":
        return {"$cond": [{"$eq": [value, _NAN]}, 0.0, value]}  # its rank tells
    if kind.name != "numeric":
        return value
    if kind.shape is None or kind.shape[0] > _MOST_DIGITS:
        raise refuse(node, "window_order", "numerics of many digits, or of unknown ones", "Declare the column numeric(15,2).")
    return {"$toLong": {"$multiply": [value, Decimal128(Decimal(10) ** kind.shape[1])]}}


def _is_descending(order: exp.Expr) -> bool:
    return bool(order.expressions[0].args.get("desc"))


def _arguments(node: exp.Expr) -> bool:
    return any(value for value in node.args.values())


def rank(operand: Operand, descending: bool, nulls_first: bool) -> Expression:
    """Before all values, among or behind them: nulls go where SQL wants them, NaN is greater than all numbers."""
    value = operand.reference
    cases: list[Stage] = [{"case": {"$eq": [value, None]}, "then": -2 if nulls_first else 2}]
    if operand.kind.name in ("double", "numeric"):
        cases.append({"case": {"$eq": [value, _NAN]}, "then": -1 if descending else 1})
    return {"$switch": {"branches": cases, "default": 0}}
