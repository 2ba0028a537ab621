"""Aggregates in two steps: what is added up below, at a source, and how the parts become the answer above a join or a UNION ALL.

    count(x)      count(x)                   sum of the counts
    sum, min, …   the same                   the same again
    avg(x)        sum(x), count(x)           quotient of the two sums, which is what PostgreSQL's own average is

Only what is exact whatever the order: no doubles, no DISTINCT. A sum is cast below to the digits that it can have, so that the engine above
knows its scale. Below a join a value is also computed of rows that the join drops, so it must be one that can't fail.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlglot import exp

from virtualization.binding.datatypes import data_type, type_of
from virtualization.planner.properties import used_aliases
from virtualization.types import pg_type

_AGAIN = (exp.Min, exp.Max, exp.LogicalAnd, exp.LogicalOr)
KNOWN = (*_AGAIN, exp.Sum, exp.Count, exp.Avg)
INTEGERS = {"smallint": 5, "integer": 10, "bigint": 19}
"""Digits of whole numbers."""

MOST_DIGITS = 38
MORE_DIGITS = 13
"""No query adds up more than 10^13 rows."""

_KEYS = frozenset(
    {*INTEGERS, "text", "character varying", "date", "boolean", "uuid", "timestamp without time zone", "timestamp with time zone"}
)
_SAFE = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Case, exp.If, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT,
    exp.LTE, exp.And, exp.Or, exp.Not, exp.In, exp.Is, exp.Between, exp.Coalesce, exp.Cast, exp.DataType, exp.DataTypeParam, exp.Neg,
    exp.Add, exp.Sub, exp.Mul,
)  # fmt: skip


class WholeError(Exception):
    """It can't be split: the block is computed in one step."""


@dataclass(frozen=True)
class Number:
    """Exact numbers of one scale: ``whole`` names an integer type, None: numeric."""

    digits: int
    scale: int
    whole: str | None = None


def groups_alike(of: str | None) -> bool:
    """Do all values of this type that are equal look the same? Not floats, nor numerics of any scale, nor padded texts."""
    if of is None:
        return False
    known = pg_type(of)
    return not known.array and (known.name in _KEYS or (known.name == "numeric" and known.precision_and_scale is not None))


