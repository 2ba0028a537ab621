"""How far away each source is, learned from the fragments that queries read anyway: nobody is asked for the sake of it.

The round trip is the shortest time of a small answer, the bandwidth the best of a large one: what a source computes before it answers is no
matter of the link, and only makes an answer later. The best of the last minutes counts, not the average: a query that takes the source
long says nothing of the way to it, and plans that were made stay good (they are made again when a link has become another one).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from virtualization.catalog import DataSource
from virtualization.plan import Counts
from virtualization.planner.costs import FAST, Link

SMALL_ROWS = 100
LARGE_BYTES = 1 << 20

WINDOW_SECONDS = 600.0
"""Of the source's use. What was seen before this and the last one is forgotten: so long it takes to notice that a link has become worse."""

MOST = 1000
"""Sources; then the one seen first is forgotten."""


@dataclass(frozen=True)
class Measured:
    """The best of some time. None: not seen in it."""

    seconds: float | None = None
    bytes_per_second: float | None = None

    def after(self, counts: Counts) -> Measured:
        """With one more fragment that was read to its end."""
        seconds = counts.milliseconds / 1000
        if counts.rows <= SMALL_ROWS:
            return self.or_better(Measured(seconds=seconds))
        if counts.bytes < LARGE_BYTES or seconds <= 0:
            return self
        return self.or_better(Measured(bytes_per_second=counts.bytes / seconds))

    def or_better(self, other: Measured) -> Measured:
        """The best of both."""
        seconds = [one for one in (self.seconds, other.seconds) if one is not None]
        speeds = [one for one in (self.bytes_per_second, other.bytes_per_second) if one is not None]
        return Measured(min(seconds, default=None), max(speeds, default=None))


@dataclass(frozen=True)
class _Seen:
    """Of one source: in this window, in the one before, and what plans are made by."""

    link: Link = FAST
    begun: float = float("-inf")
    now: Measured = Measured()
    before: Measured = Measured()

    def after(self, counts: Counts, when: float) -> _Seen:
        seen = self
        if when - self.begun >= WINDOW_SECONDS:
            seen = replace(self, begun=when, now=Measured(), before=self.now)
        now = seen.now.after(counts)
        return replace(seen, now=now, link=_told(now.or_better(seen.before), seen.link))


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
    """By the source's name. Thread-safe. ``clock``: in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, _Seen] = {}
        self._version = 0

    @property
    def version(self) -> int:
        """Changes when a link has become another one: plans that were made before may be others now."""
        return self._version

    def link(self, source: DataSource) -> Link:
        """What is known of it, or assumed."""
        return self._known.get(source.name, NEW).link

    def learn(self, source: str, counts: Counts) -> None:
        """A fragment of this source was read to its end."""
        with self._lock:
            before = self._known.get(source, NEW)
            seen = self._known[source] = before.after(counts, self._clock())
            self._version += seen.link != before.link
            while len(self._known) > MOST:
                del self._known[next(iter(self._known))]


NEW = _Seen()
"""Of a source that was never asked."""
