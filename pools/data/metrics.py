"""What a shard counts and measures. Gauges are read from its ledger and DuckDB's catalog: no row is looked at."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import duckdb
import structlog

from pools.data import metric_table as table
from pools.exposition import Book, Sample, text
from pools.memory import resident_bytes
from pools.metrics_listener import Listener

if TYPE_CHECKING:
    from pools.data.compaction import Done
    from pools.data.store import Store

log = structlog.get_logger()

STATES = ("staging", "staged", "sealed", "published", "aborted")


class Meters:
    """Of one shard. Thread-safe."""

    def __init__(self) -> None:
        self.book = Book()

    def received(self, rows: int, size: int) -> None:
        """A stream came in."""
        self.book.add(table.RECEIVED_ROWS, by=rows)
        self.book.add(table.RECEIVED_BYTES, by=size)

    def sent(self, rows: int, size: int) -> None:
        """A part of an answer."""
        self.book.add(table.SENT_ROWS, by=rows)
        self.book.add(table.SENT_BYTES, by=size)

    def called(self, name: str, seconds: float, code: str | None) -> None:
        """A call is over; ``code``: SQLSTATE of what went wrong."""
        self.book.observe(table.CALLS, seconds, name)
        if code is not None:
            self.book.add(table.ERRORS, name, code)

    def compacted(self, done: Done | None, seconds: float) -> None:
        """A round is over; None: it failed."""
        outcome = "failed" if done is None else "did" if done.rows_removed or done.segments_folded else "idle"
        self.book.add(table.ROUNDS, outcome)
        self.book.add(table.ROUND_SECONDS, by=seconds)
        if done is not None:
            self.book.add(table.REMOVED, by=done.rows_removed)
            self.book.add(table.FOLDED, by=done.segments_folded)

    def listen(self, where: str | None, store: Store) -> Listener | None:
        """From now on ``where`` answers, for as long as the process lives. A shard that can't be asked for its metrics still serves."""
        if where is None:
            return None
        started = time.time()
        try:
            return Listener(
                where, lambda: text(table.TABLE, self.book, (lambda: _gauges(store), lambda: [(table.STARTED, (), started)])), _complain
            )
        except OSError as error:
            log.error("metrics can't be served", where=where, why=str(error))
            return None


def _complain(why: str) -> None:
    log.error("metrics could not be collected", why=why)


def _gauges(store: Store) -> Iterator[Sample]:
    with store.ledger.lock:
        segments = [(one.state, one.created) for table in store.ledger.tables.values() for one in table.segments.values()]
        yield table.TABLES, (), len(store.ledger.tables)
    states = Counter(str(state) for state, _ in segments)
    for state in STATES:
        yield table.SEGMENTS, (state,), states[state]
    undecided = [created for state, created in segments if state in ("staging", "staged", "sealed")]
    yield table.UNDECIDED, (), max(0.0, time.time() - min(undecided)) if undecided else 0
    yield table.ROWS, (), _rows(store)
    yield table.DISK, (), store.file_bytes()
    yield table.DISK_FREE, (), store.free_bytes()
    yield table.DISK_RESERVE, (), store.limits.reserve_mb << 20
    yield table.RUNNING, (), store.memory.calls
    yield table.RESIDENT, (), resident_bytes()
    yield table.LIMIT, (), store.memory.limit


def _rows(store: Store) -> int:
    with store.cursor() as cursor:
        try:
            found = cursor.execute("SELECT sum(estimated_size) FROM duckdb_tables() WHERE schema_name LIKE 'db\\_%' ESCAPE '\\'").fetchone()
        except duckdb.TransactionException:  # a table is being made
            found = None
    return int(found[0] or 0) if found else 0
