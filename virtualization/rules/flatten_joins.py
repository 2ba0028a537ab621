"""postgres_fdw brackets every join: ``FROM ((a JOIN b ON …) LEFT JOIN c ON …)``. Brackets that change nothing go, commas become CROSS JOIN.

What is left of brackets is a join on the right of a join, where they mean something.
"""

from __future__ import annotations

from sqlglot import exp

from virtualization.planner.joins import from_parts, join_tree


def flatten_joins(query: exp.Query) -> exp.Query:
    """In place."""
    for select in list(query.find_all(exp.Select)):
        tree = join_tree(select)
        if tree is not None:
            from_, joins = from_parts(tree)
            select.set("from_", from_)
            select.set("joins", joins)
    return query
