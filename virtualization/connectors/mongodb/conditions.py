"""SQL conditions as filters over typed columns (see ``types``), with SQL's three values.

A column's typed value is of its kind, or null: never missing, never an array, never of another type. So MongoDB's own operators mean what
SQL's do, except where they meet null and NaN; each of these places is marked. A filter says where a condition is *true*; where it is
*false* is another filter, and NOT turns one into the other: null is in neither.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from sqlglot import exp

from virtualization.connectors.mongodb import cases
from virtualization.connectors.mongodb.constants import constant, mixed
from virtualization.connectors.mongodb.types import NOTHING_THERE, Kind
from virtualization.refusal import RefusedError, refuse
from virtualization.types import pg_type

Filter = dict[str, Any]


@dataclass(frozen=True)
class Operand:
    """A typed value in the pipeline: the field that it is in, its kind, and where it lies in the stored document (None: nowhere)."""

    field: str
    kind: Kind
    stored: str | None = None

    @property
    def reference(self) -> str:
        """As an expression."""
        return f"${self.field}"


Resolve = Callable[[exp.Expr], Operand | None]
"""The operand that a node is; None where it is none."""

_SIGNS: Mapping[type[exp.Expr], str] = {exp.EQ: "$eq", exp.NEQ: "$ne", exp.LT: "$lt", exp.LTE: "$lte", exp.GT: "$gt", exp.GTE: "$gte"}
_OPPOSITE = {"$eq": "$ne", "$ne": "$eq", "$lt": "$gte", "$gte": "$lt", "$gt": "$lte", "$lte": "$gt"}
_TURNED = {"$eq": "$eq", "$ne": "$ne", "$lt": "$gt", "$gt": "$lt", "$lte": "$gte", "$gte": "$lte"}
_COMPARABLE = frozenset({"integer", "numeric", "double", "text", "date", "timestamp", "boolean"})
_FAMILIES = ({"integer", "numeric"}, {"text"}, {"date", "timestamp"}, {"boolean"})
_UNDERSTOOD = frozenset({"this", "expression", "low", "high", "expressions", "quoted", "table"})
_NEGATED = (exp.Is, exp.In, exp.Between, exp.Like)
_NAN = math.nan
_TEXT = pg_type("text")
NOTHING: Filter = {"$nor": [{}]}
"""Matches no document."""


def condition(node: exp.Expr, resolve: Resolve, wanted: bool = True) -> Filter:
    """Where ``node`` is true (or false); RefusedError where that can't be said exactly."""
    for name, value in node.args.items():
        if value and name not in _UNDERSTOOD and not (name == "negate" and isinstance(node, _NEGATED)):
            raise refuse(node, "not_on_list", f"the flag {name}")  # a flag of the parser that is not known here may turn the meaning round
    wanted = wanted != bool(node.args.get("negate"))
    if isinstance(node, exp.Paren):
        return condition(node.this, resolve, wanted)
    if isinstance(node, exp.Not):
        return condition(node.this, resolve, not wanted)
    if isinstance(node, (exp.And, exp.Or)):
        parts = [condition(part, resolve, wanted) for part in (node.this, node.expression)]
        return {"$and" if isinstance(node, exp.And) == wanted else "$or": parts}
    if type(node) in _SIGNS:
        return _comparison(node, resolve, wanted)
    made = _LEAVES.get(type(node))
    if made is None:
        raise refuse(node, "not_on_list", f"{type(node).__name__} is not on the connector's list")
    return made(node, resolve, wanted)


def _operand(node: exp.Expr, resolve: Resolve) -> Operand:
    found = resolve(node.unnest())
    if found is None:
        raise refuse(node, "not_on_list", "only columns are compared at the source")
    return found


def _compared(node: exp.Expr, resolve: Resolve) -> Operand:
    found = _operand(node, resolve)
    if found.kind.raw:
        raise mixed(node)
    if found.kind.name not in _COMPARABLE:
        raise refuse(node, "type_order", f"{found.kind.of.text} is ordered otherwise at the source")
    return found


