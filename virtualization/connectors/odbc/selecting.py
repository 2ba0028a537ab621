"""One SELECT: its parts in their places."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from sqlglot import exp

from virtualization.connectors.odbc.aggregates import is_aggregated
from virtualization.connectors.odbc.capabilities import Capabilities
from virtualization.connectors.odbc.constants import whole_number
from virtualization.connectors.odbc.expressions import Expressions, key_text
from virtualization.connectors.odbc.ordering import order_keys
from virtualization.connectors.odbc.values import Operand
from virtualization.node_parts import check
from virtualization.refusal import refuse

_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Query:
    """A query whose select list may be written in several forms; ``body``: all behind it. ``single``: it gives exactly one row;
    ``limited``: ``body`` ends with an order or a limit."""

    names: tuple[str, ...]
    operands: tuple[Operand, ...]
    body: str
    single: bool = False
    limited: bool = False

    def text(self, shown: Callable[[Operand], str] = lambda operand: operand.value) -> str:
        """The statement."""
        return f"SELECT {', '.join(f'{shown(one)} AS c{number}' for number, one in enumerate(self.operands))}{self.body}"

    def read(self, alias: str) -> dict[str, Operand]:
        """Its columns, where it stands in FROM as ``alias`` (quoted)."""
        return {name: one.read_as(f"{alias}.c{number}") for number, (name, one) in enumerate(zip(self.names, self.operands, strict=True))}


@dataclass
class Scope:
    """Which columns a SELECT may name: those of its own FROM (by alias, then by name) and of the queries around it. ``closed``: rows are
    grouped by now, so what is inside must not look at single ones."""

    parent: Scope | None = None
    tables: dict[str, Callable[[str], Operand | None]] = field(default_factory=dict)
    closed: bool = False

    def column(self, node: exp.Expr, inside: bool = False) -> Operand | None:
        """RefusedError for one that can't be seen from here."""
        found = self.tables.get(node.args["table"].name if node.args.get("table") is not None else "")
        if found is not None:
            if inside and self.closed:
                raise refuse(node, "correlation", "a sub-query looks at single rows of groups")
            return found(node.name)
        return self.parent.column(node, inside=True) if self.parent is not None else None


class Sources(Protocol):
    """See ``queries.Statements``."""

    known: Capabilities

    def source(self, node: exp.Expr, scope: Scope) -> str:
        """An item of FROM."""
        ...

    def expressions(self, scope: Scope) -> Expressions:
        """Over its columns."""
        ...


