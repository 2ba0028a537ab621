"""Query blocks: each offered as a whole first, then cut at its joins and sub-queries."""

from __future__ import annotations

from sqlglot import exp

from virtualization.planner.fragment_names import fragment_name, fragment_number
from virtualization.planner.joins import Leaf, from_parts, join_tree
from virtualization.planner.offers import Offers
from virtualization.planner.properties import (
    conjunction,
    conjuncts,
    has_query,
    is_row_by_row,
    is_volatile,
    untyped_output,
)
from virtualization.planner.references import References
from virtualization.planner.regions import Regions

_EXPRESSION_PARTS = ("expressions", "where", "group", "having", "order", "distinct", "windows", "limit", "offset")


class Blocks:
    """Cuts one bound statement."""

    def __init__(self, root: exp.Expr, offers: Offers) -> None:
        self._offers = offers
        self._references = References(root)
        self._regions = Regions(offers, self._references, self.cut)

    def residual(self, root: exp.Expr) -> exp.Expr:
        """What is left of a statement that no source took as a whole; ``root`` is changed."""
        residual = self._parts(root)
        self._references.rewrite(residual)
        return residual

    def cut(self, node: exp.Expr) -> exp.Expr:
        """A sub-query with fragments in it; ``node`` may be changed."""
        number = self._offers.whole(node)
        return self._parts(node) if number is None else self._read(node, number)

    def _parts(self, node: exp.Expr) -> exp.Expr:
        """The parts of a query that was not taken as a whole."""
        self._with(node)
        if isinstance(node, exp.SetOperation):
            node.set("this", self._arm(node.this))
            node.set("expression", self._arm(node.expression))
            return node
        if isinstance(node, exp.Subquery):
            node.set("this", self.cut(node.this))
            return node
        assert isinstance(node, exp.Select)
        reduced = self._without_order(node)
        if reduced is not None:
            return reduced
        self._from(node)
        self._expressions(node)
        return node

    def _with(self, node: exp.Expr) -> None:
        with_ = node.args.get("with_")
        if with_ is None:
            return
        for cte in with_.expressions:
            recursive = with_.args.get("recursive") and any(
                table.name == cte.alias and not table.db for table in cte.this.find_all(exp.Table)
            )
            cte.set("this", self._parts(cte.this) if recursive else self.cut(cte.this))

    def _arm(self, arm: exp.Expr) -> exp.Expr:
        """One arm of a set operation. An untyped literal takes its type from the other arms, so such an arm stays, with its tables cut."""
        literal = untyped_output(arm)
        if literal is None:
            return self.cut(arm)
        self._offers.keep(
            literal, "untyped_literal", "its type comes from the other arms of the set operation", "Cast it, for example NULL::text."
        )
        return self._parts(arm)

    def _without_order(self, node: exp.Select) -> exp.Expr | None:
        """A block that groups, offered without its ORDER BY and LIMIT (a source may group texts but order them otherwise)."""
        order, limit, offset = (node.args.get(part) for part in ("order", "limit", "offset"))
        distinct = node.args.get("distinct")
        grouped = node.args.get("group") is not None or distinct is not None
        if not grouped or not (order or limit or offset) or (distinct is not None and distinct.args.get("on")):
            return None
        positions = [_position(node, item.this) for item in order.expressions] if order is not None else []
        if None in positions or any(part is not None and has_query(part) for part in (limit, offset)):
            return None
        smaller = node.copy()
        for part in ("order", "limit", "offset", "with_"):
            smaller.set(part, None)
        number = self._offers.whole(smaller)
        if number is None:
            return None
        read = self._read(smaller, number)
        if order is not None:
            for item, position in zip(order.expressions, positions, strict=True):
                item.set("this", exp.Literal.number(position))
        for part, value in (("order", order), ("limit", limit), ("offset", offset)):
            read.set(part, value)
        return read

    def _from(self, node: exp.Select) -> None:
        tree = join_tree(node)
        if tree is None:
            return
        where = node.args.get("where")
        filters = [self._regions.condition(part) for part in conjuncts(where.this if where is not None else None)]
        rows = _rows_wanted(node)
        limited = self._regions.limited(tree, filters, rows) if rows is not None else None
        planned, left = limited or self._regions.cut(tree, filters)
        if rows is not None and limited is None and isinstance(planned, Leaf) and not left:
            self._leave_early(planned, rows)
        from_, joins = from_parts(planned)
        node.set("from_", from_)
        node.set("joins", joins)
        condition = conjunction([c.node for c in left])
        node.set("where", exp.Where(this=condition) if condition is not None else None)
        for join in joins:
            self._nested(join.args.get("on"))

    def _leave_early(self, leaf: Leaf, rows: int) -> None:
        number = fragment_number(leaf.node)
        if number is not None:
            self._offers.first_rows(number, rows)

    def _expressions(self, node: exp.Select) -> None:
        for part in _EXPRESSION_PARTS:
            value = node.args.get(part)
            for child in value if isinstance(value, list) else [value]:
                self._nested(child)

    def _nested(self, node: exp.Expr | None) -> None:
        """Cut the sub-queries inside an expression."""
        stack = [node] if node is not None else []
        while stack:
            current = stack.pop()
            if isinstance(current, exp.Select | exp.SetOperation):
                parent, key, index = current.parent, current.arg_key, current.index
                new = self.cut(current)
                if new is not current and parent is not None and key is not None:
                    parent.set(key, new, index)
            else:
                stack.extend(current.iter_expressions())

    def _read(self, node: exp.Expr, number: int) -> exp.Select:
        """``SELECT its columns FROM fragment`` under the output names that the query had."""
        names = [item.alias_or_name for item in node.selects]  # type: ignore[attr-defined]
        table = fragment_name(number)
        columns = [column.name for column in self._offers.fragments[number].columns]
        items = [
            exp.Alias(this=exp.column(column, table=table, quoted=True), alias=exp.to_identifier(name, quoted=True))
            for column, name in zip(columns, names, strict=True)
        ]
        return exp.Select(expressions=items, from_=exp.From(this=exp.Table(this=exp.to_identifier(table, quoted=True))))


def _rows_wanted(node: exp.Select) -> int | None:
    """How many rows of its FROM and WHERE a block needs, whichever: it has LIMIT and nothing that looks at the other rows."""
    limit, offset = node.args.get("limit"), node.args.get("offset")
    if limit is None or any(node.args.get(part) for part in ("order", "group", "having", "distinct", "windows")):
        return None
    numbers = [part.expression for part in (limit, offset) if part is not None]
    if not all(isinstance(number, exp.Literal) and number.name.isdigit() for number in numbers):
        return None
    if not all(is_row_by_row(item) for item in node.selects):
        return None
    return sum(int(number.name) for number in numbers)


def _position(node: exp.Select, item: exp.Expr) -> int | None:
    """Which output an ORDER BY item is: an ordinal, or the same (not volatile) expression."""
    if isinstance(item, exp.Literal) and not item.is_string:
        return int(item.name)
    if is_volatile(item):
        return None
    return next((number for number, select in enumerate(node.selects, 1) if select.unalias() == item), None)