def _comparison(node: exp.Expr, resolve: Resolve, wanted: bool) -> Filter:
    sign = _SIGNS[type(node)]
    left, right = node.this, node.expression
    if sign in ("$eq", "$ne") and (cases.is_folded(left) or cases.is_folded(right)):
        call, other = (left, right) if cases.is_folded(left) else (right, left)
        return _folded(call.unnest(), [other], resolve, wanted == (sign == "$eq"))
    if resolve(left.unnest()) is None and resolve(right.unnest()) is not None:
        left, right, sign = right, left, _TURNED[sign]
    sign = sign if wanted else _OPPOSITE[sign]
    operand = _compared(left, resolve)
    if resolve(right.unnest()) is not None:
        return _two_columns(node, operand, _compared(right, resolve), sign)
    return compared(operand, sign, constant(right, operand.kind))


def compared(operand: Operand, sign: str, value: Any) -> Filter:  # noqa: ANN401 a value of BSON
    """``operand sign value`` is true. ``value`` is neither null nor NaN."""
    field = operand.field
    if sign == "$ne":
        return {field: {"$nin": [None, value]}}  # $ne alone would take null
    if operand.kind.name not in ("double", "numeric"):
        return {field: {sign: value}}  # no other kind has NaN; null is in no range
    if sign in ("$gt", "$gte"):
        return {"$or": [{field: {sign: value}}, {field: _NAN}]}  # PostgreSQL's NaN is greater than all
    if sign in ("$lt", "$lte"):
        return {"$and": [{field: {sign: value}}, {field: {"$ne": _NAN}}]}  # MongoDB's NaN is less than all, in some places
    return {field: value}


def _two_columns(node: exp.Expr, left: Operand, right: Operand, sign: str) -> Filter:
    check_alike(node, left, right)
    present = [{"$ne": [f"${one.field}", None]} for one in (left, right)]
    return {"$expr": {"$and": [*present, {sign: [f"${left.field}", f"${right.field}"]}]}}


def check_alike(node: exp.Expr, left: Operand, right: Operand) -> None:
    """RefusedError where two columns are not compared at the source as here."""
    if not any(left.kind.name in family and right.kind.name in family for family in _FAMILIES):
        raise refuse(node, "type", "columns of these types are compared by rules that differ", "Declare both as one type.")
    if "numeric" in (left.kind.name, right.kind.name) and None in (_scale(left), _scale(right)):
        raise refuse(node, "type", "NaN among decimals is ordered otherwise", "Declare numeric(p,s).")
    if "timestamp with time zone" in (left.kind.of.name, right.kind.of.name) and left.kind.of.name != right.kind.of.name:
        raise refuse(node, "time_zone", "the comparison depends on the session's time zone", "Use timestamp without time zone.")


def _scale(operand: Operand) -> int | None:
    return 0 if operand.kind.name == "integer" else operand.kind.scale


def _is(node: exp.Expr, resolve: Resolve, wanted: bool) -> Filter:
    if not isinstance(node.expression, exp.Null):
        raise refuse(node, "not_on_list", "IS is taken with NULL only")
    operand = _operand(node.this, resolve)
    if operand.kind.raw:  # it may be missing, or an array, of which {field: None} would look at the elements
        null = {"$in": [{"$type": operand.reference}, NOTHING_THERE]}
        return {"$expr": null if wanted else {"$not": [null]}}
    return {operand.field: None} if wanted else {operand.field: {"$ne": None}}


def _folded(node: exp.Expr, items: Sequence[exp.Expr], resolve: Resolve, wanted: bool) -> Filter:
    """``upper(x)`` or ``lower(x)`` is one of constants."""
    operand = _compared(node.this, resolve)
    if operand.kind.name != "text":
        raise refuse(node, "type", "of something that is no text")
    regex = {"$regex": cases.regex(node, [str(constant(item, Kind("text", _TEXT))) for item in items]), "$options": "s"}
    return {operand.field: regex} if wanted else {operand.field: {"$not": regex, "$ne": None}}


def _in(node: exp.Expr, resolve: Resolve, wanted: bool) -> Filter:
    if not node.expressions:
        raise refuse(node, "not_on_list", "IN a sub-query")
    if cases.is_folded(node.this):
        return _folded(node.this.unnest(), node.expressions, resolve, wanted)
    operand = _compared(node.this, resolve)
    values = [constant(item, operand.kind) for item in node.expressions]
    return {operand.field: {"$in": values}} if wanted else {operand.field: {"$nin": [None, *values]}}  # NOT IN is not true for NULL


