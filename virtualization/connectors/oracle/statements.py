"""Queries as Oracle's SELECT (12.1 or later): structure, names, order, and the forms in which results travel.

Tables of the source stand under their own names, each column converted where it is used, so that indexes serve. Column and table names
of the query are kept where Oracle takes them (see ``names``). NULLs' places are always said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.connectors.oracle import aggregates, arithmetic, choices, comparisons, dates, literals, texts
from virtualization.connectors.oracle.expressions import Expressions, Handler, as_read, together
from virtualization.connectors.oracle.names import alias, location_parts, quoted
from virtualization.connectors.oracle.scopes import Columns, Scope
from virtualization.connectors.oracle.values import Value
from virtualization.node_parts import check
from virtualization.refusal import refuse

HANDLERS: dict[type[exp.Expr], Handler] = arithmetic.HANDLERS | dates.HANDLERS | texts.HANDLERS | choices.HANDLERS | aggregates.HANDLERS
TableColumns = Callable[[VirtualTable, str], Columns]
"""The columns of a virtual table that the statement calls by an alias (already quoted)."""

_SIDES = {"": "INNER JOIN", "LEFT": "LEFT JOIN", "RIGHT": "RIGHT JOIN", "FULL": "FULL JOIN"}
_SET_OPERATIONS: dict[type[exp.Expr], str] = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "MINUS"}


@dataclass(frozen=True)
class Output:
    """A column of a query. ``divisor``: the value is a sum, to be divided by it."""

    name: str
    value: Value
    divisor: Value | None = None


@dataclass(frozen=True)
class Query:
    """A query as text."""

    text: str
    outputs: tuple[Output, ...]

    @property
    def values(self) -> list[Value]:
        """Of its columns."""
        return [output.value for output in self.outputs]


class Statements:
    """Makes the text of one statement. ``tables``: the virtual tables by alias."""

    def __init__(self, tables: Mapping[str, VirtualTable], columns: TableColumns, utf8: bool) -> None:
        self._tables = tables
        self._columns = columns
        self._utf8 = utf8
        self._ctes: dict[str, Query] = {}

    def whole(self, query: exp.Query) -> Query:
        """The statement; RefusedError for what does not mean the same at the source."""
        prefix = self._with(query)
        made = self.query(query, None, top=True)
        return replace(made, text=prefix + made.text)

    def query(self, query: exp.Expr, parent: Scope | None, top: bool = False) -> Query:
        """A query or sub-query."""
        check(query)
        if query.args.get("with_") is not None and not top:
            raise refuse(query, "not_on_list", "WITH inside of a query")
        if isinstance(query, exp.Subquery):
            return self.query(query.unnest(), parent, top)
        if isinstance(query, exp.SetOperation):
            return self._set_operation(query, parent, top)
        if not isinstance(query, exp.Select):
            raise refuse(query, "not_on_list", "only SELECT is sent")
        return Selecting(self, query, Scope(self._utf8, parent=parent), top).made()

    def source(self, node: exp.Expr, scope: Scope) -> str:
        """A table, sub-query or CTE in FROM; its columns become known to ``scope``."""
        name = alias(node.alias_or_name)
        if isinstance(node, exp.Subquery):
            check(node)
            if node.args.get("alias") is not None and node.args["alias"].columns:
                raise refuse(node, "not_on_list", "this form of FROM")
            inner = self.query(node.unnest(), None)
            scope.add(node.alias_or_name, _read(inner, name))
            return f"({inner.text}) {name}"
        if not isinstance(node, exp.Table):
            raise refuse(node, "not_on_list", "this form of FROM")
        check(node)
        if not node.db and node.name in self._ctes:
            scope.add(node.alias_or_name, _read(self._ctes[node.name], name))
            return f"{alias(node.name)} {name}"
        table = self._tables.get(node.alias_or_name)
        if table is None:
            raise refuse(node, "not_a_table", "it is no table of this source")
        scope.add(node.alias_or_name, self._columns(table, name))
        schema, remote = location_parts(table.location)
        return f"{quoted(schema) + '.' if schema is not None else ''}{quoted(remote)} {name}"

    def _with(self, query: exp.Query) -> str:
        clause = query.args.get("with_")
        if clause is None:
            return ""
        if clause.args.get("recursive"):
            raise refuse(query, "recursive", "recursive queries are not taken")
        texts = []
        for cte in clause.expressions:
            if cte.args["alias"].columns:
                raise refuse(cte, "not_on_list", "names of columns in WITH")
            made = self.query(cte.this, None)
            self._ctes[cte.alias] = made
            texts.append(f"{alias(cte.alias)} AS ({made.text})")
        return f"WITH {', '.join(texts)} "

    def _set_operation(self, query: exp.SetOperation, parent: Scope | None, top: bool) -> Query:
        sign = _SET_OPERATIONS.get(type(query))
        distinct = bool(query.args.get("distinct"))
        if sign is None or (not distinct and sign != "UNION"):
            raise refuse(query, "not_on_list", "INTERSECT ALL and EXCEPT ALL are newer than 12.1")
        arms = [self.query(arm, parent) for arm in (query.left, query.right)]
        if len(arms[0].outputs) != len(arms[1].outputs):
            raise refuse(query, "not_on_list", "arms of different width")
        outputs = tuple(self._united(query, one, other) for one, other in zip(arms[0].outputs, arms[1].outputs, strict=True))
        text = f"({arms[0].text}) {sign}{'' if distinct else ' ALL'} ({arms[1].text})"
        order = query.args.get("order")
        if parent is not None and (query.args.get("limit") is not None or query.args.get("offset") is not None):
            raise refuse(query, "limit", "LIMIT inside of an expression's sub-query")
        if order is not None:
            keys = [self._set_key(query, item, outputs) for item in order.expressions]
            text += f" ORDER BY {', '.join(keys)}"
        return Query(text + limits(query), outputs)

    def _united(self, node: exp.Expr, one: Output, other: Output) -> Output:
        for output in (one, other):
            comparisons.grouped(node, output.value)
        shape = together(node, [one.value, other.value])
        if shape.kind == "number" and shape.scale is None:
            raise refuse(node, "scale", "numbers with digits of their own are not united at the source")
        if {one.value.remote, other.value.remote} == {"date", "timestamp"}:
            raise refuse(node, "set_types", "the arms of a set operation have different types", "Cast the columns to one type.")
        return Output(one.name, shape.but(text=alias(one.name), condition=None))

    def _set_key(self, node: exp.Expr, item: exp.Expr, outputs: Sequence[Output]) -> str:
        names = [output.name for output in outputs]
        place = literals.whole_number(item.this)
        if place is None and isinstance(item.this, exp.Column) and item.this.name in names:
            place = names.index(item.this.name) + 1
        if place is None or not 1 <= place <= len(outputs):
            raise refuse(item, "ordinal", "ORDER BY of a set operation takes its columns only")
        value = outputs[place - 1].value
        comparisons.ordered(item, value, self._utf8)
        direction = "DESC" if item.args.get("desc") else "ASC"
        return f"{place} {direction} NULLS {'FIRST' if item.args.get('nulls_first') else 'LAST'}"


def _read(query: Query, name: str) -> Columns:
    return {output.name: as_read(output.value, f"{name}.{alias(output.name)}") for output in query.outputs}


class Selecting:
    """One SELECT. ``top``: its columns travel."""

    def __init__(self, statements: Statements, query: exp.Select, scope: Scope, top: bool) -> None:
        self._statements = statements
        self._query = query
        self._scope = scope
        self._top = top
        self._made = Expressions(scope, lambda inner, around: statements.query(inner, around), HANDLERS)

    def made(self) -> Query:
        """RefusedError: see ``Statements.whole``."""
        query = self._query
        source = self._from()
        self._check_place()
        where = query.args.get("where")
        filters = f" WHERE {self._made.condition(where.this)}" if where is not None else ""
        outputs = tuple(self._output(item) for item in query.selects)
        group = self._group(outputs)
        having = query.args.get("having")
        held = f" HAVING {self._made.condition(having.this)}" if having is not None else ""
        distinct = self._distinct(outputs)
        order = self._order(outputs, bool(distinct))
        text = f"SELECT {distinct}{', '.join(self._shown(outputs))} FROM {source}{filters}{group}{held}{order}{limits(query)}"
        return Query(text, outputs)

    def _check_place(self) -> None:
        limited = self._query.args.get("limit") is not None or self._query.args.get("offset") is not None
        if limited and self._scope.parent is not None:
            # 12.1 carries it out as a view inside of the sub-query, from where the outer query's columns can't be seen
            raise refuse(self._query, "limit", "LIMIT inside of an expression's sub-query")
        group = self._query.args.get("group")
        if group is not None and group.find(exp.Rollup, exp.Cube, exp.GroupingSets) is not None:
            for name, columns in self._scope.tables.items():  # a key is NULL in the rows above its groups
                self._scope.tables[name] = {column: value.but(nullable=True) for column, value in columns.items()}

    def _from(self) -> str:
        first = self._query.args.get("from_")
        if first is None:
            return "dual"
        text = self._statements.source(first.this, self._scope)
        for join in self._query.args.get("joins") or []:
            check(join)
            right = self._statements.source(join.this, self._scope)
            on, side = join.args.get("on"), str(join.args.get("side") or "").upper()
            if on is None:
                if side or str(join.args.get("kind") or "CROSS").upper() not in ("CROSS", "INNER"):
                    raise refuse(join, "join", "this kind of join")
                text += f" CROSS JOIN {right}"
            elif side not in _SIDES or str(join.args.get("kind") or "INNER").upper() not in ("INNER", "OUTER"):
                raise refuse(join, "join", "this kind of join")
            else:
                text += f" {_SIDES[side]} {right} ON {self._made.condition(on)}"
                self._missing(join, side)
        return text

    def _missing(self, join: exp.Join, side: str) -> None:
        """Columns of the side that may be missing are NULL then, whatever their table says."""
        aliases = list(self._scope.tables)
        last = join.this.alias_or_name
        for name in {"": [], "LEFT": [last], "RIGHT": aliases[:-1], "FULL": aliases}[side]:
            self._scope.tables[name] = {column: value.but(nullable=True) for column, value in self._scope.tables[name].items()}

    def _output(self, item: exp.Expr) -> Output:
        name = item.alias or (item.name if isinstance(item, exp.Column) else "?column?")
        node = item.unalias()
        inner = node.this if isinstance(node, exp.Filter) else node
        if isinstance(inner, exp.Avg) and self._top:
            where = self._made.condition(node.expression.this) if isinstance(node, exp.Filter) else None
            total, count = aggregates.averaged(self._made, inner, where)
            return Output(name, total, count)
        value = self._made.told(node)
        if value.kind == "null":
            raise refuse(node, "untyped_literal", "NULL without a type", "Cast it: NULL::text.")
        if value.empty and self._top:
            raise refuse(node, "empty_string", "the empty text is NULL at the source")
        if value.remote == "folded":
            raise refuse(node, "character_classes", "which letters belong together is the source's own table")
        if value.remote == "mixed_scale" and self._top:
            raise refuse(node, "scale", "numerics of different scales would be shown with the same one")
        return Output(name, value)

    def _shown(self, outputs: Sequence[Output]) -> list[str]:
        shown: list[str] = []
        for output in outputs:
            text = travelling(output.value) if self._top else output.value.text
            shown.append(f"{text} AS {alias(output.name)}")
            if output.divisor is not None:
                shown.append(f"{output.divisor.text} AS {alias(output.name + ' (count)')}")
        return shown

    def _group(self, outputs: Sequence[Output]) -> str:
        group = self._query.args.get("group")
        if group is None:
            return ""
        check(group)
        return f" GROUP BY {', '.join(self._key(key, outputs) for key in group.expressions)}"

    def _key(self, node: exp.Expr, outputs: Sequence[Output]) -> str:
        sets: dict[type[exp.Expr], str] = {exp.Rollup: "ROLLUP", exp.Cube: "CUBE", exp.GroupingSets: "GROUPING SETS"}
        if type(node) in sets:
            return f"{sets[type(node)]} ({', '.join(self._key(part, outputs) for part in node.expressions)})"
        if isinstance(node, exp.Tuple):
            return f"({', '.join(self._key(part, outputs) for part in node.expressions)})"
        if isinstance(node, exp.Paren):
            return f"({self._key(node.this, outputs)})"
        place = literals.whole_number(node)
        value = outputs[place - 1].value if place is not None and 1 <= place <= len(outputs) else self._made.told(node)
        looked_at = self._query.selects[place - 1] if place is not None and 1 <= place <= len(outputs) else node
        if isinstance(looked_at.unalias(), exp.Literal) or looked_at.find(exp.Query) is not None:
            raise refuse(node, "ordinal", "a constant or sub-query in GROUP BY")
        comparisons.grouped(node, value)
        return value.text

    def _distinct(self, outputs: Sequence[Output]) -> str:
        distinct = self._query.args.get("distinct")
        if distinct is None:
            return ""
        if distinct.args.get("on") is not None:
            raise refuse(self._query, "distinct_on", "which row DISTINCT ON keeps depends on an order that may differ")
        for output, item in zip(outputs, self._query.selects, strict=True):
            if output.divisor is not None:
                raise refuse(item, "aggregate", "averages are divided here")
            comparisons.grouped(item, output.value)
        return "DISTINCT "

    def _order(self, outputs: Sequence[Output], distinct: bool) -> str:
        order = self._query.args.get("order")
        if order is None or not (self._top or self._query.args.get("limit") or self._query.args.get("offset")):
            return ""
        keys = [key for item in order.expressions if (key := self._sorted_by(item, outputs, distinct)) is not None]
        return f" ORDER BY {', '.join(keys)}" if keys else ""

    def _sorted_by(self, item: exp.Expr, outputs: Sequence[Output], distinct: bool) -> str | None:
        place = literals.whole_number(item.this)
        if place is None and isinstance(item.this, exp.Column) and not item.this.table:
            place = next((number for number, output in enumerate(outputs, 1) if output.name == item.this.name), None)
        if place is None:
            value = self._made.told(item.this)
        else:
            if outputs[place - 1].divisor is not None:
                raise refuse(item, "numeric_division", "averages are divided here, so they are sorted here")
            value = outputs[place - 1].value
            if isinstance(self._query.selects[place - 1].unalias(), exp.Literal):
                return None  # a constant puts nothing in order, and Oracle would take it for the number of a column
        if distinct and self._top and travelling(value) != value.text:
            raise refuse(item, "scale", "the source sends these numbers as texts, and DISTINCT sorts only what is sent")
        return aggregates.sorted_by(self._made, item, value)


def travelling(value: Value) -> str:
    """A result as it is sent: numbers without known digits as text, which holds all that a NUMBER has."""
    return f"TO_CHAR({value.text}, 'TM9')" if value.kind == "number" and value.scale is None else value.text


def limits(query: exp.Query) -> str:
    """OFFSET and FETCH."""
    limit, offset = query.args.get("limit"), query.args.get("offset")
    if limit is not None and not isinstance(limit, exp.Limit):
        raise refuse(query, "limit", "LIMIT and OFFSET are taken as plain numbers")
    numbers = [literals.whole_number(part.expression) if part is not None else None for part in (limit, offset)]
    for part, number in zip((limit, offset), numbers, strict=True):
        if part is not None and (number is None or not 0 <= number < 2**63):
            raise refuse(part, "limit", "LIMIT and OFFSET are taken as plain numbers")
    text = "" if numbers[1] is None else f" OFFSET {numbers[1]} ROWS"
    return text if numbers[0] is None else f"{text} FETCH FIRST {numbers[0]} ROWS ONLY"
