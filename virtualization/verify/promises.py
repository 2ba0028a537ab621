"""What SQL promises of a statement, read from its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from sqlglot import exp

from virtualization.parse import parse
from virtualization.verify.answers import Promise

_FOLDS = re.compile(r"\b(case|coalesce)\b", re.IGNORECASE)
_SUMS = re.compile(r"\b(sum|avg|stddev\w*|var\w*|covar\w*|corr|regr\w*)\s*\(", re.IGNORECASE)
_ORDERS = re.compile(r"\b(order|limit|offset|fetch)\b", re.IGNORECASE)
"""What parsing would look for: most statements have neither."""


@lru_cache(maxsize=8)
def promise_of(sql: str) -> Promise:
    """Of a statement whose outer ORDER BY, if any, names columns by number (the generator's do)."""
    folds = _FOLDS.search(sql) is not None
    if _ORDERS.search(sql) is None:
        return Promise(folds=folds)
    query = parse(sql)
    order = query.args.get("order")
    cut = query.args.get("limit") is not None or query.args.get("offset") is not None
    numbers = [_number(part.this) for part in order.expressions] if order is not None else []
    if any(number is None for number in numbers):
        return Promise((), cut, folds)
    return Promise(tuple(number - 1 for number in numbers if number is not None), cut, folds)


def sums(sql: str) -> bool:
    """Does it add values of several rows up?"""
    return _SUMS.search(sql) is not None


def without_cut(sql: str) -> str:
    """The statement without its outer LIMIT and OFFSET."""
    query = parse(sql).copy()
    query.set("limit", None)
    query.set("offset", None)
    return query.sql("postgres")


def spared(sql: str) -> Iterator[str]:
    """Texts that compute what conditions and joins may spare: ``unconditional``, and it with the rows of inner joins that find no other,
    those of the left side and those of the right one."""
    whole = unconditional(sql)
    yield whole
    for side in ("LEFT", "RIGHT"):
        query = parse(whole).copy()
        inner = [join for join in query.find_all(exp.Join) if not join.side and join.args.get("on") is not None]
        for join in inner:
            join.set("kind", None)
            join.set("side", side)
        if inner:
            yield query.sql("postgres")


def unconditional(sql: str) -> str:
    """The statement with all its rows: no HAVING or LIMIT, all branches of set operations, and a WHERE that is computed, every part of it,
    and always true."""
    query = parse(sql).copy()
    for where in list(query.find_all(exp.Where)):
        whole = exp.Coalesce(this=where.this.transform(_both_sides), expressions=[exp.true()])
        where.set("this", exp.Not(this=exp.Is(this=whole, expression=exp.null())))
    for select in list(query.find_all(exp.Select)):
        for clause in ("having", "limit", "offset"):
            select.set(clause, None)
    for operation in list(query.find_all(exp.Except, exp.Intersect)):
        union = exp.Union(**operation.args)
        union.set("distinct", False)
        if operation is query:
            query = union
        else:
            operation.replace(union)
    return query.sql("postgres")


def _both_sides(node: exp.Expr) -> exp.Expr:
    """AND and OR as a sum, which needs both of its sides."""
    if not isinstance(node, (exp.And, exp.Or)):
        return node
    sides = [exp.cast(exp.paren(side.transform(_both_sides)), "int") for side in (node.this, node.expression)]
    return exp.paren(exp.GT(this=exp.Add(this=sides[0], expression=sides[1]), expression=exp.Literal.number(-1)))


def _number(node: exp.Expr) -> int | None:
    return int(node.name) if isinstance(node, exp.Literal) and node.is_int else None
