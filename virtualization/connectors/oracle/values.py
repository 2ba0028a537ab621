"""What an expression is at the source: its text in Oracle's SQL, and what must be known so that it means there what it means here.

Oracle has one type of exact number, no boolean, and takes the empty text for NULL. So a ``Value`` carries the PostgreSQL type, the
digits that can occur, whether PostgreSQL would see '' where Oracle sees NULL, and for booleans the condition beside the value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from virtualization.types import pg_type

MOST_DIGITS = 38
"""Of a NUMBER that is exact in every case."""

INTEGERS = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
"""Types and the largest value of each."""

SIMPLE_KINDS = {
    "smallint": "number",
    "integer": "number",
    "bigint": "number",
    "numeric": "number",
    "double precision": "double",
    "real": "real",
    "text": "text",
    "character varying": "text",
    "character": "character",
    "date": "date",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "boolean": "boolean",
    "bytea": "bytes",
}


@dataclass(frozen=True)
class Value:
    """``text``: in Oracle's SQL, an operand of any operator. ``pg``: the PostgreSQL type."""

    text: str
    pg: str
    whole: int | None = None
    """Numbers: digits before the point that a value has at most; None: not known (a NUMBER has up to 126)."""

    scale: int | None = None
    """Numbers: digits behind the point, as PostgreSQL shows each value; None: as many as the value has."""

    largest: int | None = None
    """Integers: the greatest absolute value."""

    condition: str | None = None
    """Booleans: the same as a condition."""

    empty: bool = False
    """Texts: NULL at the source may stand for '' here."""

    literal: str | None = None
    """A constant as the query writes it."""

    remote: str = ""
    """What it is at the source where that makes a difference: ``date``, ``timestamp``, ``lob``, ``national``, ``collated``."""

    nullable: bool = True
    column: bool = False
    """Is it a column of a table, whatever it is called by now?"""

    @property
    def kind(self) -> str:
        """See ``SIMPLE_KINDS``; ``unknown`` for a text constant that takes its type from what is beside it, ``null``, ``opaque``."""
        if self.pg in ("unknown", "null"):
            return self.pg
        of = pg_type(self.pg)
        return "opaque" if of.array else SIMPLE_KINDS.get(of.name, "opaque")

    @property
    def is_integer(self) -> bool:
        """smallint, integer or bigint?"""
        return self.pg in INTEGERS

    def but(self, **changes: object) -> Value:
        """The same with some parts changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


def integer(text: str, pg: str, largest: int | None = None, *, nullable: bool = True) -> Value:
    """An integer expression; ``largest`` never beyond the type's."""
    bound = min(largest, INTEGERS[pg]) if largest is not None else INTEGERS[pg]
    return Value(text, pg, len(str(bound)), 0, bound, nullable=nullable)


def boolean(condition: str) -> Value:
    """From a condition; NULL where it is unknown."""
    return Value(f"CASE WHEN {condition} THEN 1 WHEN NOT ({condition}) THEN 0 END", "boolean", condition=f"({condition})")


def plain(pg: str) -> str:
    """A type without its modifier: what functions and aggregates return."""
    of = pg_type(pg)
    return "text" if of.name in ("character varying", "character") else of.name


def wider(one: str, other: str) -> str:
    """Of two integer types the one that holds both."""
    return max(one, other, key=lambda name: INTEGERS[name])
