"""Bind a parsed query to the catalog: every name resolved by PostgreSQL's rules, so that nothing after this needs to know them.

After ``bind``: identifiers are folded and quoted; each base table has an alias that is unique in the statement; each column reference is
``alias.column`` and typed; stars, USING and NATURAL are written out; every select item has an alias, unique in its block; GROUP BY,
ORDER BY and DISTINCT ON hold input expressions or ordinals, never output names; a whole row is ``alias.*``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from virtualization.binding.datatypes import same_type, type_of
from virtualization.binding.grouping import check_grouping
from virtualization.binding.naming import output_name, unique
from virtualization.binding.scope import BoundColumn, Scope, whole_row
from virtualization.binding.sources import FromBinder
from virtualization.catalog import Catalog, VirtualTable
from virtualization.errors import AmbiguousColumnError, SqlError, UnknownColumnError, UnknownTableError, UnsupportedError

_ORDER_HOLDERS = (exp.SetOperation, exp.Subquery)


@dataclass(frozen=True)
class Bound:
    """A bound query (see the module), the base tables by alias, the output names as PostgreSQL gives them (duplicates included)."""

    query: exp.Query
    tables: Mapping[str, VirtualTable]
    names: tuple[str, ...]


def bind(query: exp.Query, catalog: Catalog) -> Bound:
    """The bound form of a copy of ``query``. Errors name what was not found, and what there is instead."""
    binder = Binder(catalog)
    tree = query.copy()
    _fold_identifiers(tree)
    while isinstance(tree, exp.Subquery) and not any(value for key, value in tree.args.items() if key != "this"):
        tree = tree.this.pop()  # a statement in brackets
    columns = binder.query(tree, None, {})
    return Bound(tree, binder.from_binder.tables, tuple(column.name for column in columns))


def _fold_identifiers(tree: exp.Expr) -> None:
    for identifier in tree.find_all(exp.Identifier):
        if not identifier.args.get("quoted"):
            identifier.set("this", _fold(identifier.name))


def _fold(name: str) -> str:
    """PostgreSQL folds ASCII letters only (in UTF-8)."""
    return "".join(chr(ord(letter) + 32) if "A" <= letter <= "Z" else letter for letter in name)


Ctes = Mapping[str, tuple[BoundColumn, ...]]


class Binder:
    """One statement's binding; a query block at a time, outermost first."""

    def __init__(self, catalog: Catalog) -> None:
        self.from_binder = FromBinder(catalog, self)
        self._bound: dict[int, exp.Expr] = {}  # nodes that are bound already, kept alive so that no other gets their id

    def query(self, node: exp.Expr, parent: Scope | None, ctes: Ctes) -> list[BoundColumn]:
        """Bind a SELECT, a set operation or a bracketed query in place; its output columns."""
        ctes = self._with(node, parent, ctes)
        if isinstance(node, exp.Select):
            return self._select(node, parent, ctes)
        if isinstance(node, exp.SetOperation):
            columns = self._set_operation(node, parent, ctes)
        elif isinstance(node, exp.Subquery):
            columns = self.query(node.this, parent, ctes)
        else:
            raise UnsupportedError(f"{type(node).__name__.upper()} is not supported here", hint="Write it as (SELECT …).")
        self._order_by_output(node, columns)
        self._limits(node, parent, ctes)
        return columns

    def expression(self, node: exp.Expr, scope: Scope | None, ctes: Ctes) -> None:
        """Bind all column references and sub-queries below ``node`` in place (``node`` itself must have a parent)."""
        stack = [node]
        while stack:
            current = stack.pop()
            if id(current) in self._bound:
                continue
            if isinstance(current, exp.Subquery) and not isinstance(current.this, exp.Query):
                stack.append(current.this)
            elif isinstance(current, exp.Query):
                self.query(current, scope, ctes)
            elif isinstance(current, exp.Column):
                if isinstance(current.this, exp.Star) and not current.table:
                    continue
                current.replace((scope or Scope()).resolve(current))
            else:
                stack.extend(current.iter_expressions())

    def rename_outputs(self, node: exp.Expr, names: list[str]) -> None:
        """Give the outputs of a bound query these names (column alias lists; duplicates made unique)."""
        while not isinstance(node, exp.Select):
            node = node.this
        for item, name in zip(node.selects, names, strict=False):
            item.set("alias", exp.to_identifier(name, quoted=True))

    def _with(self, node: exp.Expr, parent: Scope | None, ctes: Ctes) -> Ctes:
        with_ = node.args.get("with_")
        if with_ is None:
            return ctes
        known = dict(ctes)
        for cte in with_.expressions:
            name = cte.alias
            given = [column.name for column in cte.args["alias"].args.get("columns") or []]
            if with_.args.get("recursive") and isinstance(cte.this, exp.SetOperation) and _mentions(cte.this, name):
                columns = self._recursive(cte, given, parent, known)
            else:
                columns = self._named(cte.this, self.query(cte.this, parent, known), given, name)
            cte.args["alias"].set("columns", None)
            cte.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
            known[name] = columns
        return known

    def _recursive(self, cte: exp.CTE, given: list[str], parent: Scope | None, known: Ctes) -> tuple[BoundColumn, ...]:
        union = cte.this
        left = self.query(union.left if not isinstance(union.this, exp.Subquery) else union.this, parent, known)
        columns = self._named(union.this, left, given, cte.alias)
        self.query(union.expression, parent, {**known, cte.alias: columns})
        return columns

    def _named(self, node: exp.Expr, columns: list[BoundColumn], given: list[str], what: str) -> tuple[BoundColumn, ...]:
        """Output columns under an alias list; inside they get unique names, outside they keep theirs."""
        if len(given) > len(columns):
            raise SqlError(f'table "{what}" has {len(columns)} columns available but {len(given)} columns specified', detail="42P10")
        names = given + [column.name for column in columns[len(given) :]]
        inner = unique(names)
        if inner != [column.inner for column in columns]:
            self.rename_outputs(node, inner)
        return tuple(BoundColumn(n, i, column.type) for n, i, column in zip(names, inner, columns, strict=True))

    named = _named

    def _set_operation(self, node: exp.SetOperation, parent: Scope | None, ctes: Ctes) -> list[BoundColumn]:
        if node.args.get("by_name"):
            raise SqlError('syntax error at or near "BY"')
        left = self.query(node.this, parent, ctes)
        right = self.query(node.expression, parent, ctes)
        if len(left) != len(right):
            raise SqlError(f"each {node.key.upper()} query must have the same number of columns")
        return [BoundColumn(a.name, a.inner, same_type(a.type, b.type)) for a, b in zip(left, right, strict=True)]

    def _select(self, node: exp.Select, parent: Scope | None, ctes: Ctes) -> list[BoundColumn]:
        if node.args.get("qualify"):
            raise SqlError('syntax error at or near "QUALIFY"')
        scope = self.from_binder.bind(node, parent, ctes)
        names = self._select_items(node, scope, ctes)
        self._by_output_name(node, scope, names)
        for part in ("where", "having", "windows", "group", "order", "distinct"):
            value = node.args.get(part)
            for child in value if isinstance(value, list) else [value] if value is not None else []:
                self.expression(child, scope, ctes)
        self._limits(node, parent, ctes)
        aliases = unique(names)
        items = [item.this if isinstance(item, exp.Alias) else item for item in node.expressions]
        node.set("expressions", [exp.Alias(this=i, alias=exp.to_identifier(a, quoted=True)) for i, a in zip(items, aliases, strict=True)])
        check_grouping(node, {source.alias: source.name for source in scope.sources.values()})
        return [BoundColumn(n, a, type_of(i)) for n, a, i in zip(names, aliases, items, strict=True)]

    def _limits(self, node: exp.Expr, parent: Scope | None, ctes: Ctes) -> None:
        for part in ("limit", "offset"):
            if node.args.get(part) is not None:
                self.expression(node.args[part], parent, ctes)

    def _select_items(self, node: exp.Select, scope: Scope, ctes: Ctes) -> list[str]:
        """Bind the select list, stars written out; the output names."""
        items: list[tuple[str, exp.Expr]] = []
        for item in list(node.expressions):
            if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
                items.extend(self._star(item, scope))
                continue
            name = output_name(item)
            holder = item if isinstance(item, exp.Alias) else exp.Alias(this=item)
            self.expression(holder.this, scope, ctes)
            if isinstance(holder.this, exp.Column) and isinstance(holder.this.this, exp.Star):
                raise UnsupportedError(
                    f'a whole row of "{name}" as one column is not supported', hint=f"Write row_to_json({name}) or {name}.*."
                )
            items.append((name, holder.this))
        node.set("expressions", [_aliased(item, name) for name, item in items])
        return [name for name, _ in items]

    def _star(self, item: exp.Star | exp.Column, scope: Scope) -> list[tuple[str, exp.Expr]]:
        if isinstance(item, exp.Star):
            if not scope.sources:
                raise SqlError("SELECT * with no tables specified is not valid")
            self._refuse_open(scope)
            return [(visible.name, visible.make()) for visible in scope.visible]
        source = scope.source(item.table)
        if source is None:
            raise UnknownTableError(f'missing FROM-clause entry for table "{item.table}"')
        return [(column.name, column.reference(source.alias)) for column in source.columns]

    def _refuse_open(self, scope: Scope) -> None:
        for source in scope.sources.values():
            if source.open and not source.columns:
                raise UnsupportedError(f'the columns of function "{source.name}" are not known', hint="Name them: … AS f(a, b).")

    def _by_output_name(self, node: exp.Select, scope: Scope, names: list[str]) -> None:
        """ORDER BY and DISTINCT ON: a bare name is first an output; GROUP BY: first an input. Both become ordinals or input columns."""
        order, group, distinct = (node.args.get(part) for part in ("order", "group", "distinct"))
        for holder in order.expressions if order is not None else []:
            self._resolve_item(holder, node, scope, names, outputs_first=True)
        if group is not None:
            self._resolve_list(group, node, scope, names, outputs_first=False)
        on = distinct.args.get("on") if distinct is not None else None
        if on is not None:
            self._resolve_list(on, node, scope, names, outputs_first=True)

    def _resolve_list(self, owner: exp.Expr, node: exp.Select, scope: Scope, names: list[str], *, outputs_first: bool) -> None:
        holders = [exp.Paren(this=item) for item in owner.expressions]
        for holder in holders:
            self._resolve_item(holder, node, scope, names, outputs_first=outputs_first)
        owner.set("expressions", [holder.this for holder in holders])

    def _resolve_item(self, holder: exp.Expr, node: exp.Select, scope: Scope, names: list[str], *, outputs_first: bool) -> None:
        """``holder.this`` is an item of ORDER BY, GROUP BY or DISTINCT ON: replace an ordinal or output name by what it stands for."""
        item = holder.this
        position = _ordinal(item)
        if position is None and isinstance(item, exp.Column) and not item.table and not isinstance(item.this, exp.Star):
            inputs = any(visible.name == item.name for visible in scope.visible)
            if outputs_first or not inputs:
                position = _position(node, names, item.name)
        if position is None:
            return
        if not 1 <= position <= len(node.selects):
            raise SqlError(f"position {position} is not in select list")
        target = node.selects[position - 1]
        target = target.this if isinstance(target, exp.Alias) else target
        plain = isinstance(target, exp.Column) and not isinstance(target.this, exp.Star)
        replacement = target.copy() if plain else exp.Literal.number(position)
        self._bound[id(replacement)] = replacement
        holder.set("this", replacement)

    def _order_by_output(self, node: exp.Expr, columns: list[BoundColumn]) -> None:
        """Above a set operation only outputs can be named."""
        order = node.args.get("order")
        for ordered in order.expressions if order is not None else []:
            item = ordered.this
            position = _ordinal(item)
            if position is None and isinstance(item, exp.Column) and not item.table:
                found = [number for number, column in enumerate(columns, 1) if column.name == item.name]
                if not found:
                    known = ", ".join(column.name for column in columns)
                    raise UnknownColumnError(f'column "{item.name}" does not exist', hint=f"Output columns: {known}.")
                position = found[0]
            if position is None:
                raise UnsupportedError(
                    "ORDER BY above a set operation takes output names or positions only", hint="Wrap it: SELECT * FROM (…) x ORDER BY …"
                )
            ordered.set("this", exp.Literal.number(position))


def _aliased(node: exp.Expr, name: str) -> exp.Alias:
    return exp.Alias(this=node, alias=exp.to_identifier(name, quoted=True))


def _ordinal(item: exp.Expr) -> int | None:
    return int(item.name) if isinstance(item, exp.Literal) and not item.is_string and item.name.isdigit() else None


def _position(node: exp.Select, names: list[str], name: str) -> int | None:
    """Which output has that name; the same expression twice is no ambiguity."""
    found = [number for number, candidate in enumerate(names, 1) if candidate == name]
    if len(found) > 1:
        first, *others = (_unaliased(node.selects[number - 1]) for number in found)
        if any(other != first for other in others):
            raise AmbiguousColumnError(f'ORDER BY "{name}" is ambiguous')
    return found[0] if found else None


def _unaliased(item: exp.Expr) -> exp.Expr:
    return item.this if isinstance(item, exp.Alias) else item


def _mentions(node: exp.Expr, name: str) -> bool:
    return any(table.name == name and not table.db for table in node.find_all(exp.Table))


__all__ = ["Binder", "Bound", "bind", "whole_row"]
