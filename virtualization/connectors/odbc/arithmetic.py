"""Calculating with exact numbers, where every digit is certain and nothing leaves its type: overflow is an error here, and often none
there. Doubles are not calculated with: an infinite result is an error here."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from virtualization.connectors.odbc.constants import whole_number
from virtualization.connectors.odbc.expressions import Expressions, Handler
from virtualization.connectors.odbc.values import INTEGERS, Digits, Operand, integer, made
from virtualization.refusal import refuse

_WIDTH = "Declare the columns with fewer digits, for example numeric(15,2)."
_MOST_SCALE = 30
"""Digits behind the point that no product cuts off."""

_INTEGER_DIGITS = 19
"""So many digits count for an integer beside a decimal: products differ in what they take a constant for."""


def number(node: exp.Expr, value: Operand) -> tuple[Operand, Digits]:
    """RefusedError where it is none, or its digits are not known."""
    if value.digits is None or value.family not in ("integer", "decimal"):
        raise refuse(node, "type", f"{value.of.text} of its type at the source is not calculated with there")
    return value, value.digits


def _operands(made_by: Expressions, node: exp.Expr) -> tuple[tuple[Operand, Digits], tuple[Operand, Digits]]:
    found = [number(node, made_by.operand(side)) for side in (node.this, node.expression)]
    return found[0], found[1]


def result(made_by: Expressions, node: exp.Expr, sql: str, parts: Sequence[tuple[Operand, Digits]], size: Digits) -> Operand:
    """Of a calculation; ``size``: what it may need. RefusedError where that is too much."""
    known = made_by.known
    if all(part.family == "integer" for part, _ in parts):
        of = max((part.of.name for part, _ in parts), key=lambda name: INTEGERS[name])
        if size.largest is None or size.largest > INTEGERS[of]:
            raise refuse(node, "overflow", f"it could leave {of}, an error here and maybe none there", "Cast to bigint or numeric first.")
        return integer(sql, of, size.largest, known)
    if not known.form("decimal").calculated or size.whole + size.scale > known.most_digits or size.scale > _MOST_SCALE:
        raise refuse(node, "precision", f"the result may need more than {known.most_digits} digits", _WIDTH)
    return made(sql, "numeric", "decimal", known, Digits(size.whole, size.scale))


def _wide(part: tuple[Operand, Digits]) -> int:
    value, digits = part
    return max(digits.whole, _INTEGER_DIGITS if value.family == "integer" else 0)


def _sum(sign: str) -> Handler:
    def made_of(made_by: Expressions, node: exp.Expr) -> Operand:
        parts = left, right = _operands(made_by, node)
        mixed = any(value.family == "decimal" for value, _ in parts)
        whole = max(map(_wide, parts)) if mixed else max(left[1].whole, right[1].whole)
        size = Digits(whole + 1, max(left[1].scale, right[1].scale), (left[1].largest or 0) + (right[1].largest or 0))
        return result(made_by, node, f"({left[0].value} {sign} {right[0].value})", parts, size)

    return made_of


plus, minus = _sum("+"), _sum("-")


def product(made_by: Expressions, node: exp.Expr) -> Operand:
    """``*``"""
    parts = left, right = _operands(made_by, node)
    mixed = any(value.family == "decimal" for value, _ in parts)
    whole = sum(map(_wide, parts)) + 1 if mixed else left[1].whole + right[1].whole
    size = Digits(whole, left[1].scale + right[1].scale, (left[1].largest or 0) * (right[1].largest or 0))
    return result(made_by, node, f"({left[0].value} * {right[0].value})", parts, size)


def _by_constant(name: str) -> Handler:
    """``/`` and ``%`` of integers by a constant: a division by zero is an error here, and NULL at some sources."""

    def made_of(made_by: Expressions, node: exp.Expr) -> Operand:
        left, right = _operands(made_by, node)
        if left[0].family != "integer" or right[0].family != "integer":
            raise refuse(node, "numeric_division", "PostgreSQL chooses the digits of a numeric quotient by its value")
        divisor = whole_number(node.expression)
        if not divisor:
            raise refuse(node, "division_by_zero", "a division by zero is no error at every source", "Divide by a constant.")
        largest = (left[1].largest or 0) // abs(divisor) if name == "divide" else abs(divisor) - 1
        if name == "divide" and divisor == -1:
            largest += 1  # the least integer has no counterpart
        sql = made_by.called(node, name, left[0].value, right[0].value)
        return result(made_by, node, sql, (left, right), Digits(len(str(largest)), 0, largest))

    return made_of


def negative(made_by: Expressions, node: exp.Expr) -> Operand:
    """``-x`` of a decimal; the least integer has no counterpart."""
    value, digits = number(node, made_by.operand(node.this))
    size = Digits(digits.whole, digits.scale, None if digits.largest is None else _mirrored(value, digits))
    return result(made_by, node, f"(-{value.value})", [(value, digits)], size)


def absolute(made_by: Expressions, node: exp.Expr) -> Operand:
    """``abs``"""
    value, digits = number(node, made_by.operand(node.this))
    size = Digits(digits.whole, digits.scale, None if digits.largest is None else _mirrored(value, digits))
    return result(made_by, node, made_by.called(node, "abs", value.value), [(value, digits)], size)


def _mirrored(value: Operand, digits: Digits) -> int:
    largest = digits.largest or 0
    return largest + 1 if largest == INTEGERS[value.of.name] else largest


def _whole(name: str) -> Handler:
    def made_of(made_by: Expressions, node: exp.Expr) -> Operand:
        value, digits = number(node, made_by.operand(node.this))
        if value.family == "integer" or node.args.get("to") is not None or node.args.get("decimals") is not None:
            raise refuse(node, "type", f"{name} of an integer is a double here")
        return result(made_by, node, made_by.called(node, name, value.value), [(value, digits)], Digits(digits.whole + 1, 0))

    return made_of


def rounded(made_by: Expressions, node: exp.Expr) -> Operand:
    """``round`` of a decimal to fewer places: halves away from zero on both sides."""
    value, digits = number(node, made_by.operand(node.this))
    places = whole_number(node.args["decimals"]) if node.args.get("decimals") is not None else 0
    if value.family == "integer" or places is None or not 0 <= places <= digits.scale or node.args.get("truncate"):
        raise refuse(node, "round", "only numerics are rounded, to a constant number of places that they have")
    sql = made_by.called(node, "round", value.value, places, digits.whole + 1 + places)
    return result(made_by, node, sql, [(value, digits)], Digits(digits.whole + 1, places))


HANDLERS: dict[type[exp.Expr], Handler] = {
    exp.Add: plus, exp.Mul: product, exp.Div: _by_constant("divide"), exp.Mod: _by_constant("remainder"), exp.Neg: negative,
    exp.Abs: absolute, exp.Ceil: _whole("ceil"), exp.Floor: _whole("floor"), exp.Round: rounded,
}  # fmt: skip
