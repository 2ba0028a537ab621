"""Who still reads which column: what a fragment must bring, and where a column went when its table became part of a joined fragment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlglot import exp

from virtualization.catalog import VirtualTable


class References:
    """All column references of one statement. References inside conditions that a source took are *released*: nobody reads them here."""

    def __init__(self, root: exp.Expr) -> None:
        self._columns: dict[str, dict[int, exp.Column]] = {}
        self._moved: dict[tuple[str, str], tuple[str, str]] = {}
        self._homes: dict[str, set[str]] = {}
        for column in root.find_all(exp.Column):
            if column.table:
                self._columns.setdefault(column.table, {})[id(column)] = column

    def release(self, nodes: Iterable[exp.Expr]) -> list[exp.Column]:
        """Forget the references inside these nodes; returns what ``restore`` needs."""
        released = []
        for node in nodes:
            for column in node.find_all(exp.Column):
                if self._columns.get(column.table, {}).pop(id(column), None) is not None:
                    released.append(column)
        return released

    def restore(self, released: Iterable[exp.Column]) -> None:
        """Take ``release`` back."""
        for column in released:
            self._columns[column.table][id(column)] = column

    def has_whole_row(self, alias: str) -> bool:
        """Is ``alias.*`` used as a value?"""
        return any(isinstance(column.this, exp.Star) for column in self._columns.get(alias, {}).values())

    def needed(self, alias: str, table: VirtualTable) -> list[str]:
        """Columns still read, in the table's order; all for a whole row."""
        names = {column.name for column in self._columns.get(alias, {}).values()}
        return [column.name for column in table.columns if column.name in names or self.has_whole_row(alias)]

    def move(self, columns: Sequence[tuple[str, str]], names: Sequence[str], olds: Iterable[str], alias: str) -> None:
        """``(alias, column)`` is from now on read as ``alias.name`` of a joined fragment."""
        for (old, column), name in zip(columns, names, strict=True):
            self._moved[(old, column)] = (alias, name)
        self._homes.setdefault(alias, set()).update(olds)

    def aliases_moved_into(self, aliases: Iterable[str]) -> set[str]:
        """The old aliases whose columns now belong to one of these."""
        return {old for alias in aliases for old in self._homes.get(alias, ())}

    def rewrite(self, root: exp.Expr) -> None:
        """Point all references at where their columns are now."""
        if not self._moved:
            return
        for column in list(root.find_all(exp.Column)):
            target = self._moved.get((column.table, column.name))
            if target is not None:
                column.set("table", exp.to_identifier(target[0], quoted=True))
                column.set("this", exp.to_identifier(target[1], quoted=True))
