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


def keys_pay(keys: float, taker: Moved, link: Link) -> bool:
    """Is it quicker to tell a source ``keys`` than to fetch the rows that have others? A key is taken to stand in as many rows as any."""
    saved = taker.seconds(link) * max(0.0, 1 - keys / max(taker.rows, 1.0))
    return saved > LEAST_SECONDS and saved > keys * (KEY_SECONDS + KEY_BYTES / link.bytes_per_second)
