"""Equalities that follow from others: ``c.x = s.x AND s.x = n.x`` says ``c.x = n.x`` too, by which c and n, two tables of one source, join
there although the third lies elsewhere.

Only towards a small table: two big ones that join on what is no key of either may give more rows than both have.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence

from sqlglot import exp

from virtualization.binding.datatypes import type_of
from virtualization.catalog import VirtualTable
from virtualization.planner.key_types import same_kind

SMALL_ROWS = 10_000.0
"""A table of the kind that others point to: nations, products."""

Name = tuple[str, str]


class _Sets:
    """Things that belong together (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[Hashable, Hashable] = {}

    def root(self, one: Hashable) -> Hashable:
        """The same for all that belong together."""
        while self._parent.setdefault(one, one) != one:
            one = self._parent[one]
        return one

    def join(self, one: Hashable, other: Hashable) -> bool:
        """Say that these belong together; False: known."""
        first, second = self.root(one), self.root(other)
        self._parent[second] = first
        return first != second


def implied(conditions: Sequence[exp.Expr], tables: Mapping[str, VirtualTable]) -> list[exp.EQ]:
    """What to add to ``conditions``, conjuncts that all hold. ``tables``: those that may be joined at their sources, by alias."""
    equal, joined = _Sets(), _Sets()
    columns: dict[Name, exp.Column] = {}
    for condition in conditions:
        for left, right in _equality(condition):
            columns.update({_name(left): left, _name(right): right})
            equal.join(_name(left), _name(right))
        inside = {column.table for column in condition.find_all(exp.Column)}
        if len(inside) == 2 and inside <= tables.keys():
            first, second = inside
            if tables[first].source == tables[second].source:
                joined.join(first, second)
    found = []
    for one, other in itertools.combinations([name for name in columns if name[0] in tables], 2):
        if equal.root(one) != equal.root(other) or not _worthwhile(tables[one[0]], tables[other[0]]):
            continue
        if joined.join(one[0], other[0]):
            found.append(exp.EQ(this=columns[one].copy(), expression=columns[other].copy()))
    return found


def _equality(condition: exp.Expr) -> Iterator[tuple[exp.Column, exp.Column]]:
    left, right = (condition.this, condition.expression) if isinstance(condition, exp.EQ) else (None, None)
    if isinstance(left, exp.Column) and isinstance(right, exp.Column) and left.table != right.table:
        told = type_of(left), type_of(right)
        if None not in told and same_kind(str(told[0]), str(told[1])) and same_kind(str(told[1]), str(told[0])):
            yield left, right


def _name(column: exp.Column) -> Name:
    return column.table, column.name


def _worthwhile(one: VirtualTable, other: VirtualTable) -> bool:
    known = [table.rows for table in (one, other) if table.rows is not None]
    return one.source == other.source and bool(known) and min(known) <= SMALL_ROWS
