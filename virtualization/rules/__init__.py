"""Rewrites of a bound query that change its shape and never its answer: AST in, AST out, one file each, applied in this order."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from virtualization.rules.drop_unused_ctes import drop_unused_ctes
from virtualization.rules.expand_array_literals import expand_array_literals
from virtualization.rules.flatten_joins import flatten_joins
from virtualization.rules.inline_single_ctes import inline_single_ctes
from virtualization.rules.prune_columns import prune_columns
from virtualization.rules.push_filters import push_filters
from virtualization.rules.strip_literal_casts import strip_literal_casts

Rule = Callable[[exp.Query], exp.Query]

RULES: tuple[Rule, ...] = (
    flatten_joins,
    strip_literal_casts,
    expand_array_literals,
    drop_unused_ctes,
    inline_single_ctes,
    push_filters,
    prune_columns,
)


def rewrite(query: exp.Query) -> exp.Query:
    """All rules once, in order; ``query`` may be changed."""
    for rule in RULES:
        query = rule(query)
    return query
