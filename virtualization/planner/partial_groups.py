"""Which blocks of a statement have groups computed below their joins and unions, at a source that takes them: where that moves less.

A source is asked for the groups before anything is decided for good; what it declines is planned as if nobody had thought of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from sqlglot import exp

from virtualization.binding.datatypes import type_of
from virtualization.planner.costs import Moved, grouping_pays
from virtualization.planner.eager_joins import candidates, grouped_below
from virtualization.planner.estimates import group_count, joined_rows, known_of, query_rows, rows_by_alias
from virtualization.planner.grouped_blocks import is_plainly_grouped
from virtualization.planner.offers import Offers
from virtualization.planner.partial_aggregates import WholeError
from virtualization.planner.properties import base_tables
from virtualization.planner.union_groups import grouped_arms
from virtualization.types import row_bytes

ALIAS = "__p"


def with_partial_groups(query: exp.Query, offers: Offers) -> exp.Query | None:
    """A copy of ``query`` with such groups; None where there are none."""
    if not any(_may(select) for select in query.find_all(exp.Select)):
        return None
    made = query.copy()
    numbers, changed = itertools.count(), False
    for select in reversed(list(made.find_all(exp.Select))):
        block = _over_union(select, offers) or _over_join(select, offers, f"{ALIAS}{next(numbers)}")
        if block is not None:
            changed = True
            if select is made:
                made = block
            else:
                select.replace(block)
    return made if changed else None


def _may(select: exp.Select) -> bool:
    from_ = select.args.get("from_")
    is_over = bool(select.args.get("joins")) or (from_ is not None and isinstance(from_.this, exp.Subquery))
    return is_over and is_plainly_grouped(select)


def _over_union(select: exp.Select, offers: Offers) -> exp.Select | None:
    try:
        found = grouped_arms(select)
    except WholeError:
        return None
    if found is None or len({offers.tables[table.alias].source for table in base_tables(select)}) < 2:
        return None
    return found.block if any([_taken(arm, offers, unknown=True) for arm in found.arms]) else None


def _over_join(select: exp.Select, offers: Offers, alias: str) -> exp.Select | None:
    for inside in candidates(select, offers.tables):
        try:
            found = grouped_below(select, inside, alias, offers.tables)
        except WholeError:
            continue
        if found is not None and _taken(found.inner, offers, unknown=False):
            return found.block
    return None


def _taken(inner: exp.Select, offers: Offers, *, unknown: bool) -> bool:
    """Does it pay, and does the source take it? ``unknown``: does it pay where nobody knows how many groups there are?"""
    source = offers.source_of(inner)
    if source is None:
        return False
    before, after = _moved(inner, offers)
    if offers.is_forced(inner) or (after is None and unknown):
        return offers.whole(inner) is not None
    if after is None:
        return False
    link = offers.link(source)
    worth = grouping_pays(before, after, link)
    if worth and offers.whole(inner) is None:
        return False
    instead = f"{after} instead of {before}; link {link}"
    offers.decide(f"groups are computed at {source} first: {instead}" if worth else f"groups are not computed at {source} first: {instead}")
    return worth


def _moved(inner: exp.Select, offers: Offers) -> tuple[Moved, Moved | None]:
    """Rows without and with groups; None: nobody knows."""
    known, rows_of = known_of(offers.tables), rows_by_alias(inner, offers.tables)
    rows = joined_rows(inner, rows_of, known)
    before = Moved(rows, _width(inner.find_all(exp.Column)))
    group = inner.args.get("group")
    if group is not None and group_count([_key(inner, key) for key in group.expressions], rows, known) is None:
        return before, None
    return before, Moved(query_rows(inner, rows_of, known), _width(inner.selects))


def _width(values: Iterable[exp.Expr]) -> float:
    """Bytes of a row with these values, each once."""
    return row_bytes({value.unalias().sql(): type_of(value) or "text" for value in values}.values())


def _key(inner: exp.Select, key: exp.Expr) -> exp.Expr:
    return inner.selects[int(key.name) - 1].unalias() if isinstance(key, exp.Literal) and key.name.isdigit() else key
