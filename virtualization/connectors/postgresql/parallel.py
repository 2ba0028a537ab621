"""One big table read over several connections at once: ranges of its pages (``ctid``), all in one exported snapshot. It may be joined with
smaller ones: the rows of an inner join are those of the joins with each range.

    first session   BEGIN REPEATABLE READ; pg_export_snapshot() ---> range 0 … first batch … further ranges
    other sessions  BEGIN REPEATABLE READ; SET TRANSACTION SNAPSHOT ---> further ranges

So the rows are those of one moment, however long it takes. The others begin once the first batch was taken: a reader who wants few rows
costs one connection (with a condition at once: it may take the source long to find the first row). They take only connections that are
free right now, so that parallel scans never wait for each other.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import adbc_driver_manager
import pyarrow as pa

from virtualization.connectors.postgresql.beside import beside
from virtualization.connectors.postgresql.client import Client, Running, execute, numbered
from virtualization.connectors.postgresql.key_ranges import Keyed
from virtualization.driver_batches import to_contract
from virtualization.errors import CancelledError, VirtualizationError
from virtualization.plan import QueryContext

RANGES_EACH = 4
"""Ranges per connection: one that has sparse pages, or a slow start, takes fewer."""
FEWEST_PAGES = 1_000
"""Of one range: some 8 MiB."""
OLDEST = 140000
"""From this version on a condition on ctid reads only its pages."""

BESIDE = 0.3
"""Of a join: each connection does again what is not about the ranges' table (hash tables of the others). Beyond this share of what the
source expects reading the table to cost, one statement is better."""

REMEMBERED_SECONDS = 60.0
"""How long the source's own plan of a text is believed."""
MOST_REMEMBERED = 1000

FENCED = "SET LOCAL work_mem = '8MB'"
"""For ranges of a join with a fence. Where memory is plenty, a hash table of many wide rows and one of the few that the fence lets through
seem to PostgreSQL to cost about the same, and each analysis of the tables may turn it round (orders of three months with their customers:
287 ms of processor time or 200). The few fit into this."""

_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


@dataclass(frozen=True)
class Ranged:
    """A statement that may be read in ranges of the pages of one table."""

    table: str
    """As it stands in the text, where it is read once."""

    schema: str
    name: str

    each: int = RANGES_EACH
    """Ranges per connection; of a join one, see ``BESIDE``."""

    conditional: bool = False
    """Has the statement conditions or joins? The source may know a shorter way than reading the table: it is asked."""

    fenced: str | None = None
    """Of a join: the text to read in ranges (see ``fences``)."""

    share: int = 0
    """Pages of a range of ``fenced``: the source plans that one otherwise than the whole."""

    @property
    def alone(self) -> bool:
        """Is it about this table only?"""
        return self.each > 1

    def other(self) -> Ranged:
        """Of the same statement with other conditions."""
        return replace(self, conditional=True, fenced=None)

    def pays(self, client: Client, text: str, what: str, context: QueryContext) -> bool:
        """Would the source read the whole table (by itself or with workers, which it starts anew for each statement), and has it little
        to do beside?"""
        if not self.conditional:
            return True
        remembered, key = client.remembered, hash(text)
        known = remembered.get(key)
        if known is None or known[0] < time.monotonic():
            known = (time.monotonic() + REMEMBERED_SECONDS, self._pays(client, text, what, context))
            if len(remembered) >= MOST_REMEMBERED:
                remembered.clear()
            remembered[key] = known
        return known[1]

    def _pays(self, client: Client, text: str, what: str, context: QueryContext) -> bool:
        whole = beside(json.loads(client.plan_of(text, what, context))[0]["Plan"], (self.schema, self.name))
        if whole is None or self.fenced is None:
            return whole is not None and whole[1] <= BESIDE * whole[0]
        range_ = Scan(self.fenced, self).first(self.share)
        each = beside(json.loads(client.plan_of(range_, what, context, FENCED))[0]["Plan"], (self.schema, self.name))
        return each is not None and each[1] <= BESIDE * whole[0]


