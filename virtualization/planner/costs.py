"""Seconds that moving rows takes over the link to a source, against what a source works to have fewer of them.

The numbers are orders of magnitude: they separate a table from its handful of groups, and a thin link from a fast one, and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from virtualization.catalog import DataSource


@dataclass(frozen=True)
class Link:
    """Between this process and a source. ``seconds``: of a statement that gives next to nothing; ``bytes_per_second``: of one that gives
    much, the source's own work included. ``measured``: False where nobody has seen it yet."""

    seconds: float = 0.001
    bytes_per_second: float = 200e6
    measured: bool = False

    def __str__(self) -> str:
        told = f"{self.bytes_per_second / 1e6:,.0f} MB/s, {self.seconds * 1000:,.1f} ms"
        return told if self.measured else f"{told}, assumed"


FAST = Link()
"""What is assumed of a source that was never asked."""

Links = Callable[[DataSource], Link]


def assumed(source: DataSource) -> Link:
    """Of a source that was never asked: a ``Links``."""
    return FAST


ROW_SECONDS = 5e-7
"""To write a row at the source and to read it here."""

GROUPED_ROW_SECONDS = 3e-7
"""A source's work to put a row into its group."""

KEY_SECONDS = 1e-6
"""To tell a source one key, and its work to look for it."""

KEY_BYTES = 10
LEAST_SECONDS = 0.001
"""What is saved below that is not worth waiting for another fragment."""

FAR_MORE = 2.0
"""A join is not asked for where its rows take so many times longer than those of its tables: estimates of joins are rough."""


HASHED_BYTES_PER_SECOND = 200e6
"""What a source puts into the hash tables of its joins, all tables but the widest (PostgreSQL: 150,000 rows of 170 bytes in 0.13 s)."""

SOONER = 0.8
"""A join that repeats wide rows is not asked for where its tables come in this share of the time."""


@dataclass(frozen=True)
class Moved:
    """Rows on their way, and the bytes of each."""

    rows: float
    width: float

    def seconds(self, link: Link) -> float:
        """Of their way, without waiting for the first."""
        return self.rows * (ROW_SECONDS + self.width / link.bytes_per_second)

    def __str__(self) -> str:
        return f"about {self.rows:,.0f} rows ({self.rows * self.width / 1e6:,.1f} MB)"


def grouping_pays(before: Moved, after: Moved, link: Link) -> bool:
    """Is it quicker to have ``before`` grouped at the source than to fetch it all?"""
    return after.seconds(link) + before.rows * GROUPED_ROW_SECONDS < before.seconds(link)


def joining_loses(parts: Sequence[Moved], joined: Moved, link: Link) -> bool:
    """Does a join at the source multiply rows, so that its tables come sooner one by one? They are joined here for next to nothing."""
    return joined.rows > sum(part.rows for part in parts) and joined.seconds(link) > FAR_MORE * sum(part.seconds(link) for part in parts)


@dataclass(frozen=True)
class Apart:
    """The tables of a join fetched one by one. ``parts``: after their own filters, and after the ``keys`` that one tells another."""

    parts: Sequence[Moved]
    keys: float

    def seconds(self, link: Link) -> float:
        """Until all are here, where they are joined for next to nothing."""
        told = self.keys * (KEY_SECONDS + KEY_BYTES / link.bytes_per_second)
        return sum(part.seconds(link) for part in self.parts) + told + (len(self.parts) - 1) * link.seconds


def repeating_loses(apart: Apart, joined: Moved, hashed: float, link: Link) -> bool:
    """Does a join at the source work on wide rows (``hashed`` bytes), and repeat them, for longer than fetching its tables takes? Only
    where one of them takes keys of another (else keys of other sources may do more for the join), so only over a link that was measured."""
    return link.measured and apart.keys > 0 and apart.seconds(link) < SOONER * (joined.seconds(link) + hashed / HASHED_BYTES_PER_SECOND)


def keys_pay(keys: float, taker: Moved, link: Link) -> bool:
    """Is it quicker to tell a source ``keys`` than to fetch the rows that have others? A key is taken to stand in as many rows as any."""
    saved = taker.seconds(link) * max(0.0, 1 - keys / max(taker.rows, 1.0))
    return saved > LEAST_SECONDS and saved > keys * (KEY_SECONDS + KEY_BYTES / link.bytes_per_second)
