"""Where a residual joins two fragments on equal columns, so that the values of one tell which rows of the other can matter.

An edge says: rows of ``taker`` whose column is NULL or is none of the values that ``giver``'s column has may be left out, the block in
which they are read gives the same rows. The reasoning is local to the block or the join that holds the equality:

- ``a = b`` in WHERE, or in the ON of an inner join: only rows for which it is true pass. Leaving out rows of one side may complete rows of
  outer joins below with NULLs, but NULL is equal to nothing, so these do not pass either: both sides may take.
- in the ON of a LEFT or RIGHT join only the side that may be missing takes; of a FULL join neither.
- ``a IN (SELECT b …)`` and EXISTS as conditions of WHERE: both sides take. Under NOT, rows of the inner side are compared one by one
  only where its own WHERE holds the equality (NOT EXISTS); NOT IN never: a NULL on the inner side decides there.
- through derived tables a column is followed while the table is a plain SELECT; under GROUP BY only group keys; never under LIMIT, windows
  or DISTINCT ON, where a row that is left out changes others. Values may come out of all of these: there are only fewer of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from virtualization.planner.fragment_names import fragment_number
from virtualization.planner.properties import conjuncts, is_row_by_row


@dataclass(frozen=True)
class Place:
    """A column of a fragment. ``open``: rows may be left out below it."""

    fragment: int
    column: str
    open: bool = True


@dataclass(frozen=True)
class Edge:
    """See the module."""

    taker: Place
    giver: Place


def reads(query: exp.Expr) -> Counter[int]:
    """At how many places each fragment is read."""
    return Counter(number for table in query.find_all(exp.Table) if (number := fragment_number(table)) is not None)


def edges(residual: exp.Expr) -> list[Edge]:
    """All edges, each once."""
    selects = list(residual.find_all(exp.Select))
    items = {alias: item for select in selects for alias, item in _items(select)}
    found: dict[Edge, None] = {}
    for select in selects:
        block = _Block(select, items)
        for edge in block.edges():
            found.setdefault(edge)
    return list(found)


def _items(select: exp.Select) -> Iterator[tuple[str, exp.Expr]]:
    """What stands in FROM, by alias, brackets taken off."""
    from_ = select.args.get("from_")
    pending = [from_.this] if from_ is not None else []
    pending += [join.this for join in select.args.get("joins") or []]
    while pending:
        node = pending.pop()
        pending += [join.this for join in node.args.get("joins") or []]
        if isinstance(node, exp.Subquery) and not node.alias:
            pending.append(node.this)
        elif node.alias_or_name:
            yield node.alias_or_name, node


@dataclass
class _Block:
    """One SELECT; ``items``: everything in any FROM of the statement by its alias (aliases are unique)."""

    select: exp.Select
    items: Mapping[str, exp.Expr]
    own: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.own = {alias for alias, _ in _items(self.select)}

    def edges(self) -> Iterator[Edge]:
        """Those of WHERE, then those of the joins."""
        for condition in _conditions(self.select):
            if isinstance(condition, exp.In):
                yield from self._in(condition)
            elif isinstance(condition, exp.Exists):
                yield from self._exists(condition)
            else:
                yield from self._equal(condition, self.own)
        from_ = self.select.args.get("from_")
        if from_ is not None:
            yield from self._joined(from_.this, self.select.args.get("joins") or [])[1]

    def _joined(self, first: exp.Expr, joins: list[exp.Join]) -> tuple[set[str], list[Edge]]:
        """The aliases of a chain of joins, brackets included, and the edges of its ONs."""
        aliases, found = self._item(first)
        for join in joins:
            right, more = self._item(join.this)
            takers = {"": aliases | right, "LEFT": right, "RIGHT": aliases}.get((join.side or "").upper(), set())
            found = [*found, *more]
            for condition in conjuncts(join.args.get("on")):
                found += self._equal(condition, takers)
            aliases = aliases | right
        return aliases, found

    def _item(self, node: exp.Expr) -> tuple[set[str], list[Edge]]:
        joins = node.args.get("joins") or []
        if joins:
            alone = node.copy()
            alone.set("joins", None)
            return self._joined(alone, joins)
        if isinstance(node, exp.Subquery) and not node.alias:
            return self._item(node.this)
        return {node.alias_or_name}, []

    def _equal(self, condition: exp.Expr, takers: set[str]) -> Iterator[Edge]:
        if not isinstance(condition, exp.EQ):
            return
        left, right = condition.this, condition.expression
        for taker, giver in ((left, right), (right, left)):
            if isinstance(taker, exp.Column) and isinstance(giver, exp.Column) and taker.table in takers:
                yield from self._edge(self._place(taker), self._place(giver))

    def _in(self, condition: exp.In) -> Iterator[Edge]:
        query = condition.args.get("query")
        inner = query.unnest() if query is not None else None
        if condition.args.get("negate") or not isinstance(condition.this, exp.Column) or not isinstance(inner, exp.Select):
            return
        if condition.this.table in self.own and len(inner.selects) == 1:
            outer, listed = self._place(condition.this), self._output(inner, inner.selects[0])
            yield from self._edge(outer, listed)
            yield from self._edge(listed, outer)

    def _exists(self, condition: exp.Exists) -> Iterator[Edge]:
        inner = condition.this.unnest()
        if not isinstance(inner, exp.Select) or any(inner.args.get(part) for part in ("group", "having", "limit", "offset")):
            return
        if not all(isinstance(item, exp.Star) or is_row_by_row(item) for item in inner.selects):
            return  # an aggregate has a row, whatever it counts
        block = _Block(inner, self.items)
        for part in _conditions(inner):
            for edge in self._equal(part, self.own):
                sides = {column.table for column in part.find_all(exp.Column)}
                if sides & block.own:
                    yield edge

    def _edge(self, taker: Place | None, giver: Place | None) -> Iterator[Edge]:
        if taker is not None and giver is not None and taker.open and taker.fragment != giver.fragment:
            yield Edge(taker, giver)

    def _place(self, column: exp.Column) -> Place | None:
        item = self.items.get(column.table)
        number = fragment_number(item) if item is not None else None
        if number is not None:
            return Place(number, column.name)
        inner = item.this if isinstance(item, exp.Subquery) else None
        if not isinstance(inner, exp.Select):
            return None
        output = next((one for one in inner.selects if one.alias_or_name == column.name), None)
        return self._output(inner, output) if output is not None else None

    def _output(self, select: exp.Select, item: exp.Expr) -> Place | None:
        value = item.unalias()
        if not isinstance(value, exp.Column) or value.table not in {alias for alias, _ in _items(select)}:
            return None
        place = self._place(value)
        return place if place is None or _lets_through(select, value) else Place(place.fragment, place.column, open=False)


def _conditions(select: exp.Select) -> list[exp.Expr]:
    where = select.args.get("where")
    return conjuncts(where.this if where is not None else None)


def _lets_through(select: exp.Select, value: exp.Column) -> bool:
    """May rows with other values of ``value`` be left out below without a change to the rows that have it?"""
    group, distinct = select.args.get("group"), select.args.get("distinct")
    if any(select.args.get(part) for part in ("limit", "offset", "windows", "qualify")):
        return False
    if (distinct is not None and distinct.args.get("on")) or any(item.find(exp.Window) for item in select.selects):
        return False
    if group is None:
        return select.args.get("having") is None and not any(item.find(exp.AggFunc) for item in select.selects)
    return value in group.expressions and not any(group.args.get(part) for part in ("rollup", "cube", "grouping_sets", "all"))
