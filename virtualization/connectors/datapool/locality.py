"""May each shard answer a query for its own rows? Follows keys through joins, groups, sub-queries and set operations.

Every answer here is conservative: what is not understood raises ``ScatteredError``, and the planner offers something smaller.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.connectors.datapool.equalities import Equalities, Ref, ref
from virtualization.connectors.datapool.pruning import Prune, table_rows
from virtualization.connectors.datapool.rows import Rows, ScatteredError, joined
from virtualization.plan import Kept
from virtualization.planner.joins import JoinNode, JoinTree, Leaf, conditions, join_tree, leaves
from virtualization.planner.properties import conjuncts

Ctes = Mapping[str, tuple[Rows, exp.Expr]]
_QUERIES = (exp.Select, exp.SetOperation)
_PARTS = ("expressions", "where", "group", "having", "order", "distinct")
_PICKING = (exp.Limit, exp.Offset, exp.Window)


def scattered(node: exp.Expr, code: str, why: str) -> ScatteredError:
    """The error to raise."""
    return ScatteredError(Kept(node.sql("postgres")[:200], code, why))


class Locality:
    """Of one statement. ``pruned``: what was told about tables that lie on some of their shards only."""

    def __init__(self, tables: Mapping[str, VirtualTable], prune: Prune) -> None:
        self._tables = tables
        self._prune = prune
        self._derived: dict[str, exp.Expr] = {}  # alias -> the query behind it

    def query(self, node: exp.Expr, ctes: Ctes) -> Rows:
        """Rows of a whole query, keys by position in its output."""
        ctes = self.with_(node, ctes)
        if isinstance(node, exp.Subquery):
            return self.query(node.this, ctes)
        if isinstance(node, exp.SetOperation):
            rows = self._set_operation(node, ctes)
        elif isinstance(node, exp.Select):
            rows = self.outputs(node, self.selected(node, self.block(node, ctes)))
        else:
            raise scattered(node, "syntax", "this form of a query is not taken by the data pool")
        if (node.args.get("limit") is not None or node.args.get("offset") is not None) and not rows.at_one:
            raise scattered(node, "limit_on_shards", "LIMIT inside the query counts rows of several shards")
        return replace(rows, unstable=True) if rows.replicated and node.find(*_PICKING) is not None else rows

    def with_(self, node: exp.Expr, ctes: Ctes) -> Ctes:
        """The common table expressions that are visible inside ``node``."""
        with_ = node.args.get("with_")
        if with_ is None:
            return ctes
        if with_.args.get("recursive"):
            raise scattered(node, "recursive", "recursive queries are not sent to shards")
        known = dict(ctes)
        for cte in with_.expressions:
            known[cte.alias] = (self.query(cte.this, known), cte.this)
        return known

    def block(self, node: exp.Select, ctes: Ctes) -> Rows:
        """Rows of FROM and WHERE, keys by (alias, column)."""
        tree = join_tree(node.copy())
        if tree is None:
            raise scattered(node, "not_a_table", "a SELECT without tables needs no shard")
        for leaf in leaves(tree):
            named = isinstance(leaf.node, exp.Table) and not leaf.node.db
            self._derived[leaf.alias] = ctes[leaf.node.name][1] if named and leaf.node.name in ctes else leaf.node.this
        where = conjuncts(node.args["where"].this) if node.args.get("where") else []
        known = Equalities.of([*where, *_inner_conditions(tree)], self._type)
        rows = self._tree(tree, known, ctes)
        rows = rows.renamed(known.like)
        for condition in conditions(tree):
            self._nested(condition, rows, ctes, set())
        for part in _PARTS:
            value = node.args.get(part)
            for item in value if isinstance(value, list) else [value]:
                self._nested(item, rows, ctes, {id(condition) for condition in where})
        return rows

    def selected(self, node: exp.Select, rows: Rows) -> Rows:
        """Rows after GROUP BY, windows and DISTINCT, which must not need rows of other shards."""
        if is_grouped(node) and not rows.covered_by(ref(key) for key in group_keys(node)):
            raise scattered(node, "groups_on_shards", "its groups have rows on several shards")
        for window in node.find_all(exp.Window):
            if not rows.covered_by(ref(key) for key in window.args.get("partition_by") or ()):
                raise scattered(window, "groups_on_shards", "its window looks at rows of several shards")
        distinct = node.args.get("distinct")
        if distinct is not None:
            compared = distinct.args["on"].expressions if distinct.args.get("on") else node.selects
            if not rows.covered_by(ref(item.unalias()) for item in compared):
                raise scattered(node, "groups_on_shards", "DISTINCT compares rows of several shards")
        return rows

    @staticmethod
    def outputs(node: exp.Select, rows: Rows) -> Rows:
        """Keys by position."""
        places: dict[Hashable, list[int]] = {}
        for place, item in enumerate(node.selects):
            places.setdefault(ref(item.unalias()), []).append(place)
        return rows.renamed(lambda old: places.get(old, ()))

    def _set_operation(self, node: exp.SetOperation, ctes: Ctes) -> Rows:
        left, right = self.query(node.this, ctes), self.query(node.expression, ctes)
        if left.replicated and right.replicated and left.shards & right.shards:
            return Rows(left.shards & right.shards, replicated=True, unstable=left.unstable or right.unstable)
        if not left.replicated and not right.replicated and left.shards == right.shards and len(left.shards) == 1:
            return left.without_keys()
        if left.replicated or right.replicated:
            raise scattered(node, "not_colocated", "the rows of a replicated table would come from each shard")
        keys = _common_keys(left, right)
        if (not isinstance(node, exp.Union) or node.args.get("distinct")) and not keys:
            raise scattered(node, "groups_on_shards", "it compares rows of several shards")
        shards = left.shards | right.shards
        return Rows(shards, layout=left.layout, keys=keys) if keys else Rows(shards)

    # FROM

    def _tree(self, tree: JoinTree, known: Equalities, ctes: Ctes) -> Rows:
        if isinstance(tree, Leaf):
            return self._leaf(tree.node, known, ctes)
        own = Equalities.of(tree.on, self._type)
        sides = {"INNER": (known, known), "LEFT": (known, own.none()), "RIGHT": (own.none(), known)}
        for_left, for_right = sides.get(tree.kind, (own.none(), own.none()))
        left, right = self._tree(tree.left, for_left, ctes), self._tree(tree.right, for_right, ctes)
        equal = known if tree.kind == "INNER" else own if tree.kind == "FULL" else known.plus(tree.on)
        made = joined(tree.kind, left, right, equal.same)
        if isinstance(made, str):
            condition = exp.and_(*tree.on) if tree.on else exp.true()
            raise scattered(condition, "not_colocated", made)
        return made

    def _leaf(self, node: exp.Expr, known: Equalities, ctes: Ctes) -> Rows:
        alias = node.alias_or_name
        if isinstance(node, exp.Table) and alias in self._tables and node.db:
            return self._prune.leaf(table_rows(alias, self._tables[alias]), known)
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier) and node.name in ctes:
            rows, inner = ctes[node.name]
        elif isinstance(node, exp.Subquery) and isinstance(node.this, _QUERIES):
            rows, inner = self.query(node.this, ctes), node.this
        else:
            raise scattered(node, "not_a_table", "this kind of table is not taken by the data pool")
        names = inner.named_selects  # type: ignore[attr-defined]  # of queries
        return rows.renamed(lambda place: [(alias, names[place])] if isinstance(place, int) else [])

    def _type(self, of: Ref) -> str | None:
        table = self._tables.get(of[0])
        if table is not None:
            return next((column.type for column in table.columns if column.name == of[1]), None)
        inner = self._derived.get(of[0])
        items = inner.selects if isinstance(inner, exp.Select) else ()
        columns = [ref(item.unalias()) for item in items if item.alias_or_name == of[1]]
        return self._type(columns[0]) if columns and columns[0] is not None else None

    # sub-queries in expressions

    def _nested(self, node: exp.Expr | None, rows: Rows, ctes: Ctes, filters: set[int]) -> None:
        """Each sub-query must find all that it looks at on the outer row's own shard."""
        for query in _outermost_queries(node):
            self._tied(query, rows, ctes, filters)

    def _tied(self, query: exp.Expr, outer: Rows, ctes: Ctes, filters: set[int]) -> None:
        found: Rows | None = None
        try:
            found = self.query(query, ctes)
        except ScatteredError:
            if not isinstance(query, exp.Select):
                raise
        if found is not None and (_known_everywhere(found, outer) or _is_member(query, found, outer, filters)):
            return
        if not isinstance(query, exp.Select) or not self._correlated(query, outer, ctes):
            raise scattered(query, "not_colocated", "the sub-query looks at rows of other shards")

    def _correlated(self, query: exp.Select, outer: Rows, ctes: Ctes) -> bool:
        """Does its WHERE keep only rows whose keys equal those of the outer row?"""
        inner = self.block(query, self.with_(query, ctes))
        if inner.layout is None or inner.layout != outer.layout:
            return False
        where = conjuncts(query.args["where"].this) if query.args.get("where") else []
        same = Equalities.of(where, self._type).same
        return all(any(same(a, b) for a in one for b in two) for one, two in zip(inner.keys, outer.keys, strict=True))


