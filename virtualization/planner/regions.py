"""Joins: which tables of a FROM clause are read together as one fragment, which alone, and which conditions go along.

A condition moves only where it filters the very same rows: through inner joins freely, into the preserved side of an outer join from
above, into the other side from its ON. Nothing moves into or out of a FULL join. What a source does not take stays where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from virtualization.binding.datatypes import data_type
from virtualization.binding.naming import unique
from virtualization.planner.fragment_names import fragment_name
from virtualization.planner.implied import implied
from virtualization.planner.joins import JoinNode, JoinTree, Leaf, conditions, from_parts, leaves
from virtualization.planner.offers import Offers
from virtualization.planner.properties import (
    base_tables,
    conjunction,
    free_aliases,
    free_ctes,
    has_query,
    is_base_table,
    session_call,
)
from virtualization.planner.references import References


@dataclass(frozen=True, eq=False)
class Condition:
    """One conjunct: what it is about (aliases of this and outer blocks), and the sources of the sub-queries inside.

    ``fixed``: it must stay here (it calls something whose value belongs to this side)."""

    node: exp.Expr
    aliases: frozenset[str]
    sources: frozenset[str]
    fixed: bool


class Regions:
    """Cuts FROM clauses; ``cut_query`` is called for the sub-queries among their items."""

    def __init__(self, offers: Offers, references: References, cut_query: Callable[[exp.Expr], exp.Expr]) -> None:
        self._offers = offers
        self._references = references
        self._cut_query = cut_query

    def condition(self, node: exp.Expr) -> Condition:
        """Facts about a conjunct."""
        sources = frozenset(self._offers.tables[table.alias].source for table in base_tables(node))
        return Condition(node, frozenset(free_aliases(node)), sources, session_call(node) is not None or bool(free_ctes(node)))

    def cut(self, tree: JoinTree, filters: list[Condition]) -> tuple[JoinTree, list[Condition]]:
        """The tree with fragments in it, and the filters that must be applied above."""
        if isinstance(tree, Leaf):
            return self._group([tree], filters)
        if tree.kind == "INNER":
            return self._inner(tree, filters)
        return self._outer(tree, filters)

    def limited(self, tree: JoinTree, filters: list[Condition], rows: int) -> tuple[JoinTree, list[Condition]] | None:
        """FROM, all filters and LIMIT as one remote query, where one source takes them all."""
        sources = {self._source(leaf) for leaf in leaves(tree)}
        on = [self.condition(node) for node in conditions(tree)]
        source = sources.pop()
        if sources or source is None or any(c.fixed or not c.sources <= {source} for c in [*filters, *on]):
            return None
        inside = {leaf.alias for leaf in leaves(tree)}
        if any(not c.aliases <= inside for c in [*filters, *on]):
            return None
        pushed = self._push(tree, filters, source, rows)
        return None if pushed is None else (pushed[1], [])

    # Inner joins

    def _inner(self, tree: JoinNode, filters: list[Condition]) -> tuple[JoinTree, list[Condition]]:
        items: list[JoinTree] = []
        pool = list(filters)
        self._flatten(tree, items, pool)
        self._add_implied(items, pool)
        names = frozenset(leaf.alias for leaf in leaves(tree))
        outside = [c for c in pool if c in filters and not c.aliases & names]
        pool = [c for c in pool if c not in outside]
        planned: list[JoinTree] = []
        for group in self._groups(items, pool):
            inside = frozenset(leaf.alias for item in group for leaf in leaves(item))
            mine = [c for c in pool if c.aliases and c.aliases <= inside and not c.fixed]
            if isinstance(group[0], JoinNode):
                result, left = self.cut(group[0], mine)
            else:
                result, left = self._group([item for item in group if isinstance(item, Leaf)], mine)
            pool = [c for c in pool if c not in mine] + left
            planned.append(result)
        return self._assemble(planned, pool, outside)

    def _flatten(self, tree: JoinTree, items: list[JoinTree], pool: list[Condition]) -> None:
        if isinstance(tree, JoinNode) and tree.kind == "INNER":
            self._flatten(tree.left, items, pool)
            self._flatten(tree.right, items, pool)
            pool += [self.condition(node) for node in tree.on]
        else:
            items.append(tree)

    def _add_implied(self, items: list[JoinTree], pool: list[Condition]) -> None:
        here = {item.alias: self._offers.tables[item.alias] for item in items if isinstance(item, Leaf) and self._source(item) is not None}
        if len({table.source for table in here.values()}) < len(here):  # two of one source
            pool += [self.condition(node) for node in implied([c.node for c in pool if not c.fixed], here)]

    def _assemble(self, planned: list[JoinTree], pool: list[Condition], outside: list[Condition]) -> tuple[JoinTree, list[Condition]]:
        """Join the parts again, each condition at the first place where all that it names is there; the rest goes up."""
        result = planned[0]
        seen = {leaf.alias for leaf in leaves(result)}
        known = seen | {leaf.alias for part in planned for leaf in leaves(part)}
        known |= self._references.aliases_moved_into(known)
        for part in planned[1:]:
            seen |= {leaf.alias for leaf in leaves(part)}
            covered = seen | self._references.aliases_moved_into(seen)
            here = [c for c in pool if c.aliases & known and c.aliases <= covered and not c.fixed and not has_query(c.node)]
            pool = [c for c in pool if c not in here]
            result = JoinNode("INNER", result, part, [c.node for c in here])
        return result, pool + outside

    def _groups(self, items: list[JoinTree], pool: list[Condition]) -> list[list[JoinTree]]:
        """Tables of one source that conditions connect, each group at the place of its first member."""
        parent = list(range(len(items)))

        def find(number: int) -> int:
            while parent[number] != number:
                number = parent[number]
            return number

        position = {item.alias: number for number, item in enumerate(items) if isinstance(item, Leaf)}
        sources = [self._source(item) for item in items]
        for condition in pool:
            touched = [position[alias] for alias in condition.aliases if alias in position]
            if condition.fixed or len(touched) < 2 or len(touched) != len(condition.aliases):
                continue
            if sources[touched[0]] is not None and len({sources[number] for number in touched} | condition.sources) == 1:
                for number in touched[1:]:
                    low, high = sorted((find(touched[0]), find(number)))
                    parent[high] = low
        groups: dict[int, list[JoinTree]] = {}
        for number, item in enumerate(items):
            groups.setdefault(find(number), []).append(item)
        return list(groups.values())

    def _source(self, item: JoinTree) -> str | None:
        if isinstance(item, Leaf) and is_base_table(item.node) and not self._references.has_whole_row(item.alias):
            return self._offers.source_of(item.node)
        return None

    # Groups and single items

    def _group(self, group: list[Leaf], filters: list[Condition]) -> tuple[JoinTree, list[Condition]]:
        source = self._source(group[0])
        inside = {leaf.alias for leaf in group}  # a condition may also be about a table of an outer block
        usable = [c for c in filters if not c.fixed and c.sources <= {source} and c.aliases <= inside]
        if source is not None and (len(group) > 1 or any(has_query(c.node) for c in usable)):
            tree: JoinTree = group[0]
            for leaf in group[1:]:
                tree = JoinNode("INNER", tree, leaf, [])
            pushed = self._push(tree, usable, source) or (self._push(tree, _simple(usable), source) if len(group) > 1 else None)
            if pushed is not None:
                taken, leaf = pushed
                return leaf, [c for c in filters if c not in taken]
        if len(group) == 1:
            return self._single(group[0], filters)
        return self._separately(group, filters)

    def _separately(self, group: list[Leaf], filters: list[Condition]) -> tuple[JoinTree, list[Condition]]:
        """The source did not take the join: each table alone."""
        planned: list[JoinTree] = []
        rest = list(filters)
        for leaf in group:
            mine = [c for c in rest if c.aliases == {leaf.alias}]
            part, left = self._single(leaf, mine)
            rest = [c for c in rest if c not in mine] + left
            planned.append(part)
        return self._assemble(planned, rest, [])

    def _single(self, leaf: Leaf, filters: list[Condition]) -> tuple[JoinTree, list[Condition]]:
        node = leaf.node
        if not is_base_table(node):
            if isinstance(node, exp.Subquery):
                node.set("this", self._cut_query(node.this))
            elif isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
                node.this.set("this", self._cut_query(node.this.this))
            return leaf, filters
        mine = [c for c in filters if c.aliases == {leaf.alias} and not c.fixed and not has_query(c.node)]
        table = self._offers.tables[leaf.alias]
        self._references.release(c.node for c in mine)
        columns = self._references.needed(leaf.alias, table) or [table.columns[0].name]  # with none, only the number of rows counts
        number, columns, left = self._offers.scan(table, columns, [_unqualified(c.node) for c in mine])
        return Leaf(_scan_item(number, leaf.alias, columns, left)), [c for c in filters if c not in mine]

    def _push(self, tree: JoinTree, filters: list[Condition], source: str, rows: int | None = None) -> tuple[list[Condition], Leaf] | None:
        """Offer a join (``SELECT columns needed elsewhere FROM … WHERE filters``); what was taken and the item to read instead."""
        aliases = {leaf.alias for leaf in leaves(tree)}
        inside = [c.node for c in filters] + list(conditions(tree))
        mark = self._references.release(inside)
        columns = [(alias, name) for alias in sorted(aliases) for name in self._references.needed(alias, self._offers.tables[alias])]
        columns = columns or [_first_column(self._offers, min(aliases))]  # only the number of rows counts
        names = unique(name for _, name in columns)
        items = [
            exp.Alias(this=_typed(self._offers, alias, name), alias=exp.to_identifier(given, quoted=True))
            for (alias, name), given in zip(columns, names, strict=True)
        ]
        from_, joins = from_parts(_copied(tree))
        query = exp.Select(expressions=items, from_=from_, joins=joins)
        where = conjunction([c.node.copy() for c in filters])
        if where is not None:
            query.set("where", exp.Where(this=where))
        if rows is not None:
            query.set("limit", exp.Limit(expression=exp.Literal.number(rows)))
        number = self._offers.push(query, source)
        if number is None:
            self._references.restore(mark)
            return None
        alias = next(leaf.alias for leaf in leaves(tree))
        new = alias if len(aliases) == 1 else f"__j{number}_{alias}"
        self._references.move(columns, names, aliases, new)
        return filters, Leaf(_fragment_table(number, new))

    # Outer joins

    def _outer(self, tree: JoinNode, filters: list[Condition]) -> tuple[JoinTree, list[Condition]]:
        pushed = self._whole_tree(tree, filters)
        if pushed is not None:
            return pushed
        on = [self.condition(node) for node in tree.on]
        sides = {"LEFT": (tree.left, tree.right), "RIGHT": (tree.right, tree.left)}
        if tree.kind not in sides:
            left, _ = self._keep_all(tree.left)
            right, _ = self._keep_all(tree.right)
            return JoinNode(tree.kind, left, right, tree.on), filters
        preserved, other = sides[tree.kind]
        to_preserved = _about(filters, preserved)
        to_other = _about(on, other)
        new_preserved, left_over = self.cut(preserved, to_preserved)
        new_other, on_over = self.cut(other, to_other)
        # what the other side's own inner joins leave over filters the same rows from this ON
        on_rest = [c.node for c in [*(c for c in on if c not in to_other), *on_over]]
        left, right = (new_preserved, new_other) if tree.kind == "LEFT" else (new_other, new_preserved)
        return JoinNode(tree.kind, left, right, on_rest), [*(c for c in filters if c not in to_preserved), *left_over]

    def _keep_all(self, tree: JoinTree) -> tuple[JoinTree, list[Condition]]:
        """One side of a FULL join; filters that its own inner joins leave over are put back around it."""
        planned, left = self.cut(tree, [])
        return _filtered(planned, [c.node for c in left]), []

    def _whole_tree(self, tree: JoinNode, filters: list[Condition]) -> tuple[JoinTree, list[Condition]] | None:
        """An outer join whose tables are all of one source, with the filters above it."""
        members = list(leaves(tree))
        sources = {self._source(leaf) for leaf in members}
        on = [self.condition(node) for node in conditions(tree)]
        if len(sources) != 1 or None in sources or any(c.fixed or not c.sources <= sources for c in on):
            return None
        source = next(iter(sources))
        assert source is not None
        inside = {leaf.alias for leaf in members}
        if any(not c.aliases <= inside for c in on):
            return None
        usable = [c for c in filters if not c.fixed and c.sources <= sources and c.aliases <= inside]
        pushed = self._push(tree, usable, source) or (self._push(tree, [], source) if usable else None)
        if pushed is None:
            return None
        taken, leaf = pushed
        return leaf, [c for c in filters if c not in taken]


_SIMPLE = (
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Is, exp.Between, exp.And, exp.Or, exp.Not, exp.Column, exp.Literal,
    exp.Cast, exp.DataType, exp.DataTypeParam, exp.Paren, exp.Neg, exp.Boolean, exp.Null, exp.Identifier,
)  # fmt: skip


def _simple(usable: list[Condition]) -> list[Condition]:
    """Comparisons only: what nearly every source takes."""
    return [c for c in usable if all(isinstance(node, _SIMPLE) for node in c.node.walk())]


def _about(conditions_: list[Condition], tree: JoinTree) -> list[Condition]:
    """Conditions about nothing but this side."""
    names = {leaf.alias for leaf in leaves(tree)}
    return [c for c in conditions_ if c.aliases and c.aliases <= names and not c.fixed]


def _filtered(tree: JoinTree, left: list[exp.Expr]) -> JoinTree:
    if not left:
        return tree
    if isinstance(tree, JoinNode) and tree.kind == "INNER":
        return JoinNode("INNER", tree.left, tree.right, [*tree.on, *left])
    name = f"__one_{next(leaves(tree)).alias}"  # one row, joined on the conditions: a filter inside FROM
    one = exp.Subquery(this=exp.select("1 AS one"), alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
    return JoinNode("INNER", tree, Leaf(one), left)


def _copied(tree: JoinTree) -> JoinTree:
    if isinstance(tree, Leaf):
        return Leaf(tree.node.copy())
    return JoinNode(tree.kind, _copied(tree.left), _copied(tree.right), [node.copy() for node in tree.on])


def _first_column(offers: Offers, alias: str) -> tuple[str, str]:
    return alias, offers.tables[alias].columns[0].name


def _typed(offers: Offers, alias: str, name: str) -> exp.Column:
    column = exp.Column(this=exp.to_identifier(name, quoted=True), table=exp.to_identifier(alias, quoted=True))
    found = next((c for c in offers.tables[alias].columns if c.name == name), None)
    if found is not None:
        column.type = data_type(found.type)
    return column


def _unqualified(node: exp.Expr) -> exp.Expr:
    copy = node.copy()
    for column in copy.find_all(exp.Column):
        column.set("table", None)
    return copy


def _fragment_table(number: int, alias: str) -> exp.Table:
    return exp.Table(
        this=exp.to_identifier(fragment_name(number), quoted=True), alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True))
    )


def _scan_item(number: int, alias: str, columns: list[str], left: list[exp.Expr]) -> exp.Expr:
    """The fragment under the table's alias; predicates that the source did not apply exactly are applied right here."""
    table = _fragment_table(number, alias)
    condition = conjunction(left)
    if condition is None:
        return table
    for column in condition.find_all(exp.Column):
        column.set("table", exp.to_identifier(alias, quoted=True))
    inner = exp.Select(
        expressions=[
            exp.Alias(this=exp.column(name, table=alias, quoted=True), alias=exp.to_identifier(name, quoted=True)) for name in columns
        ],
        from_=exp.From(this=table),
        where=exp.Where(this=condition),
    )
    return exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
