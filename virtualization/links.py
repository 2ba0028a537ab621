"""How far away each source is, learned from the fragments that queries read anyway: nobody is asked for the sake of it.

The round trip is the shortest of a small answer, the bandwidth the best of a large one, both of late: what a source computes before it
answers is no matter of the link. A busy moment passes: older measures fade.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from virtualization.catalog import DataSource
from virtualization.plan import Counts
from virtualization.planner.costs import FAST, Link

SMALL_ROWS = 100
LARGE_BYTES = 1 << 20
FADING = 0.05
"""By so much a measure moves towards a worse one; towards a better one it jumps."""

MOST = 1000
"""Sources; then the one seen first is forgotten."""


@dataclass(frozen=True)
class Measured:
    """None: not seen yet."""

    seconds: float | None = None
    bytes_per_second: float | None = None

    def after(self, counts: Counts) -> Measured:
        """With one more fragment that was read to its end."""
        seconds = counts.milliseconds / 1000
        if counts.rows <= SMALL_ROWS:
            return replace(self, seconds=seconds if self.seconds is None else min(seconds, _faded(self.seconds, seconds)))
        if counts.bytes < LARGE_BYTES or seconds <= 0:
            return self
        speed = counts.bytes / seconds
        known = self.bytes_per_second
        return replace(self, bytes_per_second=speed if known is None else max(speed, _faded(known, speed)))


def _faded(known: float, seen: float) -> float:
    return known + FADING * (seen - known)


def _told(measured: Measured, before: Link) -> Link:
    """What plans are made by. It follows in steps of two, so that plans don't change with each query."""
    seconds, speed = measured.seconds, measured.bytes_per_second
    made = before
    if seconds is not None and _differ(seconds, before.seconds):
        made = replace(made, seconds=seconds)
    if speed is not None and (not before.measured or _differ(speed, before.bytes_per_second)):
        made = replace(made, bytes_per_second=speed, measured=True)
    return made


def _differ(one: float, other: float) -> bool:
    return max(one, other) > 2 * min(one, other)


class Links:
    """By the source's name. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Measured, Link]] = {}
        self._version = 0

    @property
    def version(self) -> int:
        """Changes when a link has become another one: plans that were made before may be others now."""
        return self._version

    def link(self, source: DataSource) -> Link:
        """What is known of it, or assumed."""
        return self._known.get(source.name, NEW)[1]

    def learn(self, source: str, counts: Counts) -> None:
        """A fragment of this source was read to its end."""
        with self._lock:
            measured, before = self._known.get(source, NEW)
            measured = measured.after(counts)
            link = _told(measured, before)
            self._known[source] = (measured, link)
            self._version += link != before
            while len(self._known) > MOST:
                del self._known[next(iter(self._known))]


NEW = (Measured(), FAST)
"""A source that was never asked."""