def _known_everywhere(found: Rows, outer: Rows) -> bool:
    """Does every shard that has rows of ``outer`` know all of the sub-query, and the same?"""
    if found.replicated:
        return outer.shards <= found.shards and (outer.replicated or not found.unstable)
    return found.at_one and not outer.replicated and outer.shards == found.shards


def _is_member(query: exp.Expr, found: Rows, outer: Rows, filters: set[int]) -> bool:
    """``key IN (SELECT key …)`` as a filter: the row that makes it true lies here. (NOT IN asks for NULLs elsewhere too.)"""
    member = query.parent
    while isinstance(member, exp.Subquery | exp.Paren):
        member = member.parent
    if not isinstance(member, exp.In) or id(member) not in filters or member.args.get("negate"):
        return False
    if found.layout is None or found.layout != outer.layout or len(found.keys) != 1:
        return False
    return 0 in found.keys[0] and ref(member.this) in outer.keys[0]


def is_grouped(node: exp.Select) -> bool:
    """Does it make one row of several?"""
    if node.args.get("group") is not None or node.args.get("having") is not None:
        return True
    return any(aggregates(item) for item in [*node.selects, *_order_items(node)])


def aggregates(node: exp.Expr) -> list[exp.Expr]:
    """Aggregates of this block below ``node``: not those of windows, nor of sub-queries."""
    found: list[exp.Expr] = []
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, (*_QUERIES, exp.Window)):
            if isinstance(current, exp.Window):  # the aggregates inside OVER's own parts are of this block
                inside = [*(current.args.get("partition_by") or ()), current.args.get("order"), *current.this.iter_expressions()]
                stack += [part for part in inside if part is not None]
            continue
        if isinstance(current, exp.AggFunc):
            found.append(current)
        else:
            stack += list(current.iter_expressions())
    return found


