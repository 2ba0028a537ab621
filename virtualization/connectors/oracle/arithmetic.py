"""Calculating with numbers, where every digit is certain: Oracle has no integers that overflow and 38 digits that are exact."""

from __future__ import annotations

from sqlglot import exp

from virtualization.connectors.oracle import literals
from virtualization.connectors.oracle.expressions import Expressions, Handler
from virtualization.connectors.oracle.values import INTEGERS, MOST_DIGITS, Value, integer, wider
from virtualization.refusal import refuse

_WIDTH = "Declare the columns with fewer digits, for example numeric(15,2)."
_MOST_QUOTIENT_DIGITS = 36
"""Of dividend and divisor together: the 38 digits of a quotient then tell on which side of a whole number it lies."""


def number(node: exp.Expr, value: Value) -> Value:
    """RefusedError where it is none, or its digits are not known."""
    if value.kind != "number":
        raise refuse(node, "type", f"{value.pg} is not calculated with at the source")
    if value.whole is None or value.scale is None:
        raise refuse(node, "scale", "how many digits its values have is not known", _WIDTH)
    return value


def _operands(made: Expressions, node: exp.Expr) -> tuple[Value, Value]:
    return number(node, made.value(node.this)), number(node, made.value(node.expression))


def _made(node: exp.Expr, text: str, parts: tuple[Value, ...], size: tuple[int, int, int]) -> Value:
    """``size``: (largest, digits before, digits behind the point)."""
    largest, whole, scale = size
    nullable = any(part.nullable for part in parts)
    if all(part.is_integer for part in parts):
        of = parts[0].pg
        for part in parts:
            of = wider(of, part.pg)
        if largest > INTEGERS[of]:
            raise refuse(node, "overflow", f"it could leave {of}, an error here and none there", "Declare a column bigint or numeric(p,s).")
        return integer(text, of, largest, nullable=nullable)
    if whole + scale > MOST_DIGITS:
        raise refuse(node, "precision", f"the result may need more than {MOST_DIGITS} digits", _WIDTH)
    return Value(text, "numeric", whole, scale, nullable=nullable)


def _largest(value: Value) -> int:
    return value.largest if value.largest is not None else 0


def _sum(sign: str) -> Handler:
    def made(made: Expressions, node: exp.Expr) -> Value:
        left, right = _operands(made, node)
        scale = max(left.scale or 0, right.scale or 0)
        size = (_largest(left) + _largest(right), max(left.whole or 0, right.whole or 0) + 1, scale)
        return _made(node, f"({left.text} {sign} {right.text})", (left, right), size)

    return made


def product(made: Expressions, node: exp.Expr) -> Value:
    """``*``"""
    left, right = _operands(made, node)
    size = (_largest(left) * _largest(right), (left.whole or 0) + (right.whole or 0), (left.scale or 0) + (right.scale or 0))
    return _made(node, f"({left.text} * {right.text})", (left, right), size)


def quotient(made: Expressions, node: exp.Expr) -> Value:
    """``/`` of integers, which cuts off the fraction."""
    left, right = _operands(made, node)
    if not (left.is_integer and right.is_integer):
        raise refuse(node, "numeric_division", "PostgreSQL chooses the digits of a numeric quotient by its value")
    if (left.whole or 0) + (right.whole or 0) > _MOST_QUOTIENT_DIGITS:
        raise refuse(node, "precision", "the quotient may need more digits than the source keeps", _WIDTH)
    return _made(node, f"TRUNC({left.text} / {right.text})", (left, right), (_largest(left), 0, 0))


def remainder(made: Expressions, node: exp.Expr) -> Value:
    """``%`` by a constant: by zero it is an error here and the dividend there."""
    left, right = _operands(made, node)
    if right.literal is None or not float(right.literal):
        raise refuse(node, "division_by_zero", "the remainder of a division by zero is no error at the source")
    scale = max(left.scale or 0, right.scale or 0)
    return _made(node, f"MOD({left.text}, {right.text})", (left, right), (_largest(right), right.whole or 0, scale))


def negative(made: Expressions, node: exp.Expr) -> Value:
    """``-x``"""
    value = number(node, made.value(node.this))
    literal = None if value.literal is None else f"-{value.literal}"
    return value.but(text=f"(-{value.text})", pg=value.pg if value.is_integer else "numeric", literal=literal, column=False)


def absolute(made: Expressions, node: exp.Expr) -> Value:
    """``abs``"""
    value = number(node, made.value(node.this))
    return value.but(text=f"ABS({value.text})", pg=value.pg if value.is_integer else "numeric", literal=None, column=False)


def _whole(name: str) -> Handler:
    def made(made: Expressions, node: exp.Expr) -> Value:
        value = number(node, made.value(node.this))
        if value.is_integer or node.args.get("to") is not None or node.args.get("decimals") is not None:
            raise refuse(node, "type", f"{name} of an integer is a double here")
        return Value(f"{name}({value.text})", "numeric", (value.whole or 0) + 1, 0, nullable=value.nullable)

    return made


def rounded(made: Expressions, node: exp.Expr) -> Value:
    """``round`` of a numeric: halves away from zero on both sides."""
    value, given = number(node, made.value(node.this)), node.args.get("decimals")
    places = 0 if given is None else literals.whole_number(given)
    if value.is_integer or places is None or not 0 <= places <= MOST_DIGITS or node.args.get("truncate"):
        raise refuse(node, "round", "only numerics are rounded, to a constant number of places")
    return Value(f"ROUND({value.text}, {places})", "numeric", (value.whole or 0) + 1, places, nullable=value.nullable)


HANDLERS: dict[type[exp.Expr], Handler] = {
    exp.Mul: product, exp.Div: quotient, exp.Mod: remainder, exp.Neg: negative, exp.Abs: absolute,
    exp.Ceil: _whole("CEIL"), exp.Floor: _whole("FLOOR"), exp.Round: rounded,
}  # fmt: skip

plus, minus = _sum("+"), _sum("-")
