"""Groups below a join of several sources: ``GROUP BY n.name`` over many orders there and a few nations here asks for sums by nation only.

The tables of one source (*inside*) become a derived table that is grouped by all of their columns that anything else looks at: join keys
and group keys. Each of its rows then meets the rows of the others that each of its own rows would have met, so sums of sums, counts of
counts are right; what is added up of the others counts as often as the group has rows.

Inside lies on inner joins or on the preserved side of outer ones: rows that an outer join makes up out of NULLs would count as none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.planner.grouped_blocks import is_plainly_grouped, regroup
from virtualization.planner.joins import JoinNode, JoinTree, Leaf, from_parts, join_tree, leaves
from virtualization.planner.partial_aggregates import Below, can_fail
from virtualization.planner.properties import (
    base_tables,
    conjunction,
    conjuncts,
    free_aliases,
    free_ctes,
    is_base_table,
    session_call,
    used_aliases,
)


@dataclass(frozen=True)
class Eager:
    """``block``: what the block becomes; ``inner``: the groups that are computed below, the same node as inside ``block``;
    ``keys``: the columns (alias, name) by which they are grouped."""

    block: exp.Select
    inner: exp.Select
    keys: tuple[tuple[str, str], ...]


def candidates(select: exp.Select, tables: Mapping[str, VirtualTable]) -> Iterator[frozenset[str]]:
    """Sets of aliases of one source, connected by conditions, that could be grouped below: the source with most rows first."""
    if not select.args.get("joins") or not is_plainly_grouped(select) or free_aliases(select):
        return
    if len({tables[table.alias].source for table in base_tables(select)}) < 2:
        return
    tree = join_tree(select.copy())
    assert tree is not None
    movable = [leaf.alias for leaf in _movable(tree) if is_base_table(leaf.node)]
    conditions = [used_aliases(part) for part in _inner_conditions(select, tree)]
    seen: set[str] = set()
    for alias in sorted(movable, key=lambda alias: -(tables[alias].rows or 0)):
        if alias in seen:
            continue
        same = {other for other in movable if tables[other].source == tables[alias].source}
        group = _connected(alias, same, conditions)
        seen |= group
        if len(group) < sum(1 for _ in leaves(tree)):
            yield frozenset(group)


def _connected(alias: str, same: set[str], conditions: list[set[str]]) -> set[str]:
    group, grown = {alias}, True
    while grown:
        more = {other for names in conditions if names & group and names <= same for other in names} - group
        group, grown = group | more, bool(more)
    return group


def _movable(tree: JoinTree) -> Iterator[Leaf]:
    """The first in each chain may be replaced anywhere that rows are preserved; all that stand right below inner joins may be taken out."""
    if isinstance(tree, Leaf):
        yield tree
    elif tree.kind == "INNER":
        yield from _movable(tree.left)
        yield from _movable(tree.right)
    elif tree.kind in ("LEFT", "RIGHT"):
        yield from _movable(tree.left if tree.kind == "LEFT" else tree.right)


def _inner_conditions(select: exp.Select, tree: JoinTree) -> list[exp.Expr]:
    """Those that filter rows: WHERE and the ONs of inner joins on the preserved side."""
    where = select.args.get("where")
    return [*conjuncts(where.this if where is not None else None), *_on(tree)]


def _on(tree: JoinTree) -> Iterator[exp.Expr]:
    if isinstance(tree, Leaf):
        return
    if tree.kind == "INNER":
        yield from tree.on
        yield from _on(tree.left)
        yield from _on(tree.right)
    elif tree.kind in ("LEFT", "RIGHT"):
        yield from _on(tree.left if tree.kind == "LEFT" else tree.right)


def grouped_below(select: exp.Select, inside: frozenset[str], alias: str, tables: Mapping[str, VirtualTable]) -> Eager | None:
    """The block with ``inside`` grouped first, under the new ``alias``; None where its shape does not allow it. WholeError where an
    aggregate does not."""
    made = select.copy()
    tree = join_tree(made)
    assert tree is not None
    moved = [part for part in _inner_conditions(made, tree) if _moves(part, inside, tables)]
    _drop(tree, moved)
    taken: list[Leaf] = []
    kept, loose = _without(tree, inside, taken)
    if kept is None or len(taken) != len(inside):
        return None
    inner = exp.Select()
    derived = exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    first, others = taken[0].node, [leaf.node for leaf in taken[1:]]
    taken[0].node = derived
    from_, joins = from_parts(kept)
    made.set("from_", from_)
    made.set("joins", joins)
    _filter(made, moved, loose)
    _fill(inner, first, others, moved)
    below = Below(alias, lambda value: not can_fail(value))
    keys: list[tuple[str, str]] = []

    def read(column: exp.Column) -> exp.Expr:
        keys.append((column.table, column.name))
        return below.key(column.copy())

    derived.set("this", exp.Null())  # its columns stay as they are
    regroup(made, below, inside, read)
    derived.set("this", inner)
    if not below.keys:
        return None
    inner.set("expressions", below.select())
    inner.set("group", exp.Group(expressions=[item.copy() for item, _ in below.items[: below.keys]]))
    return Eager(made, inner, tuple(dict.fromkeys(keys)))


def _moves(part: exp.Expr, inside: frozenset[str], tables: Mapping[str, VirtualTable]) -> bool:
    """Is it about the inside alone, its sub-queries too?"""
    names = free_aliases(part)
    sources = {tables[alias].source for alias in [*inside, *(table.alias for table in base_tables(part))]}
    return bool(names) and names <= inside and len(sources) == 1 and session_call(part) is None and not free_ctes(part)


def _drop(tree: JoinTree, moved: list[exp.Expr]) -> None:
    if isinstance(tree, JoinNode):
        tree.on = [part for part in tree.on if all(part is not one for one in moved)]
        _drop(tree.left, moved)
        _drop(tree.right, moved)


def _without(tree: JoinTree, inside: frozenset[str], taken: list[Leaf]) -> tuple[JoinTree | None, list[exp.Expr]]:
    """The tree without the leaves of ``inside`` but the first, and the conditions of the joins that are no more; None where nothing is
    left, or where an outer join would lose a side."""
    if isinstance(tree, Leaf):
        if tree.alias not in inside:
            return tree, []
        taken.append(tree)
        return (tree if len(taken) == 1 else None), []
    left, loose = _without(tree.left, inside, taken)
    right, more = _without(tree.right, inside, taken)
    loose = [*loose, *more]
    if left is None or right is None:
        if tree.kind != "INNER":
            taken.clear()  # refused: see ``grouped_below``
            return None, []
        return left or right, [*loose, *tree.on]
    return JoinNode(tree.kind, left, right, tree.on), loose


def _filter(made: exp.Select, moved: list[exp.Expr], loose: list[exp.Expr]) -> None:
    where = made.args.get("where")
    stay = [part for part in conjuncts(where.this if where is not None else None) if all(part is not one for one in moved)]
    condition = conjunction([*stay, *loose])
    made.set("where", exp.Where(this=condition) if condition is not None else None)


def _fill(inner: exp.Select, first: exp.Expr, others: list[exp.Expr], moved: list[exp.Expr]) -> None:
    inner.set("from_", exp.From(this=first))
    inner.set("joins", [exp.Join(this=node, kind="CROSS") for node in others])
    condition = conjunction(moved)
    inner.set("where", exp.Where(this=condition) if condition is not None else None)