def number(node: exp.Expr) -> Number | None:
    """What exact number an expression gives, where that is certain and it can't overflow."""
    if isinstance(node, exp.Paren | exp.Neg):
        return number(node.this)
    if isinstance(node, exp.Case):
        return _branches([*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default")])
    if isinstance(node, exp.Coalesce):
        return _branches([node.this, *node.expressions])
    if isinstance(node, exp.Literal) and not node.is_string and node.name.replace(".", "").isdigit():
        digits = len(node.name.replace(".", ""))
        of = type_of(node)
        return Number(digits, len(node.name.partition(".")[2]), of if of in INTEGERS else None)
    if isinstance(node, exp.Add | exp.Sub | exp.Mul):
        return _calculated(node, number(node.this), number(node.expression))
    return _declared(type_of(node)) if isinstance(node, exp.Column) else None


def _declared(of: str | None) -> Number | None:
    if of in INTEGERS:
        return Number(INTEGERS[of], 0, of)
    shape = pg_type(of).precision_and_scale if of is not None and of.startswith("numeric") and not of.endswith("]") else None
    return Number(*shape) if shape is not None and 0 <= shape[1] <= shape[0] else None


def _calculated(node: exp.Expr, left: Number | None, right: Number | None) -> Number | None:
    if left is None or right is None or (left.whole and right.whole):  # whole numbers overflow
        return None
    if isinstance(node, exp.Mul):
        return Number(left.digits + right.digits, left.scale + right.scale)
    scale = max(left.scale, right.scale)
    return Number(max(left.digits - left.scale, right.digits - right.scale) + scale + 1, scale)


def _branches(values: list[exp.Expr | None]) -> Number | None:
    """One scale for all: a sum shows the largest that it met."""
    found = [number(value) for value in values if value is not None and not isinstance(value, exp.Null)]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found) or len({one.scale for one in known}) > 1 or len({bool(one.whole) for one in known}) > 1:
        return None
    return max(known, key=lambda one: one.digits)


def can_fail(node: exp.Expr) -> bool:
    """May computing it of another row be an error? What is not known to be harmless may."""
    for part in node.walk():
        if not isinstance(part, _SAFE):
            return True
        if isinstance(part, exp.Add | exp.Sub | exp.Mul | exp.Neg) and number(part) is None:
            return True
        if isinstance(part, exp.Cast) and not isinstance(part.this, exp.Literal):
            return True
    return False


@dataclass
class Below:
    """The outputs of what is computed below, and their columns above under ``alias``. ``allowed``: may this be computed below at all?"""

    alias: str
    allowed: Callable[[exp.Expr], bool]
    items: list[tuple[exp.Expr, str]] = field(default_factory=list)
    """Expression and type."""

    keys: int = 0
    """So many of the items, the first ones, are groups."""

    def column(self, item: exp.Expr, of: str) -> exp.Column:
        """The column above that an item below becomes; the same item is computed once."""
        place = next((place for place, (known, _) in enumerate(self.items) if known == item), None)
        if place is None:
            place = len(self.items)
            self.items.append((item, of))
        made = exp.column(f"c{place}", table=self.alias, quoted=True)
        made.type = data_type(of)
        return made

    def key(self, item: exp.Expr) -> exp.Column:
        """A group; all of them before the first aggregate."""
        of = type_of(item)
        if of is None or not groups_alike(of):
            raise WholeError
        made = self.column(item, of)
        self.keys = len(self.items)
        return made

    def select(self) -> list[exp.Expr]:
        """The select list of what is computed below."""
        return [
            exp.Alias(this=item.copy(), alias=exp.to_identifier(f"c{place}", quoted=True)) for place, (item, _) in enumerate(self.items)
        ]


@dataclass(frozen=True)
class Aggregates:
    """Rewrites the aggregates of a block. ``inside``: the aliases of what is grouped below; ``keyed``: does the block have GROUP BY?"""

    below: Below
    inside: frozenset[str]
    keyed: bool

    def above(self, node: exp.Expr) -> exp.Expr:
        """The same value from what comes from below, for an aggregate with or without FILTER."""
        function, condition = (node.this, node.expression.this) if isinstance(node, exp.Filter) else (node, None)
        if not isinstance(function, KNOWN) or isinstance(function.this, exp.Distinct) or function.args.get("expressions"):
            raise WholeError
        outside = condition is not None and not used_aliases(condition) <= self.inside
        if condition is not None and outside and used_aliases(condition) & self.inside:
            raise WholeError
        there = used_aliases(function.this)
        if there and not there & self.inside:
            return self._of_others(function, condition, outside)
        if not there <= self.inside:
            raise WholeError
        return self._of_inside(function, condition, outside)

    def _of_inside(self, function: exp.Expr, condition: exp.Expr | None, outside: bool) -> exp.Expr:
        def part(of: exp.Expr, told: str | None) -> exp.Expr:
            item = of if condition is None or outside else exp.Filter(this=of, expression=exp.Where(this=condition.copy()))
            return self.below.column(*self._told(item, function, told))

        value = function.this
        computed = [value] if condition is None or outside else [value, condition]
        if not all(isinstance(one, exp.Star) or self.below.allowed(one) for one in computed):
            raise WholeError
        filter_ = condition if outside else None
        if isinstance(function, exp.Count):
            return _counted(part(exp.Count(this=value.copy()), "bigint"), filter_, never_none=self.keyed and filter_ is None)
        if isinstance(function, _AGAIN):
            return _filtered(type(function)(this=part(type(function)(this=value.copy()), None)), filter_)
        known = number(value)
        if known is None:
            raise WholeError
        total = _filtered(exp.Sum(this=part(exp.Sum(this=value.copy()), _sum_type(known))), filter_)
        if isinstance(function, exp.Avg):
            count = _filtered(exp.Sum(this=part(exp.Count(this=value.copy()), "bigint")), filter_)
            return exp.Paren(this=exp.Div(this=total, expression=count, typed=True))
        return exp.cast(total, "bigint", dialect="postgres") if _stays_whole(known) else total

    def _told(self, item: exp.Expr, function: exp.Expr, told: str | None) -> tuple[exp.Expr, str]:
        """An item with its type, cast to it where the plain one would have no scale."""
        of = told or type_of(function.this)
        if of is None or (told is None and not isinstance(function, exp.LogicalAnd | exp.LogicalOr) and not groups_alike(of)):
            raise WholeError
        return (exp.cast(item, of, dialect="postgres"), of) if of.startswith("numeric") else (item, of)

    def _of_others(self, function: exp.Expr, condition: exp.Expr | None, outside: bool) -> exp.Expr:
        """Each row of the others stands for as many as rows are counted below."""
        if condition is not None and not outside and used_aliases(condition):
            raise WholeError
        if isinstance(function, _AGAIN):
            return _filtered(function.copy(), condition)
        count = self.below.column(exp.Count(this=exp.Star()), "bigint")
        value = function.this
        present = exp.Not(this=exp.Is(this=exp.Paren(this=value.copy()), expression=exp.Null()))
        counted = exp.Case(ifs=[exp.If(this=present, true=count)])
        if isinstance(function, exp.Count):
            return _counted(counted, condition, never_none=False)
        known = number(value)
        if known is None or known.whole == "bigint":  # the product could overflow
            raise WholeError
        total = _filtered(exp.Sum(this=exp.Mul(this=exp.Paren(this=value.copy()), expression=count.copy())), condition)
        if isinstance(function, exp.Avg):
            return exp.Paren(this=exp.Div(this=total, expression=_filtered(exp.Sum(this=counted), condition), typed=True))
        return exp.cast(total, "bigint", dialect="postgres") if _stays_whole(known) else total


def _counted(counts: exp.Expr, condition: exp.Expr | None, *, never_none: bool) -> exp.Expr:
    """``never_none``: is there a count to add up in each group?"""
    total = exp.cast(_filtered(exp.Sum(this=counts), condition), "bigint", dialect="postgres")
    return total if never_none else exp.Coalesce(this=total, expressions=[exp.Literal.number(0)])


def _filtered(function: exp.Expr, condition: exp.Expr | None) -> exp.Expr:
    return function if condition is None else exp.Filter(this=function, expression=exp.Where(this=condition.copy()))


def _stays_whole(value: Number) -> bool:
    """PostgreSQL's sum of them is bigint."""
    return value.whole in ("smallint", "integer")


def _sum_type(value: Number) -> str:
    if _stays_whole(value):
        return "bigint"
    if value.digits > MOST_DIGITS:
        raise WholeError
    return f"numeric({min(value.digits + MORE_DIGITS, MOST_DIGITS)},{value.scale})"
