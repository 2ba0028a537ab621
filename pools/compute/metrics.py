"""What a compute replica counts and measures. Of each query that is over ``Tally.note`` counts a few numbers that are known anyway."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import structlog

from pools.compute import metric_table as table
from pools.compute.errors import AdmissionError, CancelRequestedError, MemoryGuardError, ShutdownError
from pools.compute.queries import Queries, Query
from pools.compute.settings import Limits
from pools.exposition import Book, Reading, Sample, text
from pools.memory import resident_bytes
from pools.metrics_listener import Listener
from virtualization import caches
from virtualization.metering import avoidable

log = structlog.get_logger()

LOOP_SECONDS = 1.0
"""For so long the event loop is waited for by who asks for the metrics."""


class Tally:
    """``note`` on the event loop, for each query that is over."""

    def __init__(self) -> None:
        self.book = self._book = Book()

    def load(self, step: str, rows: int) -> None:
        """A load of the data pool was begun, committed or aborted by this replica."""
        self._book.add(table.LOADS, step)
        if rows:
            self._book.add(table.LOADED, by=rows)

    def note(self, query: Query) -> None:
        """Nothing for a query that was never meant to give rows."""
        if not query.recorded:
            return
        book, outcome = self._book, outcome_of(query)
        book.add(table.OVER, outcome)
        book.observe(table.SECONDS, query.ended - query.started, outcome)
        if query.rows:
            book.add(table.ROWS, by=query.rows)
        if outcome == "failed":
            book.add(table.ERRORS, getattr(query.error, "code", "XX000"))
        elif outcome == "cancelled":
            book.add(table.CANCELLED, reason_of(query.error))
        if query.plan is not None:
            self._moved(query)

    def _moved(self, query: Query) -> None:
        book, plan, context = self._book, query.plan, query.context
        assert plan is not None
        if not context.moved:
            return  # it never ran
        book.add(table.EXECUTIONS, plan.executor or "source")
        for fragment, counts in zip(plan.fragments, context.moved, strict=True):
            book.add(table.SOURCE_FRAGMENTS, fragment.source, by=counts.opened)
            book.add(table.SOURCE_ROWS, fragment.source, by=counts.rows)
            book.add(table.SOURCE_BYTES, fragment.source, by=counts.bytes)
            book.add(table.SOURCE_SECONDS, fragment.source, by=counts.milliseconds / 1000)
        saved = avoidable(plan, context.moved, context.answered)
        if saved.bytes:
            book.add(table.AVOIDABLE, by=saved.bytes)
            for code in saved.codes:
                book.add(table.KEPT, code)


def outcome_of(query: Query) -> str:
    """A word for how it ended."""
    if isinstance(query.error, AdmissionError):
        return "refused"
    if query.cancelled:
        return "left" if getattr(query.error, "reason", None) == "left" else "cancelled"
    if query.error is not None:
        return "failed"
    return "left" if query.left else "done"


def reason_of(error: Exception | None) -> str:
    """A word for why it was cancelled."""
    match error:
        case CancelRequestedError(reason=reason):
            return reason
        case MemoryGuardError():
            return "memory"
        case ShutdownError():
            return "shutdown"
    return "other"


@dataclass(frozen=True)
class Replica:
    """What the gauges are read from. ``connections``: how many are open; ``databases``: which are followed, and whether now."""

    queries: Queries
    limits: Limits
    connections: Callable[[], int]
    databases: Callable[[], Mapping[str, bool]]


def listen(where: str | None, tally: Tally, replica: Replica) -> Listener | None:
    """From now on ``where`` answers, for as long as the process lives. A replica that can't be asked for its metrics still serves."""
    if where is None:
        return None
    try:
        return Listener(where, collector(tally.book, replica, asyncio.get_running_loop()), _complain)
    except OSError as error:
        log.error("metrics can't be served", where=where, why=str(error))
        return None


def collector(book: Book, replica: Replica, loop: asyncio.AbstractEventLoop) -> Callable[[], bytes]:
    """What the listener calls, on a thread that is not the event loop's."""
    started = time.time()
    readings: tuple[Reading, ...] = (
        lambda: _gauges(replica),
        _caches,
        lambda: [(table.LOOP, (), _delay(loop)), (table.STARTED, (), started)],
    )
    return lambda: text(table.TABLE, book, readings)


def _complain(why: str) -> None:
    log.error("metrics could not be collected", why=why)


def _gauges(replica: Replica) -> Iterator[Sample]:
    states = Counter(query.state for query in replica.queries.all())
    for state in ("queued", "planning", "running", "sending"):
        yield table.QUERIES, (state,), states[state]
    limits = replica.limits
    yield table.PLACES, (), limits.running
    yield table.CONNECTIONS, (), replica.connections()
    yield table.CONNECTIONS_LIMIT, (), limits.connections
    yield table.RESIDENT, (), resident_bytes()
    if limits.memory_mb is not None:
        yield table.LIMIT, (), limits.memory_mb << 20
    for database, connected in replica.databases().items():
        yield table.MASTER, (database,), connected


def _caches() -> Iterator[Sample]:
    for name, use in caches.USES.items():
        yield table.CACHE_HITS, (name,), use.hits
        yield table.CACHE_MISSES, (name,), use.misses


def _delay(loop: asyncio.AbstractEventLoop) -> float:
    answered = threading.Event()
    began = time.monotonic()
    try:
        loop.call_soon_threadsafe(answered.set)
    except RuntimeError:
        return LOOP_SECONDS  # it is closed: the process ends
    answered.wait(LOOP_SECONDS)
    return time.monotonic() - began
