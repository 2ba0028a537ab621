"""A FROM clause as a tree of joins, with the brackets and comma lists resolved, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from virtualization.planner.properties import conjunction, conjuncts


@dataclass
class Leaf:
    """One item of FROM: a table, a sub-query, VALUES, a function."""

    node: exp.Expr

    @property
    def alias(self) -> str:
        """Unique in the statement."""
        return str(self.node.alias)


@dataclass
class JoinNode:
    """``kind``: INNER (also CROSS and comma), LEFT, RIGHT or FULL; ``on``: its conjuncts."""

    kind: str
    left: JoinTree
    right: JoinTree
    on: list[exp.Expr]


JoinTree = Leaf | JoinNode


def leaves(tree: JoinTree) -> Iterator[Leaf]:
    """From left to right."""
    if isinstance(tree, Leaf):
        yield tree
    else:
        yield from leaves(tree.left)
        yield from leaves(tree.right)


def conditions(tree: JoinTree) -> Iterator[exp.Expr]:
    """All ON conjuncts."""
    if isinstance(tree, JoinNode):
        yield from tree.on
        yield from conditions(tree.left)
        yield from conditions(tree.right)


def join_tree(select: exp.Select) -> JoinTree | None:
    """The FROM clause of a block; a comma binds weaker than JOIN."""
    from_ = select.args.get("from_")
    if from_ is None:
        return None
    return _chain(from_.this, select.args.get("joins") or [])


def _chain(first: exp.Expr, joins: list[exp.Join]) -> JoinTree:
    result: JoinTree | None = None
    current = _item(first)
    for join in joins:
        if _is_comma(join):
            result = current if result is None else JoinNode("INNER", result, current, [])
            current = _item(join.this)
        else:
            kind = (join.side or "").upper() or "INNER"
            current = JoinNode(kind, current, _item(join.this), conjuncts(join.args.get("on")))
    return current if result is None else JoinNode("INNER", result, current, [])


def _is_comma(join: exp.Join) -> bool:
    return not (join.side or join.kind or join.args.get("on") is not None)


def _item(node: exp.Expr) -> JoinTree:
    joins = node.args.get("joins") or []
    if joins:
        node.set("joins", None)
    is_bracket = isinstance(node, exp.Subquery) and not node.alias
    inner = _item(node.this) if is_bracket else Leaf(node)
    for join in joins:
        kind = (join.side or "").upper() or "INNER"
        inner = JoinNode(kind, inner, _item(join.this), conjuncts(join.args.get("on")))
    return inner


def from_parts(tree: JoinTree) -> tuple[exp.From, list[exp.Join]]:
    """The tree as a FROM clause; right-hand joins are bracketed."""
    first, joins = _flat(tree)
    return exp.From(this=first), joins


def _flat(tree: JoinTree) -> tuple[exp.Expr, list[exp.Join]]:
    if isinstance(tree, Leaf):
        return tree.node, []
    first, joins = _flat(tree.left)
    return first, [*joins, _join(tree, _right(tree.right))]


def _right(tree: JoinTree) -> exp.Expr:
    if isinstance(tree, Leaf):
        return tree.node
    first, joins = _flat(tree)
    first.set("joins", joins)
    return exp.Subquery(this=first)


def _join(tree: JoinNode, right: exp.Expr) -> exp.Join:
    on = conjunction(tree.on)
    if tree.kind == "INNER":
        return exp.Join(this=right, kind="INNER", on=on) if on is not None else exp.Join(this=right, kind="CROSS")
    return exp.Join(this=right, side=tree.kind, on=on if on is not None else exp.true())
