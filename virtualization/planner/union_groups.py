"""Groups below UNION ALL: each arm, most often a table of another source, adds up its own rows; their sums are added up here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from virtualization.binding.datatypes import data_type, type_of
from virtualization.planner.grouped_blocks import is_plainly_grouped, regroup
from virtualization.planner.partial_aggregates import Below, WholeError
from virtualization.planner.properties import free_aliases, is_row_by_row, is_volatile

_PLAIN = frozenset(("expressions", "from_", "joins", "where", "kind"))


@dataclass(frozen=True)
class UnionGroups:
    """``block``: what the block becomes; ``arms``: the grouped SELECTs, the same nodes as inside ``block``."""

    block: exp.Select
    arms: tuple[exp.Select, ...]


def grouped_arms(select: exp.Select) -> UnionGroups | None:
    """None where the block is no group over one UNION ALL of plain SELECTs. WholeError where an aggregate or a type can't be split."""
    union = _union(select)
    if union is None or not is_plainly_grouped(select) or free_aliases(select):
        return None
    arms = _arms(union)
    if len(arms) < 2 or not all(_is_plain(arm) for arm in arms) or len({len(arm.selects) for arm in arms}) > 1:
        return None
    made = select.copy()
    derived = made.args["from_"].this
    union = derived.this
    arms = _arms(union)
    outputs = {item.alias_or_name: place for place, item in enumerate(arms[0].selects)}
    types = [_common(place, arms) for place in range(len(arms[0].selects))]
    keyed = made.args.get("group") is not None
    below = Below(derived.alias, lambda value: True)

    def read(column: exp.Column) -> exp.Expr:
        return below.key(typed(column))

    def typed(column: exp.Column) -> exp.Column:
        of = types[outputs[column.name]]
        if of is None:
            raise WholeError
        copy = column.copy()
        copy.type = data_type(of)
        return copy

    for column in list(made.find_all(exp.Column)):
        if column.table == derived.alias and column.name in outputs and types[outputs[column.name]] is not None:
            column.type = data_type(types[outputs[column.name]] or "")
    derived.set("this", exp.Null())
    regroup(made, below, frozenset((derived.alias,)), read)
    derived.set("this", union)
    for arm in arms:
        values = dict(zip(outputs, zip((item.unalias() for item in arm.selects), types, strict=True), strict=True))
        _group(arm, below, values, keyed)
    return UnionGroups(made, tuple(arms))


def _union(select: exp.Select) -> exp.Union | None:
    from_ = select.args.get("from_")
    item = from_.this if from_ is not None else None
    if (
        not isinstance(item, exp.Subquery)
        or not item.alias
        or select.args.get("joins")
        or select.args.get("where")
        or item.args.get("joins")
    ):
        return None
    columns = item.args["alias"].args.get("columns")
    return item.this if isinstance(item.this, exp.Union) and not columns else None


def _arms(query: exp.Expr) -> list[exp.Select]:
    """Of a UNION ALL without an order or limit; none where it is another set operation."""
    if isinstance(query, exp.Select):
        return [query]
    if isinstance(query, exp.Subquery) and not any(value for name, value in query.args.items() if name != "this"):
        return _arms(query.this)
    if (
        not isinstance(query, exp.Union)
        or query.args.get("distinct")
        or any(query.args.get(part) for part in ("order", "limit", "offset", "with_"))
    ):
        return []
    left, right = _arms(query.this), _arms(query.expression)
    return [*left, *right] if left and right else []


def _is_plain(arm: exp.Select) -> bool:
    if arm.args.get("from_") is None or any(value for name, value in arm.args.items() if name not in _PLAIN):
        return False
    return all(is_row_by_row(item) and not isinstance(item.unalias(), exp.Star) for item in arm.selects) and not is_volatile(arm)


def _common(place: int, arms: list[exp.Select]) -> str | None:
    """The type of an output that all arms agree on; constants without a type are text where the others are."""
    values = [arm.selects[place].unalias() for arm in arms]
    types = {"text" if isinstance(value, exp.Literal) and value.is_string else type_of(value) for value in values}
    return types.pop() if len(types) == 1 else None


Values = Mapping[str, tuple[exp.Expr, str | None]]
"""What an arm has for each output of the union, and its type."""


def _group(arm: exp.Select, below: Below, values: Values, keyed: bool) -> None:
    """The arm's own groups in place of its rows; an arm of constant keys only is one group, or none where it has no rows."""
    items = [
        exp.Alias(this=_of_arm(item, values), alias=exp.to_identifier(f"c{place}", quoted=True))
        for place, (item, _) in enumerate(below.items)
    ]
    groups = [exp.Literal.number(place + 1) for place, item in enumerate(items[: below.keys]) if item.this.find(exp.Column)]
    arm.set("expressions", items)
    arm.set("group", exp.Group(expressions=groups) if groups else None)
    if keyed and not groups:
        arm.set("having", exp.Having(this=exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(0))))


def _of_arm(item: exp.Expr, values: Values) -> exp.Expr:
    made = item.copy()
    if isinstance(made, exp.Column):
        return _value(made, values)
    for column in list(made.find_all(exp.Column)):
        value = _value(column, values)
        column.replace(value if isinstance(value, exp.Column) else exp.Paren(this=value))
    return made


def _value(column: exp.Column, values: Values) -> exp.Expr:
    value, of = values[column.name]
    is_text = isinstance(value, exp.Literal) and value.is_string
    return exp.cast(value.copy(), of or "text", dialect="postgres") if is_text else value.copy()
