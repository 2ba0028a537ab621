"""postgres_fdw casts every constant: ``5::integer``, ``'a'::text``, ``LIMIT 10::bigint``. A cast to the type it has anyway goes;
numbers that PostgreSQL writes in quotes (``'5'::bigint``, ``'300'::numeric``) are numbers again."""

from __future__ import annotations

import re

from sqlglot import exp

from virtualization.binding.datatypes import type_of

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Like, exp.ILike)
_LISTS = (exp.Ordered, exp.Group, exp.Rollup, exp.Cube, exp.GroupingSets, exp.Distinct)
_TEXT = exp.DType.TEXT
_NUMBERS = (exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT, exp.DType.DECIMAL)
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_INT4 = 2**31 - 1


def strip_literal_casts(query: exp.Query) -> exp.Query:
    """In place."""
    for cast in list(query.find_all(exp.Cast)):
        _unquote_number(cast)
        literal = _number_or_text(cast.this)
        if literal is None or _is_listed(cast):
            continue
        if _is_natural(cast, literal) or _is_limit(cast) or _is_compared_text(cast, literal):
            cast.replace(cast.this)
    return query


def _unquote_number(cast: exp.Cast) -> None:
    text = cast.this.name if isinstance(cast.this, exp.Literal) and cast.this.is_string else ""
    if cast.to.this not in _NUMBERS or cast.to.expressions or isinstance(cast, exp.TryCast) or not _INTEGER.fullmatch(text):
        return
    number = exp.Literal.number(text.removeprefix("-"))
    cast.set("this", exp.paren(exp.Neg(this=number)) if text.startswith("-") else number)


def _number_or_text(node: exp.Expr) -> exp.Literal | None:
    """The literal inside brackets and a sign."""
    while isinstance(node, exp.Paren | exp.Neg):
        node = node.this
    return node if isinstance(node, exp.Literal) else None


def _is_listed(cast: exp.Cast) -> bool:
    """``ORDER BY 2::integer`` is a constant; ``ORDER BY 2`` is the second column."""
    parent = cast.parent
    while isinstance(parent, exp.Paren | exp.Tuple):
        parent = parent.parent
    return isinstance(parent, _LISTS)


def _is_natural(cast: exp.Cast, literal: exp.Literal) -> bool:
    """``5::integer`` is the type that 5 has; 5000000000 is a bigint; other numbers keep their cast (it changes type or value)."""
    if literal.is_string or not literal.name.isdigit() or isinstance(cast, exp.TryCast):
        return False
    value = int(literal.name)
    if cast.to.this == exp.DType.INT:
        return value <= _INT4
    return cast.to.this == exp.DType.BIGINT and _INT4 < value < 2**63


def _is_limit(cast: exp.Cast) -> bool:
    """LIMIT and OFFSET are bigint whatever they are written as."""
    return (
        isinstance(cast.parent, exp.Limit | exp.Offset)
        and cast.to.this == exp.DType.BIGINT
        and isinstance(cast.this, exp.Literal)
        and not cast.this.is_string
        and cast.this.name.isdigit()
    )


def _is_text(of: str | None) -> bool:
    """varchar compares as text does."""
    return of is not None and (of == "text" or of.startswith("character varying"))


def _is_compared_text(cast: exp.Cast, literal: exp.Literal) -> bool:
    """``name = 'a'::text`` where name is text or varchar: an untyped literal becomes text there by itself."""
    parent = cast.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    if not literal.is_string or cast.to.this != _TEXT or cast.to.expressions or not isinstance(parent, _COMPARISONS):
        return False
    if isinstance(cast.this, exp.Neg):
        return False
    return all(side.find(exp.Cast) is cast or _is_text(type_of(_bare(side))) for side in (parent.this, parent.expression))


def _bare(node: exp.Expr) -> exp.Expr:
    while isinstance(node, exp.Paren):
        node = node.this
    return node
