"""postgres_fdw writes IN as ``x = ANY ('{1,2,3}'::integer[])``, PostgreSQL itself as ``x = ANY (ARRAY[1, 2, 3])``: back to
``x IN (1, 2, 3)``, which every source knows."""

from __future__ import annotations

import re

from sqlglot import exp

from virtualization.binding.datatypes import type_of

_INTEGERS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
_ELEMENT = {"text": re.compile(r"[^\s\"\\{},]+"), "date": re.compile(r"\d{4}-\d\d-\d\d")}
_INTEGER = re.compile(r"-?\d{1,18}")


def expand_array_literals(query: exp.Query) -> exp.Query:
    """In place. Left alone: NULL or quoted elements, arrays of other types, left sides whose type is not sure."""
    for comparison in list(query.find_all(exp.EQ, exp.NEQ)):
        expanded = _expanded(comparison)
        if expanded is not None:
            comparison.replace(expanded)
    return query


def _expanded(comparison: exp.Binary) -> exp.Expr | None:
    array = _array(comparison)
    if array is None:
        return None
    left = type_of(comparison.this)
    elements = _listed(left, array) if isinstance(array, exp.Array) else _elements(left, *array)
    if elements is None:
        return None
    if not elements:  # = ANY of nothing is false, also for NULL; <> ALL of nothing is true
        return exp.Boolean(this=isinstance(comparison, exp.NEQ))
    result = exp.In(this=comparison.this, expressions=elements)
    return exp.Not(this=result) if isinstance(comparison, exp.NEQ) else result


def _array(comparison: exp.Binary) -> exp.Array | tuple[str, str] | None:
    """The array in ``= ANY`` or ``<> ALL``: its elements one by one, or (element type, text)."""
    right = comparison.expression
    if isinstance(comparison, exp.EQ) and isinstance(right, exp.Any):
        value = right.this
    elif isinstance(comparison, exp.NEQ) and isinstance(right, exp.Anonymous) and str(right.this).upper() == "ALL":
        value = right.expressions[0] if len(right.expressions) == 1 else None
    elif isinstance(comparison, exp.NEQ) and isinstance(right, exp.All):
        value = right.this
    else:
        return None
    value = value.unnest() if value is not None else None
    while isinstance(value, exp.Cast) and isinstance(inner := value.this.unnest(), exp.Cast) and type_of(inner) == type_of(value):
        value = inner  # a parameter, ('{1,2}'::integer[])::integer[]
    if isinstance(value, exp.Array):
        return value
    if not isinstance(value, exp.Cast) or not isinstance(value.this, exp.Literal) or not value.this.is_string:
        return None
    of = type_of(value)
    return (of[:-2], value.this.name) if of is not None and of.endswith("[]") else None


def _listed(left: str | None, array: exp.Array) -> list[exp.Expr] | None:
    """Literals of the left side's type; any integers beside an integer."""
    elements: list[exp.Expr] = list(array.expressions)
    types = {type_of(element) for element in elements}
    if not elements or not all(_literal(element) for element in elements):
        return None
    if left in _INTEGERS and types <= _INTEGERS.keys():
        numbers = [_text(element) for element in elements]
        return [_number(text) for text in numbers] if all(_INTEGER.fullmatch(text) for text in numbers) else None
    if left not in _ELEMENT or types != {left}:
        return None
    return [element.this if left == "text" and isinstance(element, exp.Cast) else element for element in elements]


def _literal(element: exp.Expr) -> bool:
    value = element.this if isinstance(element, exp.Cast | exp.Neg) else element
    return isinstance(value, exp.Literal)


def _text(element: exp.Expr) -> str:
    return f"-{element.this.name}" if isinstance(element, exp.Neg) else str(element.name or element.this.name)


def _elements(left: str | None, of: str, text: str) -> list[exp.Expr] | None:
    if not (text.startswith("{") and text.endswith("}")):
        return None
    parts = text[1:-1].split(",") if text != "{}" else []
    if left in _INTEGERS and of in _INTEGERS:
        if all(_INTEGER.fullmatch(part) and -_INTEGERS[of] <= int(part) < _INTEGERS[of] for part in parts):
            return [_number(part) for part in parts]
        return None
    if left != of or of not in _ELEMENT:
        return None
    if not all(_ELEMENT[of].fullmatch(part) and part.upper() != "NULL" for part in parts):
        return None
    literals: list[exp.Expr] = [exp.Literal.string(part) for part in parts]
    return literals if of == "text" else [exp.cast(literal, of, dialect="postgres") for literal in literals]


def _number(text: str) -> exp.Expr:
    literal = exp.Literal.number(text.lstrip("-").lstrip("0") or "0")
    return exp.Neg(this=literal) if text.startswith("-") else literal
