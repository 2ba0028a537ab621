"""Keeps the process alive: when its resident memory comes near the limit, the query that grew it most is cancelled.

Engines have limits of their own and spill; Arrow buffers and drivers do not count there. This guard sees everything.
"""

from __future__ import annotations

import asyncio

import structlog

from pools.compute.errors import MemoryGuardError
from pools.compute.queries import Queries, Query
from pools.memory import resident_bytes

log = structlog.get_logger()

TICK_SECONDS = 0.1


class MemoryGuard:
    """``limit_bytes``: of the whole process; None watches nothing."""

    def __init__(self, queries: Queries, limit_bytes: int | None) -> None:
        self._queries = queries
        self._limit = limit_bytes
        self._last = 0

    async def run(self) -> None:
        """Until cancelled."""
        if self._limit is None:
            return
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self.look(resident_bytes())

    def look(self, resident: int) -> Query | None:
        """One pass: share the growth among those that run; above the limit cancel the largest. Returns what it cancelled."""
        running = [query for query in self._queries.all() if query.state in ("planning", "running") and not query.cancelled]
        growth, self._last = resident - self._last, resident
        for query in running:
            query.memory = max(0.0, query.memory + growth / len(running))
        if self._limit is None or resident <= self._limit or not running:
            return None
        largest = max(running, key=lambda query: (query.memory, -query.id))
        log.warning("memory limit reached", resident_mb=resident >> 20, limit_mb=self._limit >> 20, query=largest.id)
        largest.cancel(
            MemoryGuardError(
                "the query was cancelled because the compute pool ran out of memory",
                detail=f"The process uses {resident >> 20} MiB of {self._limit >> 20} MiB.",
                hint="Select fewer rows or columns, aggregate at the source, or raise the memory limit of the compute pool.",
            )
        )
        return largest