def _between(node: exp.Expr, resolve: Resolve, wanted: bool) -> Filter:
    operand = _compared(node.this, resolve)
    low, high = (constant(node.args[name], operand.kind) for name in ("low", "high"))
    if wanted:
        return {"$and": [compared(operand, "$gte", low), compared(operand, "$lte", high)]}
    return {"$or": [compared(operand, "$lt", low), compared(operand, "$gt", high)]}


def _like(node: exp.Expr, resolve: Resolve, wanted: bool) -> Filter:
    operand = _compared(node.this, resolve)
    if operand.kind.name != "text":
        raise refuse(node, "type", "LIKE over something that is no text")
    regex = {"$regex": like_regex(node), "$options": "s"}
    return {operand.field: regex} if wanted else {operand.field: {"$not": regex, "$ne": None}}


def like_regex(node: exp.Expr) -> str:
    """A LIKE pattern as a regular expression that means the same to PCRE and others: whole text, code points, line ends are no limits."""
    pattern = str(constant(node.expression, Kind("text", _TEXT)))
    made, escaped = "", False
    for sign in pattern:
        if escaped or sign not in "\\%_":
            made, escaped = made + cases.escaped(sign), False
        elif sign == "\\":
            escaped = True
        else:
            made += r"[\s\S]*" if sign == "%" else r"[\s\S]"
    if escaped:
        raise refuse(node, "like_pattern", "LIKE pattern must not end with escape character")
    return f"^{made}(?![\\s\\S])"


def _column(node: exp.Expr, resolve: Resolve, wanted: bool) -> Filter:
    operand = _operand(node, resolve)
    if operand.kind.name != "boolean" or operand.kind.raw:
        raise refuse(node, "type", "a condition that is no truth value")
    return {operand.field: wanted}


def _constant(node: exp.Expr, resolve: Resolve, wanted: bool) -> Filter:
    return {} if bool(node.this) == wanted else NOTHING


_LEAVES: Mapping[type[exp.Expr], Callable[[exp.Expr, Resolve, bool], Filter]] = {
    exp.Is: _is, exp.In: _in, exp.Between: _between, exp.Like: _like, exp.Column: _column, exp.Boolean: _constant,
}  # fmt: skip


def coarse(parts: Sequence[exp.Expr], resolve: Resolve) -> Filter | None:
    """A filter over the stored documents, for the source's indexes: it takes *at least* all documents in which all ``parts`` are true."""
    found = [made for part in parts if (made := _coarse(part.unnest(), resolve)) is not None]
    return None if not found else found[0] if len(found) == 1 else {"$and": found}


def _coarse(node: exp.Expr, resolve: Resolve) -> Filter | None:
    if node.args.get("negate"):
        return None
    try:
        if isinstance(node, exp.And):
            return coarse(list(node.flatten()), resolve)
        if isinstance(node, exp.In) and node.expressions:
            operand = _operand(node.this, resolve)
            return _stored(operand, "$in", [constant(item, operand.kind) for item in node.expressions])
        if isinstance(node, exp.Between):
            operand = _operand(node.this, resolve)
            both = [_stored(operand, sign, constant(node.args[name], operand.kind)) for sign, name in (("$gte", "low"), ("$lte", "high"))]
            return None if None in both else {"$and": both}
        if type(node) in _SIGNS and not isinstance(node, exp.NEQ):
            operand = _operand(node.this, resolve)
            return _stored(operand, _SIGNS[type(node)], constant(node.expression, operand.kind))
    except RefusedError:
        pass  # it is only a help
    return None


def _stored(operand: Operand, sign: str, value: Any) -> Filter | None:  # noqa: ANN401
    """None where a stored value of another type may become one that compares so (doubles: decimals are rounded to them)."""
    if operand.stored is None or operand.kind.raw or operand.kind.name not in ("integer", "numeric", "text", "date", "timestamp"):
        return None
    if operand.kind.name == "numeric" and operand.kind.scale is None:
        return None  # NaN
    if operand.kind.name != "text":
        return {operand.stored: {sign: value}}
    if sign not in ("$eq", "$in"):
        return {"$or": [{operand.stored: {sign: value}}, {operand.stored: {"$type": "objectId"}}]}
    texts = value if sign == "$in" else [value]
    return {operand.stored: {"$in": [*texts, *(ObjectId(text) for text in texts if ObjectId.is_valid(text))]}}
