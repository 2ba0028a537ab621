"""Expressions in the source's SQL: an allow list of syntax. What a function means is decided here by types and digits; how it is written,
and whether it means the same at all, by the driver's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from virtualization.connectors.odbc.capabilities import Capabilities
from virtualization.connectors.odbc.conditions import Conditions, SubQuery
from virtualization.connectors.odbc.constants import constant_operand, is_constant
from virtualization.connectors.odbc.values import COMPARED, Operand, Resolve, made
from virtualization.node_parts import check
from virtualization.refusal import refuse

Selects = Callable[[exp.Expr], SubQuery]
"""Makes a sub-query that looks at this query's columns."""

Handler = Callable[["Expressions", exp.Expr], Operand]
_CONDITIONS = (
    exp.And, exp.Or, exp.Not, exp.Is, exp.In, exp.Between, exp.Like, exp.Exists, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE,
    exp.NullSafeEQ, exp.NullSafeNEQ,
)  # fmt: skip


class Expressions:
    """Of one SELECT. ``columns``: what a column is; ``handlers``: by type of node; ``keys``: where rows are grouped, what is known of a
    group, by the text of the expression."""

    def __init__(
        self, columns: Resolve, known: Capabilities, handlers: Mapping[type[exp.Expr], Handler], selects: Selects | None = None
    ) -> None:
        self.known = known
        self.conditions = Conditions(self.resolve, known, selects)
        self.keys: Mapping[str, Operand] | None = None
        self.rows: Expressions | None = None
        self._columns = columns
        self._handlers = handlers
        self._selects = selects

    def grouped(self, keys: Mapping[str, Operand]) -> Expressions:
        """The same over groups; aggregates look at the rows."""
        made = Expressions(self._columns, self.known, self._handlers, self._selects)
        made.keys, made.rows = keys, self
        return made

    def resolve(self, node: exp.Expr) -> Operand | None:
        """See ``values.Resolve``."""
        node = node.unnest()
        if self.keys is not None:
            found = self.keys.get(key_text(node))
            if found is not None:
                return found
        if is_constant(node):
            return None
        if isinstance(node, exp.Column):
            if self.keys is not None:
                raise refuse(node, "not_on_list", "a column that groups don't have")
            return self._columns(node)
        check(node)
        handler = self._handlers.get(type(node))
        if handler is not None:
            return handler(self, node)
        if isinstance(node, exp.Query | exp.Subquery):
            return self._scalar(node)
        if isinstance(node, _CONDITIONS):
            return made(self.known.truth.format(self.conditions.sql(node, told_apart=True)), "boolean", "boolean", self.known)
        raise refuse(node, "not_on_list", f"{type(node).__name__} is not on the connector's list")

    def operand(self, node: exp.Expr) -> Operand:
        """Also of a constant. RefusedError for what does not mean the same."""
        found = self.resolve(node)
        if found is None and is_constant(node.unnest()):
            return constant_operand(node, self.known)
        if found is None:
            raise refuse(node, "not_a_table", "no column of the statement")
        if found.why_not is not None or found.family not in COMPARED:
            raise refuse(node, "type", found.why_not or f"{found.of.text} is calculated with by other rules at the source")
        return found

    def called(self, node: exp.Expr, name: str, *arguments: object) -> str:
        """SQL of the function ``name``; RefusedError where the driver's file does not have it."""
        template = self.known.functions.get(name)
        if template is None:
            raise refuse(node, "not_on_list", f"{name} is not the same at this source, or not known to be")
        return template.format(*arguments)

    def _scalar(self, node: exp.Expr) -> Operand:
        if self._selects is None:
            raise refuse(node, "not_on_list", "sub-queries are not sent here")
        query = self._selects(node.unnest())
        if not (self.known.one_row_checked or query.single):
            raise refuse(node, "not_on_list", "several rows of a sub-query are no error at this source")
        if len(query.operands) != 1:
            raise refuse(node, "not_on_list", "a row is not compared")
        return query.operands[0].computed(f"({query.text})")


def key_text(node: exp.Expr) -> str:
    """By which an expression is known again."""
    return node.unnest().sql("postgres")
