"""Functions of texts that count in code points on both sides. Upper and lower case are a matter of ``conditions``: MongoDB knows ASCII's
letters only."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from virtualization.connectors.mongodb.types import BITS, Kind
from virtualization.connectors.mongodb.values import TEXT, Handler, Value, Values, check, of_kind
from virtualization.refusal import refuse
from virtualization.types import pg_type

_LONGEST = 2**31 - 1


def length(made: Values, node: exp.Expr) -> Value:
    """In characters."""
    check(node)
    text = of_kind(node, made.value(node.this), "text").expression
    # $strLenCP fails for null
    return Value({"$cond": [{"$eq": [text, None]}, None, {"$strLenCP": text}]}, Kind("integer", pg_type("integer")))


def substring(made: Values, node: exp.Expr) -> Value:
    """From a constant place, of a constant length."""
    check(node, "start", "length")
    start = _count(node, node.args.get("start"), 1)
    given = node.args.get("length")
    return _part(made, node, start - 1, _LONGEST if given is None else _count(node, given, 0))


def left(made: Values, node: exp.Expr) -> Value:
    """The first characters."""
    check(node)
    return _part(made, node, 0, _count(node, node.expression, 0))


def _part(made: Values, node: exp.Expr, start: int, size: int) -> Value:
    text = of_kind(node, made.value(node.this), "text").expression
    return Value({"$cond": [{"$eq": [text, None]}, None, {"$substrCP": [text, start, size]}]}, TEXT)  # of null it is ""


def _count(node: exp.Expr, given: exp.Expr | None, least: int) -> int:
    if not isinstance(given, exp.Literal) or given.is_string or not given.name.isdigit() or not least <= int(given.name) <= _LONGEST:
        raise refuse(node, "substring", f"only constants from {least} on")
    return int(given.name)


def joined(made: Values, node: exp.Expr) -> Value:
    """``||``: null where one is null, on both sides."""
    values = []
    for part in node.flatten(unnest=True):
        value = made.value(part)
        if value.kind.name != "text":
            raise refuse(node, "not_text", "only texts are joined at the source", "Cast to text first.")
        values.append(value.expression)
    return Value({"$concat": values}, TEXT)


def first_present(made: Values, node: exp.Expr) -> Value:
    """``coalesce`` of values of one type, or of integers."""
    check(node, "expressions")
    values = [made.value(part) for part in (node.this, *node.expressions)]
    kinds = [value.kind for value in values]
    if all(kind.name == "integer" for kind in kinds):
        kinds = [max(kinds, key=lambda kind: BITS[kind.of.name])]
    if len(set(kinds)) > 1:
        raise refuse(node, "type", "values of several types")
    return Value({"$ifNull": [value.expression for value in values]}, kinds[0])


HANDLERS: Mapping[type[exp.Expr], Handler] = {
    exp.Length: length, exp.Substring: substring, exp.Left: left, exp.DPipe: joined, exp.Coalesce: first_present,
}  # fmt: skip