class Selecting:
    """One SELECT; ``top``: its order is wanted."""

    def __init__(self, sources: Sources, query: exp.Select, scope: Scope, top: bool) -> None:
        self._sources = sources
        self._query = query
        self._scope = scope
        self._top = top
        self._known = sources.known
        self._rows = sources.expressions(scope)
        self._keys: dict[str, Operand] = {}

    def made(self) -> Query:
        """RefusedError says why not."""
        query = self._query
        body = f" FROM {self._from()}"
        where = query.args.get("where")
        if where is not None:
            body += f" WHERE {self._rows.conditions.sql(where.this)}"
        having = query.args.get("having")
        aggregated = having is not None or any(is_aggregated(item) for item in query.selects)
        grouping = self._grouping(aggregated)
        body += grouping
        seen = self._rows
        if aggregated or self._keys:
            seen, self._scope.closed = self._rows.grouped(self._keys), True
        if having is not None:
            body += f" HAVING {seen.conditions.sql(having.this)}"
        operands = tuple(self._selected(item, seen) for item in query.selects)
        end = self._order(seen) + self._limit()
        return Query(tuple(map(_name, query.selects)), operands, body + end, aggregated and not grouping and having is None, bool(end))

    def _from(self) -> str:
        source = self._query.args.get("from_")
        if source is None:
            raise refuse(self._query, "not_a_table", "no table")
        text = self._sources.source(source.this, self._scope)
        for join in self._query.args.get("joins") or []:
            text += self._join(join)
        return text

    def _join(self, join: exp.Join) -> str:
        check(join)
        on, side, kind = join.args.get("on"), (join.side or "").lower(), (join.kind or "").lower()
        form = side or ("cross" if on is None else "inner")
        if form not in self._known.joins or kind not in ("", "inner", "outer", "cross") or (on is None) != (form == "cross"):
            raise refuse(join, "join", f"a {form} join is not taken at this source")
        table = self._sources.source(join.this, self._scope)
        return f" CROSS JOIN {table}" if on is None else f" {form.upper()} JOIN {table} ON {self._rows.conditions.sql(on)}"

    def _grouping(self, aggregated: bool) -> str:
        """GROUP BY; DISTINCT is written as one."""
        query = self._query
        group, distinct = query.args.get("group"), query.args.get("distinct")
        if distinct is not None and distinct.args.get("on"):
            raise refuse(query, "distinct_on", "which row DISTINCT ON keeps depends on an order that may differ")
        if distinct is not None and (aggregated or group is not None or any(item.find(exp.Window) for item in query.selects)):
            raise refuse(query, "not_on_list", "DISTINCT over groups or windows")
        if group is not None:
            check(group)
        nodes = [item.unalias() for item in query.selects] if distinct is not None else group.expressions if group is not None else []
        for node in nodes:
            meant = self._ordinal(node)
            self._keys[key_text(meant)] = self._key(meant)
        return f" GROUP BY {', '.join(dict.fromkeys(key.exact for key in self._keys.values()))}" if self._keys else ""

    def _key(self, node: exp.Expr) -> Operand:
        if node.find(exp.Query) is not None:
            raise refuse(node, "ordinal", "a sub-query in GROUP BY")
        value = self._rows.conditions.compared(node)
        if not value.form.groups:
            raise refuse(node, "type", f"groups by values that are {value.of.text}", "Declare the column numeric(p,s).")
        return value.but(value=value.exact, plain=value.plain if self._known.bare_keys else None)

    def _selected(self, item: exp.Expr, seen: Expressions) -> Operand:
        node = item.unalias()
        if isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
            raise refuse(node, "not_on_list", "columns are asked for by name")
        found = seen.resolve(node) if isinstance(node, exp.Column) else seen.operand(node)
        if found is None:
            raise refuse(node, "not_a_table", "no column of the statement")
        return found

    def _order(self, seen: Expressions) -> str:
        order, limited = self._query.args.get("order"), self._query.args.get("limit") or self._query.args.get("offset")
        if order is None or not (self._top or limited):
            return ""
        items = []
        for item in order.expressions:
            meant = item.copy()
            meant.set("this", self._ordinal(item.this).copy())
            items.append(meant)
        return f" ORDER BY {', '.join(order_keys(seen, items))}"

    def _limit(self) -> str:
        return limits(self._query, self._known)

    def _ordinal(self, node: exp.Expr) -> exp.Expr:
        """What a number in GROUP BY or ORDER BY, or an output's name, stands for."""
        node, selects = node.unnest(), self._query.selects
        place = whole_number(node) if isinstance(node, exp.Literal) else None
        if place is not None:
            if not 1 <= place <= len(selects):
                raise refuse(node, "ordinal", "no such column")
            return selects[place - 1].unalias().unnest()
        if isinstance(node, exp.Column) and not node.table:
            return next((one.unalias().unnest() for one in selects if one.alias_or_name == node.name), node)
        return node


def _name(item: exp.Expr) -> str:
    return item.alias or (item.name if isinstance(item, exp.Column) else "?column?")


def limits(query: exp.Query, known: Capabilities) -> str:
    """LIMIT and OFFSET in the source's words."""
    limit, offset = _number(query.args.get("limit")), _number(query.args.get("offset"))
    if limit is None and offset is None:
        return ""
    if known.limit == "fetch":
        order = "" if query.args.get("order") is not None else " ORDER BY (SELECT NULL)"
        rest = f" FETCH NEXT {limit} ROWS ONLY" if limit is not None else ""
        return f"{order} OFFSET {offset or 0} ROWS{rest}"
    return f" LIMIT {_LARGEST if limit is None else limit}" + (f" OFFSET {offset}" if offset else "")


def _number(part: exp.Expr | None) -> int | None:
    if part is None:
        return None
    node = part.expression
    least = 1 if isinstance(part, exp.Limit) else 0
    if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdigit() or not least <= int(node.name) <= _LARGEST:
        raise refuse(part, "limit", "LIMIT and OFFSET are taken as plain numbers, LIMIT from 1 on")
    return int(node.name)
