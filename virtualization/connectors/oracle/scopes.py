"""Which columns an expression may name: those of its own FROM, and of the query just around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from virtualization.connectors.oracle.values import Value
from virtualization.refusal import refuse

Columns = Mapping[str, Value]


@dataclass
class Scope:
    """``tables``: the columns of each alias. ``utf8``: see ``facts.Facts``."""

    utf8: bool
    tables: dict[str, Columns] = field(default_factory=dict)
    parent: Scope | None = None

    def add(self, alias: str, columns: Columns) -> None:
        """From FROM."""
        self.tables[alias] = columns

    def column(self, node: exp.Column) -> Value:
        """RefusedError for a name that is not visible to Oracle here."""
        scope: Scope | None = self
        for _ in range(2):
            if scope is None:
                break
            found = scope.tables.get(node.table)
            if found is not None and node.name in found:
                return found[node.name]
            scope = scope.parent
        if scope is not None and scope.knows(node):
            raise refuse(node, "correlation", "a sub-query in a sub-query looks at the outermost query")
        raise refuse(node, "not_a_table", "no column of the statement")

    def knows(self, node: exp.Column) -> bool:
        """Here or further out?"""
        return node.name in self.tables.get(node.table, {}) or (self.parent is not None and self.parent.knows(node))

    def unqualified(self, node: exp.Column) -> Value | None:
        """A column without a table, where one table has it."""
        found = [columns[node.name] for columns in self.tables.values() if node.name in columns]
        return found[0] if len(found) == 1 else None
