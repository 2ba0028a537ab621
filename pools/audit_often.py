"""Entries of what comes often (calls of an app): the first one is written at once, those alike within the minute after it are counted and
told in one more entry (``times=41``), so that a busy caller pushes nothing out of the files, and a call pays a look into a table."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

from pools.audit import Trail
from pools.audit_entries import Entry

SECONDS = 60.0
MOST = 2000
"""Kinds that are remembered; with more all are told and forgotten."""

Kind = tuple[object, ...]


@dataclass
class _Seen:
    entry: Entry
    until: float
    times: int = 0
    bytes: int = 0


class Often:
    """Over a trail; of one event loop. ``clock``: monotonic seconds."""

    def __init__(self, trail: Trail, clock: Callable[[], float] = time.monotonic) -> None:
        self.trail = trail
        self._clock = clock
        self._seen: dict[Kind, _Seen] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, entry: Entry) -> None:
        """Soon. What is refused to people who are not known is counted beyond some (``Trail.note_few``)."""
        if entry.outcome == "refused" and entry.user is None:
            self.trail.note_few(entry)
            return
        kind = (
            entry.action, entry.outcome, entry.rule, entry.user, entry.origin, entry.objects, entry.session, entry.why,
        )  # fmt: skip
        seen = self._seen.get(kind)
        if seen is not None and seen.until > self._clock():
            seen.times += 1
            seen.bytes += entry.bytes or 0
            return
        if seen is not None or len(self._seen) >= MOST:
            self.tell(all_of_them=seen is None)
        self.trail.note_later(entry)
        self._seen[kind] = _Seen(dataclasses.replace(entry, request=None), self._clock() + SECONDS)
        self._wake()

    def tell(self, *, all_of_them: bool = True) -> None:
        """What was counted: where its minute is over, or all."""
        now = self._clock()
        over = [kind for kind, seen in self._seen.items() if all_of_them or seen.until <= now]
        for kind in over:
            seen = self._seen.pop(kind)
            if seen.times:
                objects, size = (*seen.entry.objects, f"times={seen.times}"), None if seen.entry.bytes is None else seen.bytes
                self.trail.note_later(dataclasses.replace(seen.entry, objects=objects, bytes=size))

    def _wake(self) -> None:
        if self._timer is None:
            with contextlib.suppress(RuntimeError):  # no loop: a test, or the end
                self._timer = asyncio.get_running_loop().call_later(SECONDS, self._woken)

    def _woken(self) -> None:
        self._timer = None
        self.tell(all_of_them=False)
        if self._seen:
            self._wake()
