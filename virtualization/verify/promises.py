"""What SQL promises of a statement, read from its text."""

from __future__ import annotations

from sqlglot import exp

from virtualization.parse import parse
from virtualization.verify.answers import Promise


def promise_of(sql: str) -> Promise:
    """Of a statement whose outer ORDER BY, if any, names columns by number (the generator's do)."""
    query = parse(sql)
    order = query.args.get("order")
    cut = query.args.get("limit") is not None or query.args.get("offset") is not None
    numbers = [_number(part.this) for part in order.expressions] if order is not None else []
    if any(number is None for number in numbers):
        return Promise((), cut)
    return Promise(tuple(number - 1 for number in numbers if number is not None), cut)


def without_cut(sql: str) -> str:
    """The statement without its outer LIMIT and OFFSET."""
    query = parse(sql).copy()
    query.set("limit", None)
    query.set("offset", None)
    return query.sql("postgres")


def unconditional(sql: str) -> str:
    """The statement with all its rows: no WHERE, HAVING or LIMIT, and all branches of set operations."""
    query = parse(sql).copy()
    for select in list(query.find_all(exp.Select)):
        for clause in ("where", "having", "limit", "offset"):
            select.set(clause, None)
    for operation in list(query.find_all(exp.Except, exp.Intersect)):
        union = exp.Union(**operation.args)
        union.set("distinct", False)
        if operation is query:
            query = union
        else:
            operation.replace(union)
    return query.sql("postgres")


def _number(node: exp.Expr) -> int | None:
    return int(node.name) if isinstance(node, exp.Literal) and node.is_int else None
