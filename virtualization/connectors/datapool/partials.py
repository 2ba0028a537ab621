"""Groups whose rows lie on several shards: what each shard adds up, and how the sums of all shards become the answer.

count(x)            count(x)              sum of the counts
sum, min, max, …    the same              the same again
avg(x)              sum(x), count(x)      quotient of the two sums: as exact as PostgreSQL's
agg(DISTINCT x)     x as one more group   agg(DISTINCT x)
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from virtualization.connectors.datapool.equalities import ref
from virtualization.connectors.datapool.locality import aggregates, group_keys, resolved, scattered
from virtualization.connectors.datapool.rows import Rows
from virtualization.duckdb_sql.kinds import Kind

_AGAIN = (exp.Sum, exp.Min, exp.Max, exp.LogicalAnd, exp.LogicalOr)
_SAME_DISTINCT = (exp.Min, exp.Max, exp.LogicalAnd, exp.LogicalOr)
"""DISTINCT changes nothing about these."""
_KNOWN = (*_AGAIN, exp.Count, exp.Avg)
SHARD_ROWS = "__f0"


def column(place: int) -> exp.Column:
    """An output of the shards' query, in the merge."""
    return exp.column(f"c{place}", table="m", quoted=True)


def merge_from(items: Sequence[exp.Expr]) -> exp.Select:
    """``SELECT items FROM`` the rows of all shards."""
    table = exp.Table(this=exp.to_identifier(SHARD_ROWS, quoted=True), alias=exp.TableAlias(this=exp.to_identifier("m", quoted=True)))
    named = [exp.Alias(this=item, alias=exp.to_identifier(f"o{place}", quoted=True)) for place, item in enumerate(items)]
    return exp.Select(expressions=named, from_=exp.From(this=table))


