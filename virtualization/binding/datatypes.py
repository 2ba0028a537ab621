"""PostgreSQL type names <-> sqlglot types, and the types of the expressions for which PostgreSQL's rule is simple and certain.

Anything else has no type: whoever needs one asks the executor. sqlglot's own annotator is not used: it follows no one dialect
(``sum(bigint)`` is numeric in PostgreSQL, ``avg(integer)`` too).
"""

from __future__ import annotations

import re
from functools import lru_cache

from sqlglot import exp
from sqlglot.errors import SqlglotError

_CANONICAL = {
    "int": "integer", "int4": "integer", "int8": "bigint", "int2": "smallint", "float8": "double precision", "float4": "real",
    "bool": "boolean", "decimal": "numeric", "varchar": "character varying", "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone", "time": "time without time zone", "timetz": "time with time zone",
}  # fmt: skip
_INTEGERS = ("smallint", "integer", "bigint")
_PREDICATES = (exp.Predicate, exp.Not, exp.And, exp.Or, exp.Exists, exp.Boolean, exp.LogicalAnd, exp.LogicalOr)
_MOVING = (exp.Min, exp.Max, exp.Paren, exp.FirstValue, exp.LastValue)


@lru_cache(maxsize=2000)
def data_type(text: str) -> exp.DataType:
    """The sqlglot form of a PostgreSQL type name; what sqlglot does not know becomes a user-defined type of that name."""
    try:
        return exp.DataType.build(text, dialect="postgres")
    except SqlglotError:
        return exp.DataType(this=exp.DType.USERDEFINED, kind=text)


@lru_cache(maxsize=2000)
def _written(text: str) -> str:
    lowered = text.lower()
    base, bracket, rest = lowered.partition("(")
    if lowered.endswith("[]"):
        return _written(lowered[:-2]) + "[]"
    return _CANONICAL.get(base, base) + bracket + rest


def type_name(of: exp.DataType) -> str:
    """The PostgreSQL name, as near to ``format_type`` as the tree allows."""
    return _written(of.sql("postgres"))


def type_of(node: exp.Expr) -> str | None:
    """PostgreSQL's type of a bound expression where it is certain, else None."""
    if isinstance(node, exp.Alias | exp.Ordered):
        return type_of(node.this)
    if isinstance(node, exp.Column):
        return type_name(node.type) if node.type is not None and not isinstance(node.this, exp.Star) else None
    if isinstance(node, exp.Cast):
        return type_name(node.to)
    if isinstance(node, _PREDICATES):
        return "boolean"
    if isinstance(node, exp.Count | exp.RowNumber):
        return "bigint"
    if isinstance(node, _MOVING):
        return _without_modifier(type_of(node.this))
    return _number_type(node)


def _number_type(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Literal) and not node.is_string:
        if not node.name.isdigit():
            return "numeric"
        value = int(node.name)
        return "integer" if value < 2**31 else "bigint" if value < 2**63 else "numeric"
    if isinstance(node, exp.Neg):
        return _LOWEST.get(_whole(node.this)) or type_of(node.this)
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div):
        left, right = type_of(node.this), type_of(node.expression)
        if left in _INTEGERS and right in _INTEGERS:
            return max(left, right, key=_INTEGERS.index)
    if isinstance(node, exp.Sum):
        return {"smallint": "bigint", "integer": "bigint", "bigint": "numeric"}.get(type_of(node.this) or "")
    return None


_LOWEST = {str(2**31): "integer", str(2**63): "bigint"}
"""Whole numbers that fit a type with their sign only."""


def _whole(node: exp.Expr) -> str:
    node = node.unnest()
    return node.name if isinstance(node, exp.Literal) and not node.is_string else ""


def _without_modifier(text: str | None) -> str | None:
    """min(numeric(12,2)) is plain numeric in PostgreSQL."""
    return None if text is None else re.sub(r"\([0-9, ]+\)", "", text)


def same_type(left: str | None, right: str | None) -> str | None:
    """The type of a set operation's column where both arms agree."""
    return left if left == right else None
