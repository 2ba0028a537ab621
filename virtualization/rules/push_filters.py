"""WHERE conditions about one derived table move into it, so that they reach its source.

Only where they filter the same rows: the derived table is joined by inner joins (or preserved by LEFT joins), is one SELECT without
LIMIT, DISTINCT, windows, set-returning or volatile outputs, or a set operation of such whose arms give the column the same type (so
that a view over yearly partitions reads the year asked for). Under GROUP BY only conditions about group keys move.
"""

from __future__ import annotations

from sqlglot import exp

from virtualization.binding.datatypes import type_of
from virtualization.planner.properties import (
    call_name,
    conjunction,
    conjuncts,
    defined_aliases,
    has_query,
    is_volatile,
    used_aliases,
)

_SETS = frozenset(("generate_series", "unnest", "regexp_split_to_table", "string_to_table", "jsonb_array_elements", "json_array_elements"))


def push_filters(query: exp.Query) -> exp.Query:
    """In place, outer blocks first, so that a condition falls as deep as it may."""
    for select in list(query.find_all(exp.Select)):
        _push(select)
    return query


def _push(select: exp.Select) -> None:
    where = select.args.get("where")
    targets = _derived_tables(select) if where is not None else {}
    if not targets or where is None:
        return
    stay = []
    for condition in conjuncts(where.this):
        names = used_aliases(condition)
        target = targets.get(next(iter(names))) if len(names) == 1 else None
        if target is None or has_query(condition) or is_volatile(condition) or not _into_all(target, condition):
            stay.append(condition)
    left = conjunction(stay)
    select.set("where", exp.Where(this=left) if left is not None else None)


def _derived_tables(select: exp.Select) -> dict[str, list[exp.Select]]:
    """The arms (most often one) of derived tables whose rows the WHERE clause filters one by one."""
    from_, joins = select.args.get("from_"), select.args.get("joins") or []
    if from_ is None or any((join.side or "").upper() in ("RIGHT", "FULL") for join in joins):
        return {}
    items = [from_.this, *(join.this for join in joins if not join.side)]
    found = {}
    for item in items:
        arms = _arms(item.this) if isinstance(item, exp.Subquery) and item.alias and not item.args.get("joins") else []
        if arms and all(_is_transparent(arm) for arm in arms):
            found[item.alias] = arms
    return found


def _arms(query: exp.Expr) -> list[exp.Select]:
    """The SELECTs of a set operation (a filter of its rows is one of each arm's rows), or the one SELECT; none for other forms."""
    if isinstance(query, exp.Select):
        return [query]
    if not isinstance(query, exp.SetOperation) or any(query.args.get(part) for part in ("order", "limit", "offset", "with_")):
        return []
    left, right = _arms(query.this), _arms(query.expression)
    return [*left, *right] if left and right else []


def _is_transparent(inner: exp.Expr) -> bool:
    if not isinstance(inner, exp.Select) or inner.args.get("from_") is None:
        return False
    if any(inner.args.get(part) for part in ("limit", "offset", "distinct", "windows", "with_")):
        return False
    for item in inner.selects:
        for node in item.walk():
            if isinstance(node, exp.Window | exp.Unnest | exp.GenerateSeries | exp.ExplodingGenerateSeries | exp.Explode):
                return False
            if call_name(node) in _SETS:
                return False
    return not is_volatile(inner)


def _into_all(arms: list[exp.Select], condition: exp.Expr) -> bool:
    """Move one condition into every arm, or into none: False when an output that it names may not be filtered earlier."""
    names = [item.alias for item in arms[0].selects]
    outputs = [dict(zip(names, (item.unalias() for item in arm.selects), strict=False)) for arm in arms]
    wanted = {column.name for column in condition.find_all(exp.Column)}
    if any(len(arm.selects) != len(names) for arm in arms) or not wanted <= set(names):
        return False
    if len(arms) > 1 and any(not _same_type([of[name] for of in outputs]) for name in wanted):
        return False  # the set operation would bring them to one type first
    if not all(_may(arm, [of[name] for name in wanted]) for arm, of in zip(arms, outputs, strict=True)):
        return False
    for arm, of in zip(arms, outputs, strict=True):
        _move(arm, condition, of)
    return True


def _same_type(values: list[exp.Expr]) -> bool:
    told = {type_of(value) for value in values}
    return len(told) == 1 and None not in told


def _may(inner: exp.Select, wanted: list[exp.Expr]) -> bool:
    keys = _group_keys(inner)
    if any(isinstance(column_star(value), exp.Star) for value in wanted):
        return False
    if keys is not None and any(value not in keys for value in wanted):
        return False
    if keys is None and any(isinstance(node, exp.AggFunc) for value in wanted for node in value.walk()):
        return False
    if any(has_query(value) or _is_untyped(value) for value in wanted):
        return False
    return _only_own_columns(inner, wanted)


def _move(inner: exp.Select, condition: exp.Expr, outputs: dict[str, exp.Expr]) -> None:
    moved = exp.Paren(this=condition.copy())
    for column in list(moved.find_all(exp.Column)):
        value = outputs[column.name].copy()
        column.replace(value if isinstance(value, exp.Column) else exp.Paren(this=value))
    own = inner.args.get("where")
    parts = [*conjuncts(own.this if own is not None else None), *conjuncts(moved)]
    condition_ = conjunction(parts)
    inner.set("where", exp.Where(this=condition_) if condition_ is not None else None)


def _group_keys(inner: exp.Select) -> list[exp.Expr] | None:
    """None: no grouping at all. Aggregates without GROUP BY give one row, whatever is filtered: no keys."""
    group = inner.args.get("group")
    if group is None:
        grouped = inner.args.get("having") is not None or any(
            isinstance(node, exp.AggFunc) or call_name(node) is not None for item in inner.selects for node in item.walk()
        )
        return [] if grouped else None
    if any(isinstance(item, exp.Rollup | exp.Cube | exp.GroupingSets) for item in group.expressions):
        return []  # a key may be NULL in some of the rows
    if any(group.args.get(part) for part in ("rollup", "cube", "grouping_sets", "all")):
        return []
    return [item for item in group.expressions if isinstance(item, exp.Column)]


def column_star(value: exp.Expr) -> exp.Expr:
    """What a column names: an identifier or a star."""
    return value.this if isinstance(value, exp.Column) else value


def _is_untyped(value: exp.Expr) -> bool:
    """A string literal gets the type text as an output, but another one inside a comparison."""
    return isinstance(value, exp.Null) or (isinstance(value, exp.Literal) and value.is_string)


def _only_own_columns(inner: exp.Select, wanted: list[exp.Expr]) -> bool:
    """A LATERAL table may show columns of its neighbours: those can't be filtered inside."""
    own = defined_aliases(inner)
    return all(used_aliases(value) <= own for value in wanted)
