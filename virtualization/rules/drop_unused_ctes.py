"""WITH x AS (…) that nobody reads is not run: PostgreSQL does not run it either."""

from __future__ import annotations

from sqlglot import exp


def drop_unused_ctes(query: exp.Query) -> exp.Query:
    """Repeated until nothing goes: one unread query may be the only reader of another."""
    while _drop(query):
        pass
    return query


def _drop(query: exp.Query) -> bool:
    dropped = False
    for with_ in list(query.find_all(exp.With)):
        for cte in list(with_.expressions):
            if not _readers(query, cte):
                cte.pop()
                dropped = True
        if not with_.expressions:
            with_.pop()
    return dropped


def _readers(query: exp.Query, cte: exp.CTE) -> int:
    """Names shadow each other: with several of one name, any reader counts for all. Its own body (recursion) does not count."""
    inside = {id(table) for table in cte.this.find_all(exp.Table)}
    return sum(1 for table in query.find_all(exp.Table) if not table.db and table.name == cte.alias and id(table) not in inside)
