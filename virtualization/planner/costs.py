"""Seconds that moving rows takes over the link to a source, against what a source works to have fewer of them.

The numbers are orders of magnitude: they separate a table from its handful of groups, and a thin link from a fast one, and no more.
"""

from __future__ import annotations

from collections.abc import Callable
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

JOINED_ROW_SECONDS = 3e-7
"""A source's work for a row of a join."""


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


def joining_pays(parts: list[Moved], joined: Moved, link: Link) -> bool:
    """Is it quicker to have a join's rows than those of its tables, one after the other? They are joined here for next to nothing."""
    return joined.seconds(link) + joined.rows * JOINED_ROW_SECONDS <= sum(part.seconds(link) + link.seconds for part in parts)
