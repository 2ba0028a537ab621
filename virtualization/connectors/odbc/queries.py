"""A whole SELECT over one or more tables of the source as one statement: filter, joins, groups, HAVING, DISTINCT, order, LIMIT, OFFSET.
Anything else is refused: sub-queries, set operations, windows, expressions in the select list."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.connectors.odbc.aggregates import aggregate, is_aggregate
from virtualization.connectors.odbc.conditions import Conditions
from virtualization.connectors.odbc.rows import Output, output
from virtualization.connectors.odbc.scans import select_list
from virtualization.connectors.odbc.tables import Tables
from virtualization.connectors.odbc.values import Operand
from virtualization.refusal import refuse

_PARTS = frozenset({"expressions", "from_", "joins", "where", "group", "having", "distinct", "order", "limit", "offset", "kind"})
_JOIN_PARTS = frozenset({"this", "on", "side", "kind"})
_LARGEST = 2**31 - 1


def query_statement(query: exp.Query, tables: Tables, named: Mapping[str, VirtualTable]) -> tuple[str, tuple[Output, ...]]:
    """The statement and its outputs; RefusedError says why not."""
    if not isinstance(query, exp.Select):
        raise refuse(query, "not_on_list", f"{type(query).__name__} is not on the connector's list")
    for name, value in query.args.items():
        if value and name not in _PARTS:
            raise refuse(query, "not_on_list", f"{name} is not on the connector's list")
    return _Block(query, tables, named).statement()


class _Block:
    def __init__(self, query: exp.Select, tables: Tables, named: Mapping[str, VirtualTable]) -> None:
        self._query = query
        self._tables = tables
        self._named = named
        self._known = tables.known
        self._rows = Conditions(tables.resolve, tables.known)
        distinct = query.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            raise refuse(query, "distinct_on", "which row DISTINCT ON keeps depends on an order that may differ")
        group = query.args.get("group")
        if group is not None and any(value for name, value in group.args.items() if name != "expressions"):
            raise refuse(group, "not_on_list", "sets of groups")
        aggregated = any(item.find(exp.AggFunc) for item in query.selects) or query.args.get("having") is not None
        if distinct is not None and (aggregated or group is not None):
            raise refuse(query, "not_on_list", "DISTINCT over groups")
        keys = [item.unalias() for item in query.selects] if distinct is not None else group.expressions if group is not None else []
        self._keys: dict[str, Operand] = {}
        for node in keys:
            meant = self._ordinal(node)
            self._keys[_key(meant)] = self._key_operand(meant)
        self._grouped = aggregated or bool(keys)
        self._groups = Conditions(self._resolve_group, tables.known)

    def statement(self) -> tuple[str, tuple[Output, ...]]:
        """Each part in its place."""
        query = self._query
        outputs = tuple(self._output(item) for item in query.selects)
        text = f"SELECT {select_list(outputs)} FROM {self._from()}"
        where, having = query.args.get("where"), query.args.get("having")
        if where is not None:
            text += f" WHERE {self._rows.sql(where.this)}"
        if self._keys:
            text += f" GROUP BY {', '.join(dict.fromkeys(key.exact for key in self._keys.values()))}"
        if having is not None:
            text += f" HAVING {self._groups.sql(having.this)}"
        return text + self._order() + self._limit(), outputs

    def _from(self) -> str:
        source = self._query.args.get("from_")
        if source is None:
            raise refuse(self._query, "not_a_table", "no table")
        text = self._table(source.this)
        for join in self._query.args.get("joins") or []:
            text += self._join(join)
        return text

    def _table(self, node: exp.Expr) -> str:
        if not isinstance(node, exp.Table) or node.alias_or_name not in self._named or node.args.get("joins"):
            raise refuse(node, "not_a_table", "it is no table of this source")
        if node.args.get("sample") or node.args.get("only"):
            raise refuse(node, "not_on_list", "samples are not taken")
        return self._tables.from_item(node.alias_or_name)

    def _join(self, join: exp.Join) -> str:
        if any(value for name, value in join.args.items() if name not in _JOIN_PARTS):
            raise refuse(join, "join", "this form of join is not taken")
        on, side, kind = join.args.get("on"), (join.side or "").lower(), (join.kind or "").lower()
        form = side or ("cross" if on is None else "inner")
        if form not in self._known.joins or kind not in ("", "inner", "outer", "cross") or (on is None) != (form == "cross"):
            raise refuse(join, "join", f"a {form} join is not taken at this source")
        table = self._table(join.this)
        return f" CROSS JOIN {table}" if on is None else f" {form.upper()} JOIN {table} ON {self._rows.sql(on)}"

    def _key_operand(self, node: exp.Expr) -> Operand:
        operand = self._rows.compared(node)
        if not operand.form.groups:
            raise refuse(node, "type", f"groups by values that are {operand.of.text}", "Declare the column numeric(p,s).")
        return operand

    def _resolve_group(self, node: exp.Expr) -> Operand | None:
        found = self._keys.get(_key(node))
        if found is not None or not is_aggregate(node):
            return found
        made = aggregate(node, self._tables.resolve, self._known)
        return Operand(made.sql, made.of, made.family, self._known.form(made.family))

    def _output(self, item: exp.Expr) -> Output:
        node = item.unalias()
        name = item.alias or (item.name if isinstance(item, exp.Column) else "?column?")
        if is_aggregate(node):
            made = aggregate(node, self._tables.resolve, self._known)
            return Output(
                name, made.of, self._known.form(made.family).sent.format(v=made.sql, c=made.sql), self._known.fetched(made.family)
            )
        if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star) or self._tables.resolve(node) is None:
            raise refuse(node, "not_on_list", "only columns and aggregates are asked for")
        if self._grouped:
            key = self._keys.get(_key(node))
            if key is None:
                raise refuse(node, "not_on_list", "a column that groups don't have")
            return output(name, key.of, key.exact, key.plain if self._known.bare_keys else None, self._known)
        alias = node.table or next(iter(self._named))
        return self._tables.output(alias, node.name, name)

    def _order(self) -> str:
        order = self._query.args.get("order")
        if order is None:
            return ""
        conditions = self._groups if self._grouped else self._rows
        keys: list[str] = []
        for item in order.expressions:
            operand = conditions.ordered(item, conditions.compared(self._ordinal(item.this)))
            if operand.family == "boolean":
                raise refuse(item, "type", "truth values are ordered here")
            descending, first = bool(item.args.get("desc")), bool(item.args.get("nulls_first"))
            way = " DESC" if descending else ""
            if self._known.nulls == "written":
                keys.append(f"{operand.exact}{way} NULLS {'FIRST' if first else 'LAST'}")
            else:
                keys.append(f"CASE WHEN {operand.exact} IS NULL THEN {0 if first else 1} ELSE {1 if first else 0} END")
                keys.append(f"{operand.exact}{way}")
        return f" ORDER BY {', '.join(dict.fromkeys(keys))}"

    def _limit(self) -> str:
        limit, offset = _number(self._query.args.get("limit")), _number(self._query.args.get("offset"))
        if limit is None and offset is None:
            return ""
        if self._known.limit == "fetch":
            order = "" if self._query.args.get("order") is not None else " ORDER BY (SELECT NULL)"
            rest = f" FETCH NEXT {limit} ROWS ONLY" if limit is not None else ""
            return f"{order} OFFSET {offset or 0} ROWS{rest}"
        return f" LIMIT {_LARGEST if limit is None else limit}" + (f" OFFSET {offset}" if offset else "")

    def _ordinal(self, node: exp.Expr) -> exp.Expr:
        """What a number in GROUP BY or ORDER BY, or an output's name, stands for."""
        node = node.unnest()
        selects = self._query.selects
        if isinstance(node, exp.Literal) and not node.is_string:
            return selects[int(node.name) - 1].unalias().unnest()
        if isinstance(node, exp.Column) and not node.table:
            return next((one.unalias().unnest() for one in selects if one.alias_or_name == node.name), node)
        return node


def _key(node: exp.Expr) -> str:
    return node.unnest().sql("postgres")


def _number(part: exp.Expr | None) -> int | None:
    if part is None:
        return None
    node = part.expression
    least = 1 if isinstance(part, exp.Limit) else 0
    if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdigit() or not least <= int(node.name) <= _LARGEST:
        raise refuse(part, "limit", "LIMIT and OFFSET are taken as plain numbers, LIMIT from 1 on")
    return int(node.name)
