"""Values in a statement: their SQL, the form in which they compare, and the reason why one of them stays here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from virtualization.connectors.odbc.capabilities import Capabilities, Form
from virtualization.types import PgType, pg_type

COMPARED = frozenset({"integer", "decimal", "double", "text", "date", "timestamp", "boolean"})
"""Families that may be compared at a source at all; each driver's file says which are."""


@dataclass(frozen=True)
class Digits:
    """How many digits the values of a number have: before the point at most, behind it always. ``largest``: an integer's greatest size."""

    whole: int
    scale: int
    largest: int | None = None


@dataclass(frozen=True)
class Operand:
    """``value``: SQL of the value; ``exact``: as it compares; ``plain``: the bare column where it is one; ``why_not``: why it can't be
    compared. ``digits``: of a number to calculate with, else None. ``untyped``: a text that takes the type of what is beside it."""

    value: str
    exact: str
    of: PgType
    family: str
    form: Form
    plain: str | None = None
    why_not: str | None = None
    digits: Digits | None = None
    untyped: bool = False

    def but(self, **changes: object) -> Operand:
        """The same with some parts changed."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def computed(self, sql: str) -> Operand:
        """What ``sql`` makes of it, which is of the same type."""
        return self.but(value=sql, exact=self.form.exact.format(v=sql, c=sql), plain=None, untyped=False)

    def read_as(self, sql: str) -> Operand:
        """As the column ``sql`` of a sub-query that selects it."""
        return self.computed(sql).but(plain=sql if self.value == self.plain else None)


Resolve = Callable[[exp.Expr], Operand | None]
"""The operand that a node is; None where it is a constant, or nothing that is known."""

INTEGERS = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
"""Types and the largest value of each."""


def made(value: str, of: str, family: str, known: Capabilities, digits: Digits | None = None) -> Operand:
    """What ``value`` computes."""
    form = known.form(family)
    return Operand(value, form.exact.format(v=value, c=value), pg_type(of), family, form, digits=digits)


def integer(value: str, of: str, largest: int, known: Capabilities) -> Operand:
    """An integer of at most ``largest``."""
    return made(value, of, "integer", known, Digits(len(str(largest)), 0, largest))


def digits_of(of: PgType) -> Digits | None:
    """By the declared type."""
    if of.name in INTEGERS:
        return Digits(len(str(INTEGERS[of.name])), 0, INTEGERS[of.name])
    shape = of.precision_and_scale
    return None if shape is None or not 0 <= shape[1] <= shape[0] else Digits(shape[0] - shape[1], shape[1])
