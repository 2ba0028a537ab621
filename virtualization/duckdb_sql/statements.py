"""Whole queries of the residual, written for DuckDB. Tables and columns get names of our own (``t0``, ``c0``): DuckDB's names do not
tell upper case from lower, PostgreSQL's do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from virtualization.duckdb_sql import allowed
from virtualization.duckdb_sql.aggregates import AllExpressions
from virtualization.duckdb_sql.expressions import Scope, Source, only, refuse
from virtualization.duckdb_sql.kinds import INTEGERS, Kind, RefusedError, kind_of_text
from virtualization.duckdb_sql.predictions import below, parted
from virtualization.plan import Fragment, Kept, OutputColumn
from virtualization.predictions import Models

FRAGMENT_PREFIX = "__f"
Columns = list[tuple[str, Kind]]


@dataclass(frozen=True)
class Translated:
    """DuckDB's text, the result's columns, how often each fragment is read, and which lines of the allow list were used."""

    sql: str
    columns: tuple[tuple[str, Kind], ...]
    reads: Mapping[int, int]
    used: frozenset[object] = field(repr=False)
    functions: Mapping[str, str] = field(default_factory=dict)
    """What stands in the text for a function that calls an app → its model's key."""


def translate(residual: exp.Query, fragments: Sequence[Fragment]) -> Translated | Kept:
    """``residual`` over ``__f0`` … for DuckDB, or the first reason why not."""
    return translate_columns(residual, [fragment.columns for fragment in fragments])


def translate_columns(
    residual: exp.Query, fragments: Sequence[tuple[OutputColumn, ...]], models: Models | None = None
) -> Translated | Kept:
    """``translate`` from the fragments' columns alone; ``models``: of ``predict``."""
    return translate_kinds(residual, [[(column.name, kind_of_text(column.type)) for column in columns] for columns in fragments], models)


def translate_kinds(residual: exp.Query, fragments: Sequence[Columns], models: Models | None = None) -> Translated | Kept:
    """``translate`` over columns of kinds that no PostgreSQL type names: sums of partial results."""
    translator = _Translator(fragments, models)
    try:
        sql, columns = translator.query(residual, Scope(), {})
    except RefusedError as refused:
        return refused.kept
    return Translated(sql, tuple(columns), dict(translator.reads), frozenset(translator.expressions.used), translator.expressions.keys)


