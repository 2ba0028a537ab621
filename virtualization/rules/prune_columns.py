"""Outputs of derived tables and of common table expressions that nobody reads are not made, so that sources need not send them."""

from __future__ import annotations

from sqlglot import exp

from virtualization.planner.properties import call_name, is_volatile

_SET_RETURNING = (exp.Unnest, exp.GenerateSeries, exp.ExplodingGenerateSeries, exp.Explode)


def prune_columns(query: exp.Query) -> exp.Query:
    """In place, outer blocks first: what an outer block does not read, it does not ask of the inner one either."""
    for subquery in list(query.find_all(exp.Subquery)):
        if subquery.alias and isinstance(subquery.parent, exp.From | exp.Join) and isinstance(subquery.this, exp.Select):
            _prune(subquery.this, _read(query, subquery.alias))
    return query


def _read(query: exp.Query, alias: str) -> set[str] | None:
    """Names read of ``alias``; None: its whole row."""
    names = set()
    for column in query.find_all(exp.Column):
        if column.table == alias:
            if isinstance(column.this, exp.Star):
                return None
            names.add(column.name)
    return names


def _prune(inner: exp.Select, read: set[str] | None) -> None:
    if read is None or inner.args.get("distinct") is not None or _has_ordinals(inner):
        return  # DISTINCT counts every output; ordinals would shift
    keep = [item for item in inner.selects if item.alias in read or _must_stay(item)]
    if not keep:
        keep = inner.selects[:1]
    if inner.args.get("group") is None and _aggregates(inner.selects) and not _aggregates(keep):
        keep.append(next(item for item in inner.selects if _aggregates([item])))  # else the one row would become many
    if len(keep) < len(inner.selects):
        inner.set("expressions", keep)


def _must_stay(item: exp.Expr) -> bool:
    """A set-returning function makes rows; unknown functions may; a volatile one has an effect."""
    return is_volatile(item) or any(isinstance(node, _SET_RETURNING) or call_name(node) is not None for node in item.walk())


def _aggregates(items: list[exp.Expr]) -> bool:
    return any(isinstance(node, exp.AggFunc) for item in items for node in item.walk())


def _has_ordinals(inner: exp.Select) -> bool:
    order, group = inner.args.get("order"), inner.args.get("group")
    items = [item.this for item in order.expressions] if order is not None else []
    items += group.expressions if group is not None else []
    return any(isinstance(item, exp.Literal) for item in items)
