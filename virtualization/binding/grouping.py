"""What a block that groups may show: PostgreSQL refuses a column that is neither grouped by nor inside an aggregate (42803).

Engines behind this one are more lenient (a source of another kind may pick any row's value), so it is refused here, before anybody is
asked. A block groups when it has GROUP BY or HAVING, or calls an aggregate in its outputs or its ORDER BY.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp

from virtualization.errors import GroupingError

_NAMES = """any_value every bit_and bit_or bit_xor json_agg json_agg_strict json_object_agg json_object_agg_strict json_object_agg_unique
    json_object_agg_unique_strict jsonb_agg jsonb_agg_strict jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique
    jsonb_object_agg_unique_strict range_agg range_intersect_agg regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope
    regr_sxx regr_sxy regr_syy xmlagg"""
AGGREGATES = frozenset(_NAMES.split())
"""Those that sqlglot has no class for."""
_WINDOW_CALLS = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.CumeDist, exp.Ntile, exp.Lag, exp.Lead, exp.FirstValue,
                 exp.LastValue, exp.NthValue)  # fmt: skip
_SETS = (exp.Rollup, exp.Cube, exp.GroupingSets, exp.Tuple)


def check_grouping(node: exp.Select, names: Mapping[str, str]) -> None:
    """GroupingError for a bound block that shows a column that it may not. ``names``: its sources' names by alias, for the message."""
    group = node.args.get("group")
    having, order = node.args.get("having"), node.args.get("order")
    shown = [item.unalias() for item in node.selects]
    shown += [having.this] if having is not None else []
    shown += [key.this for key in order.expressions] if order is not None else []
    if group is None and having is None and not any(_has_aggregate(item) for item in shown):
        return
    keys = list(_keys(group, node)) if group is not None else []
    for item in shown:
        column = _ungrouped(item, keys, names)
        if column is not None:
            raise GroupingError(
                f'column "{names[column.table]}.{column.name}" must appear in the GROUP BY clause or be used in an aggregate function'
            )


def _keys(group: exp.Group, node: exp.Select) -> Iterator[exp.Expr]:
    parts = [*group.expressions, *(part for name in ("rollup", "cube", "grouping_sets") for part in group.args.get(name) or [])]
    while parts:
        part = parts.pop().unnest()
        if isinstance(part, _SETS):
            parts += part.expressions
        elif isinstance(part, exp.Literal) and not part.is_string and part.name.isdigit():
            yield node.selects[int(part.name) - 1].unalias().unnest()
        else:
            yield part


def is_aggregate(node: exp.Expr) -> bool:
    """An aggregate, as opposed to a call over a window."""
    if isinstance(node, exp.Filter):
        return is_aggregate(node.this)
    holder = node.parent
    while isinstance(holder, exp.Filter):
        holder = holder.parent
    if isinstance(holder, exp.Window) and holder.this.find(type(node)) is not None:
        return False
    if isinstance(node, exp.Anonymous):
        return isinstance(node.this, str) and node.this.lower() in AGGREGATES
    return isinstance(node, exp.WithinGroup) or (isinstance(node, exp.AggFunc) and not isinstance(node, _WINDOW_CALLS))


def _has_aggregate(node: exp.Expr) -> bool:
    """Of this block: not inside a sub-query."""
    return any(is_aggregate(inner) for inner in node.walk(prune=lambda inner: isinstance(inner, exp.Query)))


def _ungrouped(node: exp.Expr, keys: list[exp.Expr], names: Mapping[str, str]) -> exp.Column | None:
    """The first column of this block's sources that is no key and in no aggregate. In sub-queries, too; there an aggregate over it may
    belong to this block, so what is inside one is let pass."""
    stack = [node]
    while stack:
        inner = stack.pop()
        if any(inner.unnest() == key for key in keys) or is_aggregate(inner) or isinstance(inner, exp.Grouping):
            continue
        if isinstance(inner, exp.Column) and inner.table in names:
            return inner
        stack += list(inner.iter_expressions())
    return None
