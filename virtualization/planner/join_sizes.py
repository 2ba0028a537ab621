"""What a plain join of one source moves, beside what its tables would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from virtualization.binding.datatypes import type_of
from virtualization.catalog import VirtualTable
from virtualization.planner.costs import Moved
from virtualization.planner.estimates import joined_rows, known_of, rows_by_alias, shares
from virtualization.planner.properties import conjuncts, is_base_table, used_aliases
from virtualization.types import row_bytes

_FEWER = ("group", "having", "distinct", "limit", "offset", "windows", "with_")


@dataclass(frozen=True)
class JoinSizes:
    """``parts``: its tables after their own filters."""

    parts: Sequence[Moved]
    joined: Moved


def join_sizes(query: exp.Expr, tables: Mapping[str, VirtualTable]) -> JoinSizes | None:
    """None where it is no plain inner join of tables whose sizes, and all of whose join columns, are known: a guess is no reason to
    fetch whole tables."""
    if not isinstance(query, exp.Select) or not query.args.get("joins") or any(query.args.get(part) for part in _FEWER):
        return None
    joins = query.args["joins"]
    items = [query.args["from_"].this, *(join.this for join in joins)]
    if any(join.side for join in joins) or not all(is_base_table(item) and tables[item.alias].rows is not None for item in items):
        return None
    if any(item.find(exp.AggFunc) for item in query.selects):
        return None
    conditions = _conditions(query)
    known = known_of(tables)
    ties = [part for part in conditions if len(used_aliases(part)) > 1]
    if any(known(column) is None for tie in ties for column in tie.find_all(exp.Column)):
        return None
    rows_of = rows_by_alias(query, tables)
    parts = []
    for item in items:
        filters = [part for part in conditions if used_aliases(part) == {item.alias}]
        columns = {column.name: type_of(column) or "text" for column in query.find_all(exp.Column) if column.table == item.alias}
        parts.append(Moved(max(1.0, rows_of[item.alias] * shares(filters, known)), row_bytes(columns.values())))
    width = row_bytes(type_of(item) or "text" for item in query.selects)
    return JoinSizes(parts, Moved(max(1.0, joined_rows(query, rows_of, known)), width))


def _conditions(query: exp.Select) -> list[exp.Expr]:
    where = query.args.get("where")
    on = [part for join in query.args["joins"] for part in conjuncts(join.args.get("on"))]
    return [*on, *conjuncts(where.this if where is not None else None)]
