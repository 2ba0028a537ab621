"""A block with GROUP BY or aggregates as groups that come from below: its outputs, HAVING and ORDER BY over what is computed there."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from virtualization.planner.partial_aggregates import Aggregates, Below, WholeError
from virtualization.planner.properties import has_query, is_row_by_row

Read = Callable[[exp.Column], exp.Expr]
"""What a column of the inside becomes above."""

_HOLDERS = ("expressions", "having", "order")
_NEVER = ("windows", "qualify", "distinct", "with_", "laterals", "connect", "sample")


def is_plainly_grouped(select: exp.Select) -> bool:
    """One list of group keys or none, aggregates, no windows or sub-queries beside them."""
    if any(select.args.get(part) for part in _NEVER):
        return False
    group = select.args.get("group")
    if group is not None and any(value for name, value in group.args.items() if name != "expressions"):
        return False
    if group is not None and any(isinstance(key, exp.Rollup | exp.Cube | exp.GroupingSets | exp.Tuple) for key in group.expressions):
        return False
    parts = [part for holder in _HOLDERS for part in _parts(select, holder)]
    if any(has_query(part) or part.find(exp.Window) for part in parts):
        return False
    return group is not None or any(part.find(exp.AggFunc) for part in parts)


def _parts(select: exp.Select, holder: str) -> list[exp.Expr]:
    value = select.args.get(holder)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def aggregates_of(select: exp.Select) -> list[exp.Expr]:
    """All aggregates, with their FILTER."""
    found: list[exp.Expr] = []
    for holder in _HOLDERS:
        for part in _parts(select, holder):
            for node in part.find_all(exp.AggFunc):
                found.append(node.parent if isinstance(node.parent, exp.Filter) else node)
    return found


def regroup(select: exp.Select, below: Below, inside: frozenset[str], read: Read) -> None:
    """Rewrite outputs, HAVING, ORDER BY and group keys of ``select`` in place; ``read`` is asked for each column of ``inside`` that stands
    outside of an aggregate (and makes it a key below). WholeError where that can't be."""
    keyed = select.args.get("group") is not None
    found = [node for node in aggregates_of(select) if node.parent is not None]
    marks = {id(node): exp.Placeholder(this=f"aggregate{place}") for place, node in enumerate(found)}
    for node in found:  # taken out, so that only columns of groups are left
        node.replace(marks[id(node)])
    for holder in (*_HOLDERS, "group", "where", "joins", "from_"):
        for part in _parts(select, holder):
            if holder in _HOLDERS and not _is_of_groups(part):
                raise WholeError
            for column in list(part.find_all(exp.Column)):
                if column.table in inside:
                    column.replace(read(column))
    rewriting = Aggregates(below, inside, keyed)
    for node in found:
        marks[id(node)].replace(rewriting.above(node))
    if not below.keys and keyed:
        raise WholeError  # one row from nothing would be a group


def _is_of_groups(part: exp.Expr) -> bool:
    """Nothing but values of a group: what is on no list may be an aggregate too."""
    inner = part.this if isinstance(part, exp.Having) else part
    values = [one.this for one in inner.expressions] if isinstance(inner, exp.Order) else [inner]
    return all(is_row_by_row(_unmarked(value)) for value in values)


def _unmarked(value: exp.Expr) -> exp.Expr:
    made = value.copy()
    for mark in list(made.find_all(exp.Placeholder)):
        if mark is made:
            return exp.Null()
        mark.replace(exp.Null())
    return made
