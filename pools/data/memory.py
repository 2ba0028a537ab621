"""The shard's memory limit: DuckDB's part of it, and what happens above it.

DuckDB spills above its own limit, but not all that a process uses is DuckDB's: code, Python, Arrow, batches under way, rows being
compressed. Near the limit streams are slowed down, one of them at a time; a call is refused only when that has not helped for a while,
and something else is under way that may give memory back: what an allocator keeps for good would else refuse everything for ever.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pools.data.errors import ShardError
from pools.memory import give_back, resident_bytes

LEAST_ENGINE = 48 << 20
"""Below it DuckDB can't answer a group-by over a few columns."""

FRESH_SECONDS = 0.05
"""A look at the process's memory is good for so long: it costs as much as a tenth of a point query."""

SHRINK_SECONDS = 1.0
"""Dropping what is cached again and again would only make readers slow."""

WAIT_SECONDS = 10.0
"""How long a new call waits for memory."""


class Memory:
    """Of one shard. Made before DuckDB is opened. Thread-safe."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit = limit_bytes
        self._own = resident_bytes()
        self._one = threading.Lock()
        self._counting = threading.Lock()
        self._calls = 0
        self.shrink: Callable[[], None] = lambda: None
        """Makes the engine drop what it keeps for the next reader only; set when it is open."""

        self._looked = self._shrunk = 0.0
        self._resident = self._own

    @property
    def calls(self) -> int:
        """Admitted ones that have not ended."""
        return self._calls

    @property
    def engine(self) -> int:
        """Bytes for DuckDB: six tenths of what the process does not use by itself."""
        return max(LEAST_ENGINE, (self.limit - self._own) * 6 // 10)

    @property
    def streams(self) -> int:
        """Bytes that all streams being received may hold back."""
        return max(0, self.limit - self._own) // 5

    def above(self) -> bool:
        """Is the process above its limit, after giving back what it can?"""
        now = time.monotonic()
        if now - self._looked < FRESH_SECONDS:
            return self._resident > self.limit
        self._resident, self._looked = resident_bytes(), now
        for way in (give_back, self._shrink):
            if self._resident > self.limit:
                way()
                self._resident = resident_bytes()
        return self._resident > self.limit

    def _shrink(self) -> None:
        if self._looked - self._shrunk > SHRINK_SECONDS:
            self._shrunk = self._looked
            self.shrink()
            give_back()

    def admit(self) -> None:
        """Before a call, with ``leave`` after it: waits while the process is above its limit and other calls, which may give memory back,
        are under way; then 53200."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.above() and self._calls:
            if time.monotonic() > deadline:
                raise ShardError(
                    "53200",
                    "the shard is at its memory limit",
                    detail=f"The process uses {self._resident >> 20} MiB of {self.limit >> 20} MiB, {self._own >> 20} MiB of them at rest.",
                    hint="Try again, with fewer streams at a time, or raise the memory limit of the data pool.",
                )
            time.sleep(FRESH_SECONDS)
        with self._counting:
            self._calls += 1

    def leave(self) -> None:
        """An admitted call has ended."""
        with self._counting:
            self._calls -= 1

    @contextmanager
    def flushing(self) -> Iterator[None]:
        """While a stream hands rows to DuckDB: above the limit one at a time, and the others' clients wait."""
        if not self.above():
            yield
            return
        with self._one:
            yield
