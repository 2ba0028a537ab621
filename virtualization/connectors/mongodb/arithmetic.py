"""Calculating with numbers. Integers: a result that leaves PostgreSQL's type ends the query, as there (MongoDB would go on with a double).
Numerics: where 34 digits hold every result there can be."""

from __future__ import annotations

from collections.abc import Mapping

from bson import Int64
from sqlglot import exp

from virtualization.binding.datatypes import type_name
from virtualization.connectors.mongodb.types import BITS, DECIMAL_DIGITS, Expression, Kind
from virtualization.connectors.mongodb.values import TEXT, Handler, Value, Values, check, numeric, of_kind
from virtualization.refusal import refuse
from virtualization.types import pg_type

_WIDTH = "Declare the columns with fewer digits, for example numeric(15,2)."
_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}


def number(made: Values, node: exp.Expr) -> Value:
    """RefusedError where it is none, or its digits are not known."""
    value = of_kind(node, made.value(node), "integer", "numeric")
    if value.kind.name == "numeric" and value.kind.shape is None:
        raise refuse(node, "precision", "how many digits its values have is not known", _WIDTH)
    return value


def _shape(value: Value) -> tuple[int, int]:
    """(digits before, digits after the point) at most."""
    if value.kind.name == "integer":
        return (len(value.literal.lstrip("-")) if value.literal is not None else _DIGITS[value.kind.of.name]), 0
    assert value.kind.shape is not None
    return value.kind.shape[0] - value.kind.shape[1], value.kind.shape[1]


def _decimal(value: Value) -> Expression:
    return {"$toDecimal": value.expression} if value.kind.name == "integer" else value.expression


def _wider(*values: Value) -> str:
    return max((value.kind.of.name for value in values), key=list(BITS).index)


def _whole(expression: Expression, of: str) -> Value:
    """An integer of type ``of``; the server ends the query (its error 40066) where it is beyond."""
    bits = BITS[of]
    held = [{"$gte": ["$$v", Int64(-(2**bits))]}, {"$lt": ["$$v", 2.0**bits]}]
    branches = [{"case": {"$eq": ["$$v", None]}, "then": None}, {"case": {"$and": held}, "then": {"$toLong": "$$v"}}]
    return Value({"$let": {"vars": {"v": expression}, "in": {"$switch": {"branches": branches}}}}, Kind("integer", pg_type(of)))


def _exact(node: exp.Expr, expression: Expression, whole: int, scale: int) -> Value:
    if whole + scale > DECIMAL_DIGITS:
        raise refuse(node, "precision", f"the result may need more than {DECIMAL_DIGITS} digits", _WIDTH)
    return Value(expression, numeric(whole + scale, scale))


def _integers(operator: str, left: Value, right: Value) -> Value:
    of = _wider(left, right)
    # 64 bits hold every result over 32; beyond them MongoDB calculates with doubles: decimals are exact as far as bigint reaches
    parts = [_decimal(left), _decimal(right)] if of == "bigint" else [left.expression, right.expression]
    return _whole({operator: parts}, of)


def _sum(operator: str) -> Handler:
    def made(made: Values, node: exp.Expr) -> Value:
        check(node)
        if (moved := _days(made, node, operator)) is not None:
            return moved
        left, right = number(made, node.this), number(made, node.expression)
        if left.kind.name == right.kind.name == "integer":
            return _integers(operator, left, right)
        (whole, scale), (more, other) = _shape(left), _shape(right)
        return _exact(node, {operator: [_decimal(left), _decimal(right)]}, max(whole, more) + 1, max(scale, other))

    return made


def _days(made: Values, node: exp.Expr, operator: str) -> Value | None:
    """The days between two dates."""
    left, right = made.value(node.this), made.value(node.expression)
    if operator != "$subtract" or not left.kind.name == right.kind.name == "date":
        return None
    milliseconds = {"$subtract": [{"$toLong": left.expression}, {"$toLong": right.expression}]}
    return Value({"$toLong": {"$divide": [milliseconds, Int64(86_400_000)]}}, Kind("integer", pg_type("integer")))


def product(made: Values, node: exp.Expr) -> Value:
    """``*``"""
    check(node)
    left, right = number(made, node.this), number(made, node.expression)
    if left.kind.name == right.kind.name == "integer":
        return _integers("$multiply", left, right)
    (whole, scale), (more, other) = _shape(left), _shape(right)
    return _exact(node, {"$multiply": [_decimal(left), _decimal(right)]}, whole + more, scale + other)


def _divided(made: Values, node: exp.Expr) -> tuple[Value, Value]:
    check(node)
    left, right = number(made, node.this), number(made, node.expression)
    if not left.kind.name == right.kind.name == "integer":
        raise refuse(node, "numeric_division", "PostgreSQL chooses the digits of a numeric quotient by its value")
    if right.literal is None or not int(right.literal):
        raise refuse(node, "division_by_zero", "a division by zero is another error at the source", "Divide by a constant.")
    return left, right


def quotient(made: Values, node: exp.Expr) -> Value:
    """``/`` of an integer by a constant one, which cuts off the fraction. 34 digits tell on which side of a whole number it lies."""
    left, right = _divided(made, node)
    return _whole({"$trunc": {"$divide": [_decimal(left), _decimal(right)]}}, _wider(left, right))


def remainder(made: Values, node: exp.Expr) -> Value:
    """``%`` of an integer by a constant one: the sign is the dividend's on both sides."""
    left, right = _divided(made, node)
    return _whole({"$mod": [left.expression, right.expression]}, _wider(left, right))


def negative(made: Values, node: exp.Expr) -> Value:
    """``-x``"""
    check(node)
    value = number(made, node.this)
    if value.kind.name == "integer":
        return _whole({"$multiply": [_decimal(value), Int64(-1)]}, value.kind.of.name)
    return _exact(node, {"$multiply": [value.expression, Int64(-1)]}, *_shape(value))


def absolute(made: Values, node: exp.Expr) -> Value:
    """``abs``"""
    check(node)
    value = number(made, node.this)
    if value.kind.name == "integer":
        return _whole({"$abs": _decimal(value)}, value.kind.of.name)
    return _exact(node, {"$abs": value.expression}, *_shape(value))


def _rounded(operator: str) -> Handler:
    def made(made: Values, node: exp.Expr) -> Value:
        check(node)
        value = number(made, node.this)
        if value.kind.name == "integer":
            raise refuse(node, "type", "of an integer it is a double here")
        return _exact(node, {operator: value.expression}, _shape(value)[0] + 1, 0)

    return made


def converted(made: Values, node: exp.Expr) -> Value:
    """Casts that lose nothing: integers to wider ones and to text."""
    check(node, "to")
    to = type_name(node.args["to"])
    value = made.value(node.this)
    if value.kind.name == "text" and to == "text":
        return Value(value.expression, TEXT)
    of_kind(node, value, "integer")
    if to in BITS and BITS[to] >= BITS[value.kind.of.name]:
        return Value(value.expression, Kind("integer", pg_type(to)))
    if to == "text":
        return Value({"$toString": value.expression}, TEXT)
    raise refuse(node, "cast", f"the cast to {to} of {value.kind.of.text}")


HANDLERS: Mapping[type[exp.Expr], Handler] = {
    exp.Add: _sum("$add"), exp.Sub: _sum("$subtract"), exp.Mul: product, exp.Div: quotient, exp.Mod: remainder, exp.Neg: negative,
    exp.Abs: absolute, exp.Ceil: _rounded("$ceil"), exp.Floor: _rounded("$floor"), exp.Cast: converted,
}  # fmt: skip
