"""A small statement that still differs: clauses, items, tables and arguments are dropped for as long as the difference stays.

Only what keeps one certain answer is tried: an inner ORDER BY goes only together with its LIMIT, windows and ordered aggregates only as
a whole, and items of a SELECT that is ordered by numbers stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from sqlglot import exp
from sqlglot.errors import SqlglotError

from virtualization.errors import VirtualizationError
from virtualization.parse import parse

MOST_TRIES = 400
WHOLE = (exp.Window, exp.WithinGroup)
"""Not looked into."""
CLAUSES = ("where", "having", "distinct")
Change = Callable[[exp.Expr], exp.Expr | None]
"""Takes the copied tree, gives the changed one (perhaps another root); None: it can't be done."""


def shrink(sql: str, differs: Callable[[str], bool], *, seconds: float = 60.0, tries: int = MOST_TRIES) -> str:
    """The smallest statement found within ``seconds`` and ``tries`` for which ``differs`` says yes, as it did for ``sql``."""
    deadline = time.monotonic() + seconds
    best, progress = sql, True
    seen = {sql}
    while progress:
        progress = False
        for smaller in sorted(set(_smaller(best)), key=len):
            if tries <= 0 or time.monotonic() > deadline:
                return best
            if smaller in seen or len(smaller) >= len(best):
                continue
            tries -= 1
            seen.add(smaller)
            if differs(smaller):
                best, progress = smaller, True
                break
    return best


def _smaller(sql: str) -> Iterator[str]:
    """Statements with one thing less."""
    try:
        tree = parse(sql)
    except VirtualizationError:
        return
    count = sum(1 for _ in _nodes(tree))
    for number in range(count):
        step = 0
        while True:
            copy = tree.copy()
            node = next(node for at, node in enumerate(_nodes(copy)) if at == number)
            changes = list(_changes(node))
            if step >= len(changes):
                break
            text = _rendered(changes[step], copy)
            step += 1
            if text is not None:
                yield text


def _rendered(change: Change, tree: exp.Expr) -> str | None:
    """None: what is left is no statement (sqlglot's generator trips over trees that its parser would not have made)."""
    try:
        result = change(tree)
        return None if result is None else result.sql("postgres")
    except (SqlglotError, TypeError, ValueError, AttributeError):
        return None


def _nodes(tree: exp.Expr) -> Iterator[exp.Expr]:
    yield from tree.walk(prune=lambda node: isinstance(node, WHOLE))


def _changes(node: exp.Expr) -> Iterator[Change]:
    """What can be done with one node of the copied tree; each gives the tree (or another root)."""
    if isinstance(node, exp.Select):
        yield from _select_changes(node)
    if isinstance(node, exp.SetOperation):
        for side in (node.this, node.expression):
            yield lambda root, side=side: _replaced(root, node, side)  # type: ignore[misc]
    yield from _order_changes(node)
    yield from _expression_changes(node)


def _order_changes(node: exp.Expr) -> Iterator[Change]:
    if isinstance(node, exp.Query) and (
        node.args.get("limit") is not None or node.args.get("offset") is not None or node.args.get("order")
    ):
        on = node.args.get("distinct")
        more = ("distinct",) if isinstance(on, exp.Distinct) and on.args.get("on") else ()  # whose choice the order makes certain
        yield lambda root: _without(root, node, ("limit", "offset", "order", *more))


def _expression_changes(node: exp.Expr) -> Iterator[Change]:
    if isinstance(node, exp.In) and len(node.expressions) > 1:
        for item in node.expressions:
            yield lambda root, item=item: _popped(root, item)  # type: ignore[misc]
    if isinstance(node, exp.Subquery) and isinstance(node.parent, exp.From | exp.Join):
        for table in node.find_all(exp.Table):
            yield lambda root, table=table: _replaced(root, node, _renamed(table, node.alias))  # type: ignore[misc]
    if isinstance(node, exp.Condition) and not isinstance(node, exp.Column | exp.Literal | exp.Subquery | exp.Identifier):
        for child in list(node.iter_expressions()):
            inner = child.this if isinstance(child, exp.Paren) else child
            if isinstance(inner, exp.Condition) and not isinstance(inner, exp.Identifier | exp.Star):
                yield lambda root, inner=inner: _replaced(root, node, inner)  # type: ignore[misc]


def _select_changes(node: exp.Select) -> Iterator[Change]:
    for clause in CLAUSES:
        if node.args.get(clause) is not None and not (clause == "distinct" and node.args["distinct"].args.get("on")):
            yield lambda root, clause=clause: _without(root, node, (clause,))  # type: ignore[misc]
    if node.args.get("with_") is not None:
        yield lambda root: _without(root, node, ("with_",))
    for join in node.args.get("joins") or []:
        yield lambda root, join=join: _popped(root, join)  # type: ignore[misc]
    if node.args.get("joins"):
        yield lambda root: _without_first(root, node)
    order, group = node.args.get("order"), node.args.get("group")
    if len(node.expressions) > 1 and order is None and not isinstance(node.parent, exp.SetOperation):
        for number, item in enumerate(node.expressions):
            yield lambda root, item=item, number=number: _without_item(root, node, item, number)  # type: ignore[misc]
    if group is not None and order is None:
        yield lambda root: _without(root, node, ("group", "having"))


def _without(root: exp.Expr, node: exp.Expr, clauses: tuple[str, ...]) -> exp.Expr:
    for clause in clauses:
        node.set(clause, None)
    return root


def _popped(root: exp.Expr, node: exp.Expr) -> exp.Expr:
    node.pop()
    return root


def _replaced(root: exp.Expr, node: exp.Expr, by: exp.Expr) -> exp.Expr:
    if node is root:
        return by.copy()
    node.replace(by.copy())
    return root


def _renamed(table: exp.Table, alias: str) -> exp.Expr:
    copy = table.copy()
    copy.set("alias", exp.TableAlias(this=exp.to_identifier(alias)))
    return copy


def _without_first(root: exp.Expr, node: exp.Select) -> exp.Expr | None:
    """The first table goes, the first join's becomes the first."""
    source, joins = node.args.get("from_"), node.args["joins"]
    if source is None:
        return None
    first = joins[0]
    source.set("this", first.this.copy())
    first.pop()
    return root


def _without_item(root: exp.Expr, node: exp.Select, item: exp.Expr, number: int) -> exp.Expr | None:
    """GROUP BY may name items by number."""
    group = node.args.get("group")
    if group is not None:
        kept = []
        for part in group.expressions:
            at = int(part.name) if isinstance(part, exp.Literal) and part.is_int else None
            if at == number + 1:
                continue
            kept.append(exp.Literal.number(at - 1) if at is not None and at > number + 1 else part.copy())
        group.set("expressions", kept)
        if not kept and not any(group.args.get(name) for name in ("rollup", "cube", "grouping_sets")):
            node.set("group", None)
    item.pop()
    return root