class _Translator:
    def __init__(self, fragments: Sequence[Columns], models: Models | None) -> None:
        self._fragments = fragments
        self._ctes: dict[str, tuple[str, Columns]] = {}
        self._names = 0
        self.reads: dict[int, int] = {}
        self.expressions = AllExpressions(lambda node, scope: self.query(node, Scope(outer=scope), self._ctes), models)

    def query(self, node: exp.Expr, scope: Scope, ctes: dict[str, tuple[str, Columns]]) -> tuple[str, Columns]:
        """A SELECT, a set operation, or one in brackets; its output columns are c0, c1 …"""
        outside = self._ctes
        self._ctes = dict(ctes)
        try:
            prefix = self._with(node, scope)
            if isinstance(node, exp.Select):
                sql, columns = self._select(node, scope)
            elif isinstance(node, exp.SetOperation):
                sql, columns = self._set_operation(node, scope)
            elif isinstance(node, exp.Subquery):
                sql, columns = self._bracketed(node, scope)
            else:
                refuse(node, "syntax", "this form of a query is not on DuckDB's allow list")
            return prefix + sql, columns
        finally:
            self._ctes = outside

    def _with(self, node: exp.Expr, scope: Scope) -> str:
        with_ = node.args.get("with_")
        if with_ is None:
            return ""
        only(with_, "expressions")  # RECURSIVE is refused
        parts = []
        for cte in with_.expressions:
            only(cte, "this", "alias", "materialized")
            only(cte.args["alias"], "this")
            sql, columns = self.query(cte.this, Scope(outer=scope), self._ctes)
            name = self._name()
            self._ctes[cte.alias] = (name, columns)
            # materialized: a fragment below it can be read only once
            parts.append(f"{name} AS MATERIALIZED ({sql})")
        return f"WITH {', '.join(parts)} "

    def _select(self, node: exp.Select, scope: Scope) -> tuple[str, Columns]:
        only(node, "with_", "expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct")
        with self.expressions.block() as block:
            clauses = self._from(node, scope)
            block.open = True
            first, then = parted(node.args.get("where"))
            wheres = [self._where(conditions, scope) for conditions in (first, then)]
            rest, shown, columns = self._rest(node, scope)
        if block.found:
            tables = [source.name for source in scope.sources.values()]
            clauses = [below(block, " ".join([*clauses, *wheres[0]]), tables, self._name()), *wheres[1]]
        else:
            clauses += [*wheres[0], *wheres[1]]  # one of them at most: what comes then comes after a call
        return " ".join([f"SELECT {shown}", *clauses, *rest]), columns

    def _where(self, conditions: Sequence[exp.Expr], scope: Scope) -> list[str]:
        """All of them hold."""
        if not conditions:
            return []
        whole = conditions[0] if len(conditions) == 1 else exp.and_(*conditions)
        return [f"WHERE {self.expressions.condition(whole, scope)}"]

    def _rest(self, node: exp.Select, scope: Scope) -> tuple[list[str], str, Columns]:
        """What stands behind WHERE, the select list, and its columns."""
        clauses: list[str] = []
        items = [self.expressions.typed(_unaliased(item), scope) for item in node.expressions]
        columns = [(item.alias_or_name, value.kind) for item, value in zip(node.expressions, items, strict=True)]
        if not columns:
            refuse(node, "syntax", "a SELECT without columns is not on DuckDB's allow list")
        if node.args.get("group"):
            clauses.append(self._group(node, scope, items_count=len(items)))
        if node.args.get("having"):
            clauses.append(f"HAVING {self.expressions.condition(node.args['having'].this, scope)}")
        distinct = self._distinct(node, scope, columns)
        clauses += self._end(node, scope, len(items))
        shown = ", ".join(f"{value.sql} AS c{number}" for number, value in enumerate(items))
        return clauses, f"{distinct}{shown}", columns

    def _distinct(self, node: exp.Select, scope: Scope, columns: Columns) -> str:
        distinct = node.args.get("distinct")
        if distinct is None:
            return ""
        only(distinct, "on")
        if distinct.args.get("on") is not None:
            refuse(node, "distinct_on", "DISTINCT ON is not on DuckDB's allow list")
        _comparable(node, columns)
        return "DISTINCT "

    def _group(self, node: exp.Select, scope: Scope, items_count: int) -> str:
        group = node.args["group"]
        only(group, "expressions")
        keys = []
        for item in group.expressions:
            if isinstance(item, exp.Literal):
                if item.is_string or not item.name.isdigit() or not 1 <= int(item.name) <= items_count:
                    refuse(item, "ordinal", "this constant in GROUP BY is not on DuckDB's allow list")
                self.expressions.key(_unaliased(node.expressions[int(item.name) - 1]), scope)
                keys.append(item.name)
            else:
                keys.append(self.expressions.key(item, scope))
        return f"GROUP BY {', '.join(keys)}" if keys else refuse(group, "syntax", "GROUP BY () is not on DuckDB's allow list")

    def _end(self, node: exp.Expr, scope: Scope, outputs: int) -> list[str]:
        """ORDER BY, LIMIT and OFFSET."""
        clauses = []
        if node.args.get("order"):
            items = [_unaliased(item) for item in node.expressions] if isinstance(node, exp.Select) else []
            clauses.append(self.expressions.order(node.args["order"], scope, ordinals=outputs, outputs=items))
            for item in node.args["order"].expressions:
                if isinstance(item.this, exp.Literal) and isinstance(node, exp.Select):
                    self.expressions.key(_unaliased(node.expressions[int(item.this.name) - 1]), scope)
        for word in ("limit", "offset"):
            part = node.args.get(word)
            if part is not None:
                only(part, "expression")
                number = part.expression
                if not isinstance(number, exp.Literal) or not number.name.isdigit():
                    refuse(part, "limit", "only constant numbers are on DuckDB's allow list")
                clauses.append(f"{word.upper()} {int(number.name)}")
        return clauses

    def _set_operation(self, node: exp.SetOperation, scope: Scope) -> tuple[str, Columns]:
        only(node, "with_", "this", "expression", "distinct", "order", "limit", "offset")
        left, columns = self.query(node.this, Scope(outer=scope.outer), self._ctes)
        right, others = self.query(node.expression, Scope(outer=scope.outer), self._ctes)
        left, right, columns = self._brought_together(node, (left, columns), (right, others))
        distinct = bool(node.args.get("distinct"))
        if distinct or not isinstance(node, exp.Union):
            _comparable(node, columns)
        word = f"{type(node).__name__.upper()}{'' if distinct else ' ALL'}"
        order = node.args.get("order")
        for item in order.expressions if order is not None else []:
            if not isinstance(item.this, exp.Literal):
                refuse(item, "ordinal", "only positions are on DuckDB's allow list above a set operation")
            if item.this.name.isdigit() and 1 <= int(item.this.name) <= len(columns):
                _comparable(item, [columns[int(item.this.name) - 1]])
        return " ".join([f"({left}) {word} ({right})", *self._end(node, scope, len(columns))]), columns

    def _brought_together(self, node: exp.SetOperation, one: tuple[str, Columns], two: tuple[str, Columns]) -> tuple[str, str, Columns]:
        """The arms with columns of the same kinds: integers of different widths, numerics of one scale, strings."""
        columns: Columns = []
        for (name, left), (_, right) in zip(one[1], two[1], strict=True):
            kind = left
            if left != right:
                if not {left.name, right.name} <= {*INTEGERS, "decimal"} and not left.name == right.name == "text":
                    refuse(node, "set_types", f"the two sides have the types {left.pg} and {right.pg}")
                kind = self.expressions.common(node, left, right, keep_scale=True)
                kind = kind.unmodified if left.pg != right.pg else kind
            columns.append((name, kind))
        sides = [_as_kinds(text, [kind for _, kind in found], [kind for _, kind in columns]) for text, found in (one, two)]
        return sides[0], sides[1], columns

    def _bracketed(self, node: exp.Subquery, scope: Scope) -> tuple[str, Columns]:
        only(node, "with_", "this")
        sql, columns = self.query(node.this, scope, self._ctes)
        return f"({sql})", columns

    # FROM

    def _from(self, node: exp.Select, scope: Scope) -> list[str]:
        from_ = node.args.get("from_")
        if from_ is None:
            return []
        only(from_, "this")
        return [f"FROM {self._table(from_.this, scope)}", *self._joins(node.args.get("joins") or [], scope)]

    def _joins(self, joins: Sequence[exp.Join], scope: Scope) -> list[str]:
        clauses = []
        for join in joins:
            only(join, "this", "side", "kind", "on")
            side, kind = (str(join.args.get(part) or "").upper() for part in ("side", "kind"))
            table = self._table(join.this, scope)
            on = join.args.get("on")
            if side not in ("", "LEFT", "RIGHT", "FULL") or kind not in ("", "INNER", "OUTER", "CROSS"):
                refuse(join, "join", "this kind of join is not on DuckDB's allow list")
            if side == "FULL" and not isinstance(on, exp.EQ):
                refuse(join, "join", "PostgreSQL has FULL JOIN for equalities only")
            if on is None:
                clauses.append(f"CROSS JOIN {table}" if not side else refuse(join, "join", "an outer join needs ON"))
            else:
                clauses.append(f"{side} JOIN {table} ON {self.expressions.condition(on, scope)}".strip())
        return clauses

    def _table(self, node: exp.Expr, scope: Scope) -> str:
        if isinstance(node, exp.Subquery) and not node.alias and isinstance(node.this, exp.Table | exp.Subquery):
            only(node, "this")
            joins = node.this.args.get("joins") or []
            return f"({' '.join([self._table(node.this, scope), *self._joins(joins, scope)])})"
        alias = node.args.get("alias")
        if alias is not None:
            only(alias, "this")
        name = self._name()
        if isinstance(node, exp.Subquery):
            only(node, "this", "alias", "joins")
            # no sideways look: a sub-query in FROM sees the outer query only
            sql, columns = self.query(node.this, Scope(outer=scope.outer), self._ctes)
            rendered = f"({sql}) AS {name}"
        elif isinstance(node, exp.Table):
            rendered, columns = self._named_table(node, name)
        else:
            refuse(node, "syntax", "this kind of table is not on DuckDB's allow list")
        if len({column for column, _ in columns}) != len(columns):
            refuse(node, "name", "two columns have the same name")
        scope.sources[node.alias_or_name] = Source(name, {column: (f"c{at}", kind) for at, (column, kind) in enumerate(columns)})
        return rendered

    def _named_table(self, node: exp.Table, name: str) -> tuple[str, Columns]:
        only(node, "this", "alias", "joins")
        if not isinstance(node.this, exp.Identifier):
            refuse(node, "table_function", "functions in FROM are not on DuckDB's allow list")
        cte = self._ctes.get(node.name)
        if cte is not None:
            return f"{cte[0]} AS {name}", cte[1]
        number = node.name.removeprefix(FRAGMENT_PREFIX)
        if not node.name.startswith(FRAGMENT_PREFIX) or not number.isdigit() or int(number) >= len(self._fragments):
            refuse(node, "name", "it is no table of this query")
        self.reads[int(number)] = self.reads.get(int(number), 0) + 1
        return f"{placeholder(int(number))} AS {name}", self._fragments[int(number)]

    def _name(self) -> str:
        self._names += 1
        return f"t{self._names}"


def placeholder(fragment: int) -> str:
    """Stands in the text where the fragment is read; a NUL can't come from a user's text (constants with one are refused)."""
    return f"\0{fragment}\0"


def _as_kinds(text: str, found: Sequence[Kind], wanted: Sequence[Kind]) -> str:
    if [kind.duckdb for kind in found] == [kind.duckdb for kind in wanted]:
        return text
    items = ", ".join(f"CAST(x.c{at} AS {kind.duckdb}) AS c{at}" for at, kind in enumerate(wanted))
    return f"SELECT {items} FROM ({text}) AS x"


def _unaliased(item: exp.Expr) -> exp.Expr:
    return item.this if isinstance(item, exp.Alias) else item


def _comparable(node: exp.Expr, columns: Columns) -> None:
    for _, kind in columns:
        if kind.name not in allowed.COMPARABLE:
            refuse(node, "type", f"comparing {kind.pg} is not on DuckDB's allow list")
