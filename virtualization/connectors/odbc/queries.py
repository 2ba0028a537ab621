"""Whole queries over tables of the source as one statement: filter, joins, groups, HAVING, DISTINCT, windows, order, LIMIT, OFFSET, and
where the driver's file allows them sub-queries, WITH and set operations.

Only the outermost columns travel: they are in the form that the driver carries; those of sub-queries are the bare values.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.connectors.odbc import aggregates, arithmetic, choices, functions
from virtualization.connectors.odbc.conditions import SubQuery
from virtualization.connectors.odbc.constants import whole_number
from virtualization.connectors.odbc.expressions import Expressions, Handler
from virtualization.connectors.odbc.names import quoted
from virtualization.connectors.odbc.ordering import order_keys
from virtualization.connectors.odbc.rows import Output, output
from virtualization.connectors.odbc.scans import select_list
from virtualization.connectors.odbc.selecting import Query, Scope, Selecting, limits
from virtualization.connectors.odbc.tables import Tables
from virtualization.connectors.odbc.values import Operand
from virtualization.node_parts import check
from virtualization.refusal import refuse

HANDLERS: dict[type[exp.Expr], Handler] = arithmetic.HANDLERS | functions.HANDLERS | choices.HANDLERS | aggregates.HANDLERS
_SET_OPERATIONS: dict[type[exp.Expr], str] = {exp.Union: "union", exp.Intersect: "intersect", exp.Except: "except"}


def query_statement(query: exp.Query, tables: Tables, named: Mapping[str, VirtualTable]) -> tuple[str, tuple[Output, ...]]:
    """The statement and its outputs; RefusedError says why not."""
    return Statements(tables, named).whole(query)


def row_expressions(tables: Tables) -> Expressions:
    """Over the columns of the only table."""
    return Expressions(tables.resolve, tables.known, HANDLERS)


class Statements:
    """Of one statement. ``named``: the virtual tables by alias."""

    def __init__(self, tables: Tables, named: Mapping[str, VirtualTable]) -> None:
        self.known = tables.known
        self._tables = tables
        self._named = named
        self._ctes: dict[str, tuple[str, Query]] = {}
        self._made = 0

    def whole(self, query: exp.Query) -> tuple[str, tuple[Output, ...]]:
        """See ``query_statement``."""
        prefix = self._with(query)
        made = self.query(query, None, top=True)
        outputs = tuple(self._output(query, name, one) for name, one in zip(made.names, made.operands, strict=True))
        return f"{prefix}SELECT {select_list(outputs)}{made.body}", outputs

    def query(self, query: exp.Expr, parent: Scope | None, top: bool = False) -> Query:
        """A query or sub-query; ``parent``: of the query around it."""
        check(query)
        if query.args.get("with_") is not None and not top:
            raise refuse(query, "not_on_list", "WITH inside of a query")
        if isinstance(query, exp.Subquery):
            return self.query(query.unnest(), parent, top)
        if isinstance(query, exp.SetOperation):
            return self._set_operation(query, parent, top)
        if not isinstance(query, exp.Select):
            raise refuse(query, "not_on_list", f"{type(query).__name__} is not on the connector's list")
        return Selecting(self, query, Scope(parent), top).made()

    def expressions(self, scope: Scope) -> Expressions:
        """Over the columns that ``scope`` shows."""

        def selects(query: exp.Expr) -> SubQuery:
            self._check_sub_queries(query)
            if query.args.get("limit") is not None or query.args.get("offset") is not None:
                raise refuse(query, "limit", "LIMIT inside of an expression's sub-query")
            found = self.query(query, scope)
            return SubQuery(found.text(), found.text(lambda operand: operand.exact), found.operands, found.single)

        return Expressions(scope.column, self.known, HANDLERS, selects)

    def source(self, node: exp.Expr, scope: Scope) -> str:
        """A table, sub-query or WITH query in FROM; its columns become known to ``scope``."""
        if isinstance(node, exp.Subquery):
            return self._derived(node, scope)
        if not isinstance(node, exp.Table) or node.args.get("joins"):
            raise refuse(node, "not_a_table", "it is no table of this source")
        check(node)
        name = node.alias_or_name
        if not node.db and node.name in self._ctes:
            written, made = self._ctes[node.name]
            alias = self._alias()
            scope.tables[name] = made.read(alias).get
            return f"{written} {alias}"
        if name not in self._named:
            raise refuse(node, "not_a_table", "it is no table of this source")
        scope.tables[name] = lambda column: self._tables.operand(name, column)
        return self._tables.from_item(name)

    def _derived(self, node: exp.Subquery, scope: Scope) -> str:
        self._check_sub_queries(node)
        check(node)
        if node.args.get("alias") is None or node.args["alias"].columns:
            raise refuse(node, "not_on_list", "this form of FROM")
        made, alias = self.query(node.unnest(), None), self._alias()
        scope.tables[node.alias_or_name] = made.read(alias).get
        return f"({made.text()}) {alias}"

    def _check_sub_queries(self, node: exp.Expr) -> None:
        if not self.known.sub_queries:
            raise refuse(node, "not_on_list", "sub-queries are not known to be the same at this source")

    def _alias(self) -> str:
        self._made += 1
        return quoted(f"q{self._made}", self._tables.facts.quote)

    def _with(self, query: exp.Query) -> str:
        clause = query.args.get("with_")
        if clause is None:
            return ""
        self._check_sub_queries(query)
        if clause.args.get("recursive"):
            raise refuse(query, "recursive", "recursive queries are not taken")
        texts = []
        for cte in clause.expressions:
            if cte.args["alias"].columns:
                raise refuse(cte, "not_on_list", "names of columns in WITH")
            made, name = self.query(cte.this, None), self._alias()
            self._ctes[cte.alias] = (name, made)
            texts.append(f"{name} AS ({made.text()})")
        return f"WITH {', '.join(texts)} "

    def _set_operation(self, query: exp.SetOperation, parent: Scope | None, top: bool) -> Query:
        distinct = bool(query.args.get("distinct"))
        words = _SET_OPERATIONS.get(type(query), "") + ("" if distinct else " all")
        if words not in self.known.set_operations:
            raise refuse(query, "not_on_list", f"{words} is not known to be the same at this source")
        arms = [self.query(arm, parent) for arm in (query.left, query.right)]
        if len(arms[0].operands) != len(arms[1].operands):
            raise refuse(query, "not_on_list", "arms of different width")
        alias = self._alias()
        pairs = zip(arms[0].operands, arms[1].operands, strict=True)
        operands = [self._united(query, one, other, distinct or words == "intersect") for one, other in pairs]
        text = f" {words.upper()} ".join(self._arm(query, arm) for arm in arms)
        read = tuple(one.computed(f"{alias}.c{number}") for number, one in enumerate(operands))
        made = Query(arms[0].names, read, f" FROM ({text}) {alias}")
        end = self._end(query, made) if top or query.args.get("limit") or query.args.get("offset") else ""
        return Query(made.names, read, made.body + end, limited=bool(end))

    def _united(self, node: exp.Expr, one: Operand, other: Operand, compared: bool) -> Operand:
        for operand in (one, other):
            if operand.why_not is not None:
                raise refuse(node, "set_types", operand.why_not)
            if compared and not operand.form.groups:
                raise refuse(node, "type", f"which values that are {operand.of.text} are the same is not the same at the source")
        shape = choices.together(node, [one, other])
        if shape.untyped:
            return shape.but(untyped=False)
        return shape

    def _arm(self, node: exp.Expr, arm: Query) -> str:
        """Without brackets, which not every product takes there."""
        text = arm.text(lambda operand: choices.united(node, operand))
        if not arm.limited:
            return text
        alias = self._alias()
        return f"SELECT {', '.join(f'{alias}.c{number} AS c{number}' for number in range(len(arm.operands)))} FROM ({text}) {alias}"

    def _end(self, query: exp.SetOperation, made: Query) -> str:
        order, columns = query.args.get("order"), dict(zip(made.names, made.operands, strict=True))
        text = ""
        if order is not None:
            seen = Expressions(lambda node: columns.get(node.name) if not node.args.get("table") else None, self.known, {})
            items = []
            for item in order.expressions:
                place = whole_number(item.this)
                if place is not None and not 1 <= place <= len(made.names):
                    raise refuse(item, "ordinal", "no such column")
                meant = item.copy()
                if place is not None:
                    meant.set("this", exp.column(made.names[place - 1], quoted=True))
                items.append(meant)
            text = f" ORDER BY {', '.join(order_keys(seen, items))}"
        return text + limits(query, self.known)

    def _output(self, node: exp.Expr, name: str, one: Operand) -> Output:
        if one.family == "text" and one.plain is None and self.known.sent_texts == "columns":
            raise refuse(node, "cut_texts", "the driver cuts off texts that are no columns")
        if one.family == "decimal" and one.of.text == "numeric":  # computed: of a column declared so nobody knows the digits
            form = self.known.form("decimal")
            return Output(name, one.of, form.sent.format(v=one.value, c=one.plain or one.value), self.known.fetched("decimal"))
        return output(name, one.of, one.value, one.plain, self.known)
