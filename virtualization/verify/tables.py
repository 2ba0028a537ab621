"""The tables that queries are made over, and what the generator knows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from virtualization.types import pg_type
from virtualization.verify.kinds import JOINED, Kind, kind_of


@dataclass(frozen=True)
class Item:
    """A column in scope: its SQL, kind, constants to compare it with. ``key``: of equal values all look the same, so that it may be
    grouped by, made distinct, or picked by min and max with one certain outcome."""

    sql: str
    kind: Kind
    constants: tuple[str, ...] = ()
    key: bool = True
    padded: bool = False
    """``character(n)``: beside values of another length, equal ones may look different."""


@dataclass(frozen=True)
class TableColumn:
    """``values``: the distinct values (text form) of a column that tables may be joined on; ``constants``: literals of its type."""

    name: str
    type: str
    constants: tuple[str, ...] = ()
    values: frozenset[str] = frozenset()
    key: bool = True

    @property
    def kind(self) -> Kind:
        """See ``Kind``."""
        return kind_of(self.type)


@dataclass(frozen=True)
class TableFacts:
    """``name``: as statements write it; ``sample``: the condition that makes a too large table small, in every statement;
    ``source``: where it is."""

    name: str
    columns: tuple[TableColumn, ...]
    rows: int
    sample: str | None = None
    source: str = ""

    def from_item(self, alias: str) -> str:
        """For a FROM clause."""
        return f"{self.name} {alias}" if self.sample is None else f"(SELECT * FROM {self.name} WHERE {self.sample}) {alias}"

    def items(self, alias: str) -> list[Item]:
        """Its columns under an alias."""
        return [
            Item(f"{alias}.{quoted(column.name)}", column.kind, column.constants, column.key, pg_type(column.type).name == "character")
            for column in self.columns
        ]


@dataclass(frozen=True)
class Link:
    """Two columns (table, column numbers) that a join may be on, and how many partners a row finds at most on average."""

    left: tuple[int, int]
    right: tuple[int, int]
    common: int


def links(tables: Sequence[TableFacts]) -> list[Link]:
    """All pairs of columns of one kind with values in common, most of them first; those without any only where there is nothing else."""
    ends = [
        (table, number, column)
        for table, facts in enumerate(tables)
        for number, column in enumerate(facts.columns)
        if column.kind in JOINED
    ]
    found = [
        Link((a, m), (b, n), len(one.values & two.values))
        for at, (a, m, one) in enumerate(ends)
        for b, n, two in ends[at:]
        if one.kind is two.kind and (a, m) <= (b, n)
    ]
    overlapping = [link for link in found if link.common]
    return sorted(overlapping or found, key=lambda link: -link.common)


def quoted(name: str) -> str:
    """As SQL, quoted."""
    return exp.to_identifier(name, quoted=True).sql("postgres")
