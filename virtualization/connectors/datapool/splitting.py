"""A query as what each shard does and what is done with the shards' rows afterwards.

whole      one shard knows the answer: the query as it is
union      the shards' answers one after the other
ordered    each shard's first rows, merged
partial    each shard's groups (see ``partials``), merged
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from virtualization.connectors.datapool.locality import Locality, is_grouped, resolved, scattered
from virtualization.connectors.datapool.partials import Partials, column, merge_from
from virtualization.connectors.datapool.rows import Rows, ScatteredError
from virtualization.duckdb_sql.kinds import Kind

MergeOf = Callable[[Sequence[Kind]], exp.Select]


@dataclass(frozen=True)
class Split:
    """``shard``: for each shard; ``merge``: makes, from the kinds of the shard's columns (named c0, c1 … in table ``__f0``), the query
    over all their rows, None: the rows as they are. ``first``: (offset, limit) of rows as they are. ``unlimited``: the shard's query
    without ORDER BY and LIMIT, should a shard not be able to order."""

    shard: exp.Query
    rows: Rows
    merge: MergeOf | None = None
    first: tuple[int, int | None] = (0, None)
    unlimited: exp.Query | None = None


def split(query: exp.Query, locality: Locality) -> Split:
    """ScatteredError where the answer can't be put together from the shards' own answers."""
    try:
        rows = locality.query(query, {})
        if rows.at_one or not any(query.args.get(part) for part in ("order", "limit", "offset")):
            return Split(query, rows)
    except ScatteredError:
        rows = None  # perhaps without its end, or in parts
    limits = _limits(query)
    core = _without_end(query)
    try:
        rows = rows or locality.query(core, {})
    except ScatteredError as reason:
        return _in_parts(query, locality, limits, reason)
    return _ordered(query, core, rows, limits)


def _in_parts(query: exp.Query, locality: Locality, limits: tuple[int, int | None], reason: ScatteredError) -> Split:
    """Groups and distinct rows that lie on several shards."""
    if isinstance(query, exp.Union) and query.args.get("distinct"):
        core = _without_end(query)
        assert isinstance(core, exp.Union)
        every = core.copy()
        every.set("distinct", False)
        return Split(core, locality.query(every, {}), lambda kinds: _merged(query, len(query.selects), distinct=True))
    if not isinstance(query, exp.Select):
        raise reason
    rows = locality.block(query, locality.with_(query, {}))
    if is_grouped(query):
        partials = Partials(query, rows)
        return Split(partials.shard(), rows, partials.merge)
    distinct = query.args.get("distinct")
    if distinct is None or distinct.args.get("on") or query.find(exp.Window):
        raise reason
    core = _without_end(query)
    made = _ordered(query, core, rows, limits)
    return Split(made.shard, rows, lambda kinds: _merged(query, len(query.selects), distinct=True), unlimited=core)


def _ordered(query: exp.Query, core: exp.Query, rows: Rows, limits: tuple[int, int | None]) -> Split:
    """Each shard's first rows; without ORDER BY any rows will do."""
    offset, limit = limits
    order = query.args.get("order")
    shard = core.copy()
    if order is None:
        if limit is not None:
            shard.set("limit", exp.Limit(expression=exp.Literal.number(limit + offset)))
        return Split(shard, rows, first=limits, unlimited=core)
    places = [_place(shard, item.this) for item in order.expressions]
    hidden = shard.copy()
    if limit is not None:
        shard.set("order", exp.Order(expressions=_order(order, [exp.Literal.number(place + 1) for place in places])))
        shard.set("limit", exp.Limit(expression=exp.Literal.number(limit + offset)))
    return Split(shard, rows, lambda kinds: _merged(query, len(query.selects), places=places), unlimited=hidden)


def _place(core: exp.Query, key: exp.Expr) -> int:
    """Which output an item of ORDER BY is; a new one behind the others where it is none."""
    if not isinstance(core, exp.Select):
        if isinstance(key, exp.Literal) and key.name.isdigit():
            return int(key.name) - 1
        raise scattered(key, "ordinal", "a set operation is ordered by positions only")
    wanted = resolved(core, key)
    for place, item in enumerate(core.selects):
        if item.unalias() == wanted:
            return place
    if core.args.get("distinct") is not None:
        raise scattered(key, "ordinal", "SELECT DISTINCT is ordered by its outputs only")
    core.select(exp.alias_(wanted.copy(), f"order{len(core.selects)}", quoted=True), copy=False)
    return len(core.selects) - 1


def _merged(query: exp.Query, outputs: int, *, distinct: bool = False, places: Sequence[int] | None = None) -> exp.Select:
    """``SELECT c0, c1 … FROM __f0`` with the query's own end."""
    made = merge_from([column(place) for place in range(outputs)])
    if distinct:
        made.set("distinct", exp.Distinct())
    order = query.args.get("order")
    if order is not None:
        if places is None:
            places = [_place(query.copy(), item.this) for item in order.expressions]
        keys = [exp.Literal.number(place + 1) if place < outputs else column(place) for place in places]
        made.set("order", exp.Order(expressions=_order(order, keys)))
    for part in ("limit", "offset"):
        made.set(part, query.args[part].copy() if query.args.get(part) is not None else None)
    return made


def _order(order: exp.Expr, keys: Sequence[exp.Expr]) -> list[exp.Expr]:
    made = []
    for item, key in zip(order.expressions, keys, strict=True):
        copy = item.copy()
        copy.set("this", key)
        made.append(copy)
    return made


def _without_end(query: exp.Query) -> exp.Query:
    core = query.copy()
    for part in ("order", "limit", "offset"):
        core.set(part, None)
    return core


def _limits(query: exp.Query) -> tuple[int, int | None]:
    """(offset, limit); plain numbers only."""
    numbers: list[int | None] = []
    for part in ("offset", "limit"):
        node = query.args.get(part)
        number = node.args.get("expression") if node is not None else None
        if node is not None and not (isinstance(number, exp.Literal) and number.name.isdigit()):
            raise scattered(node, "limit", "only constant numbers of rows are taken")
        numbers.append(int(number.name) if number is not None else None)
    return numbers[0] or 0, numbers[1]
