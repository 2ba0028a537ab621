"""What a plain join of one source moves, beside what its tables would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from virtualization.binding.datatypes import type_of
from virtualization.catalog import VirtualTable
from virtualization.planner.costs import Apart, Moved
from virtualization.planner.estimates import Known, joined_rows, known_of, rows_by_alias, shares
from virtualization.planner.properties import conjuncts, is_base_table, used_aliases
from virtualization.types import row_bytes

_TELLING = 0.3
"""Keys that are more than this share of the rows of who takes them, or of the values that the column has, are not worth telling."""

_FEWER = ("group", "having", "distinct", "limit", "offset", "windows", "with_")


@dataclass(frozen=True)
class JoinSizes:
    """``parts``: its tables after their own filters."""

    parts: Sequence[Moved]
    joined: Moved
    apart: Apart
    hashed: float
    """Bytes that the source puts into hash tables to join them."""


def join_sizes(query: exp.Expr, tables: Mapping[str, VirtualTable], most_keys: int) -> JoinSizes | None:
    """``most_keys``: so many each of the tables would take. None where it is no plain inner join of tables whose sizes, and all of whose
    join columns, are known: a guess is no reason to fetch whole tables."""
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
    parts: dict[str, Moved] = {}
    for item in items:
        filters = [part for part in conditions if used_aliases(part) == {item.alias}]
        columns = {column.name: type_of(column) or "text" for column in query.find_all(exp.Column) if column.table == item.alias}
        parts[item.alias] = Moved(max(1.0, rows_of[item.alias] * shares(filters, known)), row_bytes(columns.values()))
    width = row_bytes(type_of(item) or "text" for item in query.selects)
    joined = Moved(max(1.0, joined_rows(query, rows_of, known)), width)
    sizes = [part.rows * part.width for part in parts.values()]
    hashed = sum(sizes) - max(sizes)  # the source reads through the widest of them, past hash tables of the others
    return JoinSizes(list(parts.values()), joined, _apart(parts, ties, known, most_keys), hashed)


def _apart(parts: Mapping[str, Moved], ties: Sequence[exp.Expr], known: Known, most_keys: int) -> Apart:
    made, keys = dict(parts), 0.0
    for tie in ties:
        sides = [tie.this, tie.expression] if isinstance(tie, exp.EQ) else []
        if len(sides) < 2 or not all(isinstance(side, exp.Column) for side in sides):
            continue
        giver, taker = sorted(sides, key=lambda side: made[side.table].rows)
        given, taken, rows = known(giver), known(taker), made[taker.table].rows
        told = min(given.among(made[giver.table].rows), made[giver.table].rows) if given is not None else rows
        if taken is not None and told <= min(most_keys, taken.distinct * _TELLING, rows * _TELLING):
            made[taker.table], keys = Moved(rows * told / taken.distinct, made[taker.table].width), keys + told
    return Apart(list(made.values()), keys)


def _conditions(query: exp.Select) -> list[exp.Expr]:
    where = query.args.get("where")
    on = [part for join in query.args["joins"] for part in conjuncts(join.args.get("on"))]
    return [*on, *conjuncts(where.this if where is not None else None)]
