"""EXISTS and IN with a sub-query over one table, as a semi-join or an anti-join: see ``lookups``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.planner.properties import conjuncts, has_query, used_aliases
from virtualization.refusal import refuse

_PARTS = frozenset({"expressions", "from_", "where", "distinct"})
"""Which rows there are does not depend on DISTINCT."""


@dataclass(frozen=True)
class SubQuery:
    """``keys``: (condition, the side of the sub-query's table, the other side)."""

    kind: Literal["semi", "anti", "not_in"]
    table: VirtualTable
    own: tuple[exp.Expr, ...]
    keys: tuple[tuple[exp.Expr, exp.Expr, exp.Expr], ...]


def sub_query(node: exp.Expr, tables: Mapping[str, VirtualTable]) -> SubQuery:
    """Of a condition with a sub-query inside; RefusedError for any other form."""
    call, wanted = node.unnest(), True
    while isinstance(call, exp.Not):
        call, wanted = call.this.unnest(), not wanted
    if call.args.get("negate"):
        wanted = not wanted
    if isinstance(call, exp.Exists):
        alias, table, select = _select(node, call.this, tables)
        first: list[tuple[exp.Expr, exp.Expr, exp.Expr]] = []
    elif isinstance(call, exp.In) and call.args.get("query") is not None and not has_query(call.this):
        alias, table, select = _select(node, call.args["query"], tables)
        if len(select.selects) != 1 or used_aliases(select.selects[0]) != {alias}:
            raise refuse(node, "not_on_list", "what the sub-query gives is no column of its table")
        first = [(node, select.selects[0].unalias(), call.this)]
    else:
        raise refuse(node, "not_on_list", "sub-queries are taken with EXISTS and IN, joined by AND")
    own, keys = _conditions(node, select, alias)
    negative: Literal["anti", "not_in"] = "not_in" if first else "anti"
    return SubQuery("semi" if wanted else negative, table, own, (*first, *keys))


def _select(node: exp.Expr, query: exp.Expr, tables: Mapping[str, VirtualTable]) -> tuple[str, VirtualTable, exp.Select]:
    while isinstance(query, exp.Subquery) and not any(value for name, value in query.args.items() if name != "this"):
        query = query.this
    if not isinstance(query, exp.Select) or any(value for name, value in query.args.items() if name not in _PARTS):
        raise refuse(node, "not_on_list", "the sub-query is more than columns, one table and conditions")
    source = query.args["from_"].this if query.args.get("from_") else None
    if not isinstance(source, exp.Table) or source.alias_or_name not in tables or source.args.get("joins") or source.args.get("sample"):
        raise refuse(node, "not_a_table", "FROM of the sub-query is not one table of this source")
    if any(item.find(exp.AggFunc) for item in query.selects):
        raise refuse(node, "not_on_list", "the sub-query makes one row of many")
    return source.alias_or_name, tables[source.alias_or_name], query


def _conditions(
    node: exp.Expr, select: exp.Select, alias: str
) -> tuple[tuple[exp.Expr, ...], tuple[tuple[exp.Expr, exp.Expr, exp.Expr], ...]]:
    where = select.args.get("where")
    own, keys = [], []
    for part in conjuncts(where.this if where is not None else None):
        if has_query(part):
            raise refuse(node, "not_on_list", "a sub-query inside a sub-query")
        if used_aliases(part) <= {alias}:
            own.append(part)
            continue
        sides = [(part.this, part.expression), (part.expression, part.this)] if type(part) is exp.EQ else []
        found = next((pair for pair in sides if used_aliases(pair[0]) == {alias} and alias not in used_aliases(pair[1])), None)
        if found is None:
            raise refuse(node, "join", "the sub-query looks at the rows outside by more than what is equal")
        keys.append((part, *found))
    return tuple(own), tuple(keys)