def group_keys(node: exp.Select) -> list[exp.Expr]:
    """What GROUP BY names, ordinals resolved."""
    group = node.args.get("group")
    return [resolved(node, key) for key in group.expressions] if group is not None else []


def resolved(node: exp.Select, key: exp.Expr) -> exp.Expr:
    """An item of GROUP BY or ORDER BY: an ordinal means the output."""
    if isinstance(key, exp.Literal) and not key.is_string and key.name.isdigit() and 1 <= int(key.name) <= len(node.selects):
        return node.selects[int(key.name) - 1].unalias()
    return key


def _order_items(node: exp.Select) -> list[exp.Expr]:
    order = node.args.get("order")
    return [item.this for item in order.expressions] if order is not None else []


def _inner_conditions(tree: JoinTree) -> Iterable[exp.Expr]:
    if isinstance(tree, JoinNode) and tree.kind == "INNER":
        yield from tree.on
        yield from _inner_conditions(tree.left)
        yield from _inner_conditions(tree.right)


def _outermost_queries(node: exp.Expr | None) -> Iterable[exp.Expr]:
    stack = [node] if node is not None else []
    while stack:
        current = stack.pop()
        if isinstance(current, _QUERIES):
            yield current
        else:
            stack += list(current.iter_expressions())


def _common_keys(left: Rows, right: Rows) -> tuple[frozenset[Hashable], ...]:
    """Keys at the same positions of both arms."""
    if left.layout is None or left.layout != right.layout:
        return ()
    keys: Sequence[frozenset[Hashable]] = [one & two for one, two in zip(left.keys, right.keys, strict=True)]
    return tuple(keys) if all(keys) else ()