class Scan:
    """A statement cut at the place where a range of pages goes."""

    def __init__(self, text: str, ranged: Ranged) -> None:
        self._head, mark, self._tail = text.partition(f" FROM {ranged.table})")
        assert mark, text
        self._table = ranged.table
        self._each = ranged.each
        self.at_once = ranged.conditional
        """Do all connections begin before the first row has come?"""

        self.settings = [FENCED] if ranged.fenced is not None else []
        """Of each transaction."""

    def facts_text(self) -> str:
        """The statement that exports the first session's snapshot and tells the table's size."""
        name = self._table.replace("'", "''")
        size = f"pg_relation_size('{name}'::regclass) / current_setting('block_size')::bigint"
        return f"SELECT pg_export_snapshot() AS snapshot, {size} AS pages"

    def statements(self, pages: int, connections: int) -> list[str]:
        """One per range, from the table's first page to beyond its last."""
        count = max(1, min(connections * self._each, pages // FEWEST_PAGES))
        places = [pages * number // count for number in range(count)]
        return [self._range(low, high) for low, high in zip(places, [*places[1:], None], strict=True)]

    def first(self, pages: int) -> str:
        """The range of the first ``pages``."""
        return self._range(0, pages)

    def _range(self, low: int, high: int | None) -> str:
        condition = f"ctid >= '({low},0)'::tid" + (f" AND ctid < '({high},0)'::tid" if high is not None else "")
        return f"{self._head} FROM {self._table} WHERE {condition}){self._tail}"


class ParallelRows:
    """See ``virtualization.plan.Batches``. ``connections``: at most so many at once."""

    def __init__(self, client: Client, scan: Scan | Keyed, schema: pa.Schema, what: str, context: QueryContext, zone: str | None) -> None:
        self._client = client
        self._schema = schema
        self._what = what
        self._context = context
        self._zone = zone
        self._connections = client.settings.scan_connections
        self._batches: queue.Queue[pa.RecordBatch | VirtualizationError | None] = queue.Queue(self._connections * 2)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._running: list[Running] = []
        self._threads: list[threading.Thread] = []
        self._first, told = client.begin(what, context, lambda cursor: self._export(cursor, scan), zone)
        self._running.append(self._first)
        self._snapshot = str(told["snapshot"])
        self._statements = scan.statements(int(told["pages"]), self._connections)[::-1]
        self._at_once = scan.at_once
        self._begin = [_BEGIN, f"SET TRANSACTION SNAPSHOT '{self._snapshot}'", *scan.settings]

    @property
    def schema(self) -> pa.Schema:
        """As promised by the fragment."""
        return self._schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            reader = self._read(self._first, self._statements.pop())
            if not self._at_once:
                for batch in reader:
                    yield batch
                    break
            self._start(lambda: self._work(self._first, reader))
            for _ in range(min(self._connections - 1, len(self._statements))):
                self._start(self._help)
            yield from self._arriving(len(self._threads))
        finally:
            self.close()

    def close(self) -> None:
        """Stop everywhere; harmless when repeated or after the end."""
        if self._over.is_set():
            return
        self._over.set()
        with self._lock:
            left, self._running = self._running, []
        for running in left:
            running.cancel()
        self._drain()
        for thread in self._threads:
            thread.join()
        for running in left:
            running.end(reusable=False)

    def _arriving(self, workers: int) -> Iterator[pa.RecordBatch]:
        while workers:
            item = self._batches.get()
            if item is None:
                workers -= 1
            elif isinstance(item, VirtualizationError):
                raise item
            else:
                yield item

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(work,), name="scan", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Whatever happens in a worker reaches the reader."""
        try:
            work()
        except VirtualizationError as error:
            self._put(error)
        except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
            self._put(self._client.fault(error, self._what, self._context))
        finally:
            self._put(None)

    def _help(self) -> None:
        """A further session, where one is free; where it can't see the snapshot (any more) the others do without it."""
        running = self._client.begin_free(self._what, self._context, self._begin, self._zone)
        if running is None:
            return
        with self._lock:
            if not self._over.is_set():
                self._running.append(running)
        if self._over.is_set():
            running.end(reusable=False)
        else:
            self._work(running, iter(()))

    def _work(self, running: Running, begun: Iterator[pa.RecordBatch]) -> None:
        rows: Iterator[pa.RecordBatch] | None = begun
        while rows is not None:
            for batch in rows:
                if not self._put(batch):
                    return
            rows = self._next(running)
        running.cursor.execute("COMMIT")
        with self._lock:
            mine = running in self._running
            if mine:
                self._running.remove(running)
        if mine:
            running.end(reusable=True)

    def _next(self, running: Running) -> Iterator[pa.RecordBatch] | None:
        if self._context.cancelled:
            raise CancelledError("canceling statement due to user request")  # between two statements nothing else notices
        with self._lock:
            if not self._statements or self._over.is_set():
                return None
            statement = self._statements.pop()
        return self._read(running, statement)

    def _read(self, running: Running, statement: str) -> Iterator[pa.RecordBatch]:
        try:
            for batch in execute(running.cursor, numbered(statement, self._context), self._client.settings.fetch_bytes):
                if batch.num_rows:
                    yield to_contract(batch, self._schema, self._client.where(self._what))
        except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
            raise self._client.fault(error, self._what, self._context) from None

    def _put(self, item: pa.RecordBatch | VirtualizationError | None) -> bool:
        """False: nobody reads any more."""
        while not self._over.is_set():
            try:
                self._batches.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def _drain(self) -> None:
        while True:
            try:
                self._batches.get_nowait()
            except queue.Empty:
                return

    def _export(self, cursor: Any, scan: Scan | Keyed) -> dict[str, Any]:  # noqa: ANN401 the driver's cursor
        for statement in (_BEGIN, *scan.settings):
            cursor.execute(statement)
        told = execute(cursor, scan.facts_text(), self._client.settings.fetch_bytes).read_all()
        return dict(told.to_pylist()[0])