class Partials:
    """Of one grouped SELECT whose FROM and WHERE each shard can answer for its own ``rows``."""

    def __init__(self, query: exp.Select, rows: Rows) -> None:
        group = query.args.get("group")
        if group is not None and any(value for name, value in group.args.items() if name != "expressions"):
            raise scattered(group, "groups_on_shards", "sets of groups over several shards are not taken")
        self._query = query
        self._rows = rows
        self._kinds: Sequence[Kind] = ()
        self._items: list[exp.Expr] = []
        self._keys = group_keys(query)
        for key in self._keys:
            self._place(key)
        self._spread = self._spread_distinct()
        if self._spread is not None:
            self._place(self._spread)
        self._rewritten_outputs()  # once for the shard's items: the merge is written when their kinds are known

    def shard(self) -> exp.Select:
        """What each shard adds up."""
        made = self._query.copy()
        for part in ("having", "order", "limit", "offset", "distinct"):
            made.set(part, None)
        items = [exp.Alias(this=item.copy(), alias=exp.to_identifier(f"c{place}", quoted=True)) for place, item in enumerate(self._items)]
        made.set("expressions", items)
        count = len(self._keys) + (self._spread is not None)
        groups = [exp.Literal.number(place + 1) for place in range(count)]
        made.set("group", exp.Group(expressions=groups) if groups else None)
        return made

    def merge(self, kinds: Sequence[Kind]) -> exp.Select:
        """The answer from the rows of all shards."""
        self._kinds = kinds
        items, having, order = self._rewritten_outputs()
        made = merge_from(items)
        if self._keys:
            made.set("group", exp.Group(expressions=[column(place) for place in range(len(self._keys))]))
        if having is not None:
            made.set("having", exp.Having(this=having))
        if order:
            made.set("order", exp.Order(expressions=order))
        for part in ("distinct", "limit", "offset"):
            made.set(part, self._query.args[part].copy() if self._query.args.get(part) is not None else None)
        return made

    def _rewritten_outputs(self) -> tuple[list[exp.Expr], exp.Expr | None, list[exp.Expr]]:
        items = [self._rewritten(item.unalias()) for item in self._query.selects]
        having = self._query.args.get("having")
        order = []
        for item in self._query.args["order"].expressions if self._query.args.get("order") else []:
            copy = item.copy()
            if resolved(self._query, item.this) is item.this:  # ordinals stay
                copy.set("this", self._rewritten(item.this))
            order.append(copy)
        return items, self._rewritten(having.this) if having is not None else None, order

    def _place(self, item: exp.Expr) -> int:
        for place, known in enumerate(self._items):
            if known == item:
                return place
        self._items.append(item)
        return len(self._items) - 1

    def _column(self, item: exp.Expr) -> exp.Expr:
        return column(self._place(item))

    # expressions over groups

    def _rewritten(self, node: exp.Expr) -> exp.Expr:
        """The same value from the merged rows."""
        if node in self._keys:
            return self._column(node)
        if isinstance(node, exp.Filter | exp.AggFunc):
            return self._aggregate(node)
        if isinstance(node, exp.Column):
            raise scattered(node, "groups_on_shards", "it is neither grouped nor inside an aggregate")
        if isinstance(node, exp.Query | exp.Subquery | exp.Window):
            raise scattered(node, "groups_on_shards", "it stands beside groups of several shards")
        made = node.copy()
        for child in list(made.iter_expressions()):
            child.replace(self._rewritten(child))
        return made

    def _aggregate(self, node: exp.Expr) -> exp.Expr:
        function, condition, value, distinct = _taken_apart(node)
        if not distinct or isinstance(function, _SAME_DISTINCT) or self._spread is None:
            return self._again(node, function, condition, value, distinct)
        made = function.copy()
        made.set("this", exp.Distinct(expressions=[self._column(_conditional(value, condition))]))
        return made

    def _again(self, node: exp.Expr, function: exp.Expr, condition: exp.Expr | None, value: exp.Expr, distinct: bool) -> exp.Expr:
        if isinstance(function, exp.Count):
            total: exp.Expr = exp.cast(exp.Sum(this=self._column(node)), "bigint", dialect="postgres")
            return total if self._keys else exp.Coalesce(this=total, expressions=[exp.Literal.number(0)])
        if isinstance(function, exp.Avg):
            return self._average(condition, value, distinct)
        made = type(function)(this=self._column(node))
        is_bigint = isinstance(function, exp.Sum) and self._kind(node) == "int8"  # of smallint or integer
        return exp.cast(made, "bigint", dialect="postgres") if is_bigint else made

    def _average(self, condition: exp.Expr | None, value: exp.Expr, distinct: bool) -> exp.Expr:
        argument = exp.Distinct(expressions=[value]) if distinct else value
        parts = [_filtered(kind(this=argument.copy()), condition) for kind in (exp.Sum, exp.Count)]
        total, count = (exp.Sum(this=self._column(part)) for part in parts)
        if self._kind(parts[0]) != "float8":
            return exp.Paren(this=exp.Div(this=total, expression=count, typed=True))
        rows = exp.cast(exp.cast(count, "bigint", dialect="postgres"), "double precision", dialect="postgres")
        quotient = exp.Div(this=total, expression=rows.copy(), typed=True)
        branch = exp.If(this=exp.GT(this=rows, expression=exp.Literal.number(0)), true=quotient)
        return exp.Case(ifs=[branch])

    def _kind(self, item: exp.Expr) -> str | None:
        place = self._place(item)
        return self._kinds[place].name if place < len(self._kinds) else None

    # DISTINCT

    def _is_local(self, value: exp.Expr) -> bool:
        """Do equal values of a group lie on one shard?"""
        return self._rows.covered_by([ref(value), *(ref(key) for key in self._keys)])

    def _spread_distinct(self) -> exp.Expr | None:
        """The value under DISTINCT by which the shards must group too; None where equal values lie on one shard."""
        found: list[exp.Expr] = []
        spread = False
        for part in [*self._query.selects, self._query.args.get("having"), self._query.args.get("order")]:
            for function in aggregates(part) if part is not None else []:
                node = function.parent if isinstance(function.parent, exp.Filter) else function
                _, condition, value, distinct = _taken_apart(node)
                wanted = _conditional(value, condition)
                if distinct and not isinstance(function, _SAME_DISTINCT):
                    spread = spread or not self._is_local(value)
                    found += [wanted] if wanted not in found else []
        if spread and len(found) > 1:
            raise scattered(found[1], "several_distinct", "DISTINCT over several values whose rows lie on several shards")
        return found[0] if spread else None


def _taken_apart(node: exp.Expr) -> tuple[exp.Expr, exp.Expr | None, exp.Expr, bool]:
    """(function, FILTER's condition, argument, DISTINCT) of a plain aggregate."""
    function, condition = (node.this, node.expression.this) if isinstance(node, exp.Filter) else (node, None)
    if not isinstance(function, _KNOWN):
        raise scattered(node, "aggregate", "this aggregate can't be put together from those of the shards")
    value = function.this
    if not isinstance(value, exp.Distinct):
        return function, condition, value, False
    if len(value.expressions) != 1:
        raise scattered(node, "several_distinct", "DISTINCT over several values is not taken")
    return function, condition, value.expressions[0], True


def _conditional(value: exp.Expr, condition: exp.Expr | None) -> exp.Expr:
    """NULLs are not aggregated."""
    if condition is None:
        return value
    return exp.Case(ifs=[exp.If(this=condition.copy(), true=value.copy())])


def _filtered(function: exp.Expr, condition: exp.Expr | None) -> exp.Expr:
    if condition is None:
        return function
    return exp.Filter(this=function, expression=exp.Where(this=condition.copy()))
