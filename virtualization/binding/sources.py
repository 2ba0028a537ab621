"""The FROM clause: which sources a query block has, under which aliases, and what its joins merge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from sqlglot import exp

from virtualization.binding.functions import OUT_COLUMNS, function_columns
from virtualization.binding.merged import merged
from virtualization.binding.naming import output_name, unique
from virtualization.binding.scope import BoundColumn, Scope, Source, Visible, visible_of
from virtualization.catalog import Catalog, VirtualTable
from virtualization.errors import SqlError, UnknownColumnError, UnsupportedError

Ctes = Mapping[str, tuple[BoundColumn, ...]]


class QueryBinder(Protocol):
    """What the FROM clause needs of the binder around it."""

    def query(self, node: exp.Expr, parent: Scope | None, ctes: Ctes) -> list[BoundColumn]:
        """Bind a sub-query in place."""
        ...

    def expression(self, node: exp.Expr, scope: Scope | None, ctes: Ctes) -> None:
        """Bind an expression in place."""
        ...

    def named(self, node: exp.Expr, columns: list[BoundColumn], given: list[str], what: str) -> tuple[BoundColumn, ...]:
        """Apply an alias list to a bound query."""
        ...


class FromBinder:
    """Binds FROM clauses of one statement; ``tables``: its base tables by their unique alias."""

    def __init__(self, catalog: Catalog, binder: QueryBinder) -> None:
        self.tables: dict[str, VirtualTable] = {}
        self._catalog = catalog
        self._binder = binder
        self._taken: set[str] = set()

    def bind(self, node: exp.Select, parent: Scope | None, ctes: Ctes) -> Scope:
        """The scope of a block whose FROM is bound in place."""
        scope = Scope(parent)
        from_ = node.args.get("from_")
        if from_ is None:
            return scope
        scope.visible = self._item(from_.this, scope, ctes)
        for join in node.args.get("joins") or []:
            scope.visible = self._join(join, scope.visible, scope, ctes)
        for lateral in node.args.get("laterals") or []:
            raise UnsupportedError(f"this form of LATERAL is not supported: {lateral.sql('postgres')[:80]}")
        return scope

    def _join(self, join: exp.Join, left: list[Visible], scope: Scope, ctes: Ctes) -> list[Visible]:
        before = scope.visible
        scope.visible = left  # what a LATERAL item on the right may name
        right = self._item(join.this, scope, ctes)
        names = self._merged_names(join, left, right)
        if names is None:
            scope.visible = left + right
            if join.args.get("on") is not None:
                self._binder.expression(join.args["on"], scope, ctes)
            scope.visible = before
            return left + right
        scope.visible = before
        return self._merge(join, names, left, right)

    def _merged_names(self, join: exp.Join, left: list[Visible], right: list[Visible]) -> list[str] | None:
        if join.args.get("using"):
            return [identifier.name for identifier in join.args["using"]]
        if (join.method or "").upper() == "NATURAL":
            there = {visible.name for visible in right}
            return [visible.name for visible in left if visible.name in there]
        return None

    def _merge(self, join: exp.Join, names: list[str], left: list[Visible], right: list[Visible]) -> list[Visible]:
        """Write USING out as ON; the merged columns come first and are the left one, the right one, or COALESCE of both."""
        conditions, columns = [], []
        for name in names:
            a, b = _only(name, left, "left"), _only(name, right, "right")
            conditions.append(exp.EQ(this=a.make(), expression=b.make()))
            columns.append(merged(name, a, b, (join.side or "").upper()))
        join.set("using", None)
        join.set("method", None)
        if conditions:
            join.set("on", exp.and_(*conditions, copy=False))
            if (join.kind or "").upper() == "CROSS":
                join.set("kind", "INNER")
        elif join.side:
            join.set("on", exp.true())
        else:
            join.set("kind", "CROSS")
        return columns + [v for v in left if v.name not in names] + [v for v in right if v.name not in names]

    def _item(self, node: exp.Expr, scope: Scope, ctes: Ctes) -> list[Visible]:
        if isinstance(node, exp.Subquery) and _is_join(node):
            visible = self._bracketed(node, scope, ctes)
        else:
            source = self._source(node, scope, ctes)
            scope.add(source)
            visible = visible_of(source)
        for join in node.args.get("joins") or []:
            visible = self._join(join, visible, scope, ctes)
        return visible

    def _bracketed(self, node: exp.Subquery, scope: Scope, ctes: Ctes) -> list[Visible]:
        if node.alias:
            raise UnsupportedError("an alias for a join in brackets is not supported", hint="Write (SELECT … FROM a JOIN b …) AS x.")
        return self._item(node.this, scope, ctes)

    def _source(self, node: exp.Expr, scope: Scope, ctes: Ctes) -> Source:
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            return self._named_table(node, ctes)
        if isinstance(node, exp.Subquery):
            return self._derived(node, node, scope.parent, ctes)
        if isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery):
            return self._derived(node, node.this, Scope(scope.parent, dict(scope.sources), list(scope.visible)), ctes)
        if isinstance(node, exp.Values):
            return self._values(node, scope, ctes)
        if isinstance(node, exp.Table | exp.Unnest | exp.Lateral):
            return self._function(node, scope, ctes)
        raise UnsupportedError(f"{type(node).__name__} is not supported in FROM")

    def _named_table(self, node: exp.Table, ctes: Ctes) -> Source:
        if node.args.get("catalog"):
            raise UnsupportedError("cross-database references are not implemented", hint="Name the table as schema.table.")
        given = _alias_columns(node)
        if not node.db and node.name in ctes:
            name = node.alias or node.name
            node.set("this", exp.to_identifier(node.name, quoted=True))
            alias = self._unique(name)
            node.set("alias", _alias(alias))
            return Source(name, alias, _renamed(ctes[node.name], given, name))
        table = self._catalog.table(node.db or None, node.name)
        name = node.alias or node.name
        alias = self._unique(name)
        self.tables[alias] = table
        node.set("this", exp.to_identifier(table.name, quoted=True))
        node.set("db", exp.to_identifier(table.schema, quoted=True))
        node.set("alias", _alias(alias))
        node.set("only", None)
        columns = tuple(BoundColumn(column.name, column.name, column.type) for column in table.columns)
        return Source(name, alias, _renamed(columns, given, name), table)

    def _derived(self, holder: exp.Expr, query: exp.Expr, parent: Scope | None, ctes: Ctes) -> Source:
        name = holder.alias or "unnamed_subquery"
        given = _alias_columns(holder)
        bound = self._binder.query(query.this, parent, ctes)
        columns = self._binder.named(query.this, bound, given, name)
        alias = self._unique(name)
        holder.set("alias", _alias(alias))
        return Source(name, alias, columns)

    def _values(self, node: exp.Values, scope: Scope, ctes: Ctes) -> Source:
        for row in node.expressions:
            self._binder.expression(row, scope.parent, ctes)
        width = len(node.expressions[0].expressions)
        names = [*_alias_columns(node), *(f"column{number + 1}" for number in range(len(_alias_columns(node)), width))]
        name = node.alias or "*VALUES*"
        alias = self._unique(name)
        inner = unique(names)
        node.set("alias", _alias(alias, inner))
        return Source(name, alias, tuple(BoundColumn(n, i) for n, i in zip(names, inner, strict=True)))

    def _function(self, node: exp.Expr, scope: Scope, ctes: Ctes) -> Source:
        """A function in FROM; its arguments may name what stands left of it (LATERAL is implied)."""
        if node.args.get("rows_from"):
            raise UnsupportedError("ROWS FROM is not supported", hint="Name one function in FROM; unnest takes several arrays.")
        left = Scope(scope.parent, dict(scope.sources), list(scope.visible))
        call = node if isinstance(node, exp.Unnest) else node.this
        for argument in list(call.iter_expressions()):
            if not isinstance(argument, exp.TableAlias | exp.Identifier):
                self._binder.expression(argument, left, ctes)
        given = _alias_columns(node)
        label = "unnest" if isinstance(call, exp.Unnest) else "generate_series" if "Series" in type(call).__name__ else output_name(call)
        name = node.alias or label
        ordinality = node.args.get("ordinality") or node.args.get("offset")
        own = function_columns(call, label, name)
        if ordinality:
            own = [*own, ordinality.name if isinstance(ordinality, exp.Identifier) else "ordinality"]
        names = [*given, *own[len(given) :]]
        alias = self._unique(name)
        node.set("alias", _alias(alias, names))
        known = isinstance(call, exp.Unnest) or label in ("generate_series", *OUT_COLUMNS) or bool(given)
        return Source(name, alias, tuple(BoundColumn(n, n) for n in names), open=not known)

    def _unique(self, name: str) -> str:
        candidate, number = name, 0
        while candidate in self._taken or candidate.startswith("__f"):
            number += 1
            candidate = f"{name.lstrip('_')}_{number}"
        self._taken.add(candidate)
        return candidate


def _only(name: str, visible: list[Visible], where: str) -> Visible:
    found = [candidate for candidate in visible if candidate.name == name]
    if not found:
        raise UnknownColumnError(f'column "{name}" specified in USING clause does not exist in {where} table')
    if len(found) > 1:
        raise SqlError(f'common column name "{name}" appears more than once in {where} table')
    return found[0]


def _is_join(node: exp.Subquery) -> bool:
    """A join in brackets, as opposed to a query in brackets."""
    inner = node.this
    if isinstance(inner, exp.Subquery):
        return bool(inner.alias or inner.args.get("joins")) or _is_join(inner)
    return not isinstance(inner, exp.Query)


def _alias(name: str, columns: list[str] | None = None) -> exp.TableAlias:
    return exp.TableAlias(
        this=exp.to_identifier(name, quoted=True),
        columns=[exp.to_identifier(column, quoted=True) for column in columns] if columns else None,
    )


def _alias_columns(node: exp.Expr) -> list[str]:
    alias = node.args.get("alias")
    columns = alias.args.get("columns") if alias is not None else None
    for column in columns or []:
        if isinstance(column, exp.ColumnDef):
            raise UnsupportedError("a column definition list is not supported", hint="Name the columns only and cast them.")
    return [column.name for column in columns or []]


def _renamed(columns: tuple[BoundColumn, ...], given: list[str], what: str) -> tuple[BoundColumn, ...]:
    """A table's columns under an alias list; inside they keep their names."""
    if len(given) > len(columns):
        raise SqlError(f'table "{what}" has {len(columns)} columns available but {len(given)} columns specified')
    return tuple(BoundColumn(name, column.inner, column.type) for name, column in zip(given, columns, strict=False)) + columns[len(given) :]
