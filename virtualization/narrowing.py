"""Semi-join reduction at run time: read the giving fragments, send their keys along to the taking ones.

What was read is kept and not asked for again. A giver that turns out bigger than its takers can take, or than what may lie in memory, is
not read on: what has come is handed to the executor, followed by the rest, and the takers are asked as if there were no flow.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute

from virtualization.computed import Computed
from virtualization.errors import CancelledError, VirtualizationError
from virtualization.fragments import FragmentOver, by_engine
from virtualization.metering import Meter
from virtualization.plan import Batches, Fragment, KeyFlow, OutputColumn, QueryContext, Result, TakesKeys

HELD_BYTES = 32 * 1024 * 1024
"""Of one giver, in memory."""

ROWS_PER_KEY = 2
"""A giver is not read further than so many rows per key that its takers take."""

REMEMBERED_SECONDS = 600.0
LESSONS_KEPT = 1000

pc: Any = pyarrow.compute


class Lessons:
    """Givers that had more than their takers take: whatever was estimated, they are not tried again soon. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: OrderedDict[tuple[str, str], float] = OrderedDict()

    def learn(self, fragment: Fragment) -> None:
        """``fragment`` was too big."""
        with self._lock:
            self._until[(fragment.source, fragment.text)] = time.monotonic() + REMEMBERED_SECONDS
            while len(self._until) > LESSONS_KEPT:
                self._until.popitem(last=False)

    def worth_trying(self, fragment: Fragment) -> bool:
        """Is nothing known against it?"""
        with self._lock:
            return self._until.get((fragment.source, fragment.text), 0.0) < time.monotonic()


class Narrowing:
    """The fragments of one running plan, after its ``flows``. ``close`` ends givers that nobody read to their end."""

    def __init__(self, fragments: Sequence[Fragment], flows: Sequence[KeyFlow], lessons: Lessons, context: QueryContext) -> None:
        self.fragments = list(fragments)
        self._context = context
        self._unread: list[Batches] = []
        try:
            for giver in dict.fromkeys(flow.giver for flow in flows):
                if lessons.worth_trying(fragments[giver]) and not self._give(giver, [flow for flow in flows if flow.giver == giver]):
                    lessons.learn(fragments[giver])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Harmless when repeated."""
        unread, self._unread = self._unread, []
        for batches in unread:
            with suppress(VirtualizationError):  # what a source says that is left early is no news
                batches.close()

    def _give(self, giver: int, flows: Sequence[KeyFlow]) -> bool:
        """False: it is too big."""
        fragment = over(self.fragments[giver], self.fragments)
        batches = fragment.open(self._context)
        self._unread.append(batches)
        rows = iter(batches)
        held, whole = self._read(rows, max(flow.most for flow in flows) * ROWS_PER_KEY)
        if whole:
            table = pa.Table.from_batches(held, batches.schema)
            self.fragments[giver] = Held(fragment, batches.schema, tuple(held))
            for flow in flows:
                self._take(flow, table)
        elif by_engine(fragment):
            batches.close()  # the executor reads it in parallel and with what it learns itself: better anew than on through here
        else:
            self.fragments[giver] = Held(fragment, batches.schema, tuple(held), rows, batches)
        return whole

    def _read(self, rows: Iterator[pa.RecordBatch], most: int) -> tuple[list[pa.RecordBatch], bool]:
        """What came, and was that all?"""
        held: list[pa.RecordBatch] = []
        count = size = 0
        for batch in rows:
            if self._context.cancelled:
                raise CancelledError("canceling statement due to user request")
            held.append(batch)
            count += batch.num_rows
            size += batch.nbytes
            if count > most or size > HELD_BYTES:
                return held, False
        return held, True

    def _take(self, flow: KeyFlow, rows: pa.Table) -> None:
        names = [column.name for column in self.fragments[flow.giver].columns]
        keys = pc.unique(rows.column(names.index(flow.giver_column)).combine_chunks()).drop_null()
        if len(keys) <= flow.most:
            self.fragments[flow.taker] = with_keys(self.fragments[flow.taker], flow.taker_column, keys)


def over(fragment: Fragment, fragments: Sequence[Fragment]) -> Fragment:
    """A fragment that is computed from others: from what they are now."""
    if isinstance(fragment, Meter):
        return Meter(over(fragment.fragment, fragments), fragment.counts)
    return fragment.over(fragments) if isinstance(fragment, Computed) else fragment


def with_keys(fragment: Fragment, column: str, keys: Any) -> Fragment:  # noqa: ANN401 an Arrow array
    """The fragment asked for ``keys`` only, counted as before."""
    if isinstance(fragment, Meter):
        return Meter(with_keys(fragment.fragment, column, keys), fragment.counts)
    return fragment.with_keys(column, keys) if isinstance(fragment, TakesKeys) else fragment


@dataclasses.dataclass(eq=False)
class Held(FragmentOver):
    """A fragment of which rows are here already: all, or the first, with the ``rest`` to come. See ``virtualization.plan.Fragment``."""

    fragment: Fragment
    schema: pa.Schema
    held: tuple[pa.RecordBatch, ...]
    rest: Iterator[pa.RecordBatch] | None = None
    batches: Batches | None = None
    """Whose rest it is."""

    def open(self, context: QueryContext) -> Batches:
        """From memory. A rest can be had once only: whoever comes later has the source asked again."""
        if self.batches is None:
            return _HeldBatches(self.schema, self.held, (), None)
        if self.rest is None:
            return self.fragment.open(context)
        rest, self.rest = self.rest, None
        return _HeldBatches(self.schema, self.held, rest, self.batches)

    @property
    def by_engine(self) -> bool:
        """The rows are here."""
        return False

    def duckdb_sql(self) -> None:
        """The rows are here."""
        return


class _HeldBatches:
    def __init__(self, schema: pa.Schema, held: Sequence[pa.RecordBatch], rest: Iterable[pa.RecordBatch], behind: Batches | None) -> None:
        self.schema = schema
        self._parts = (held, rest)
        self._behind = behind

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for part in self._parts:
            yield from part

    def close(self) -> None:
        if self._behind is not None:
            self._behind.close()


class NarrowedResult:
    """An executor's result over narrowed fragments."""

    def __init__(self, result: Result, narrowing: Narrowing) -> None:
        self._result = result
        self._narrowing = narrowing

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """The executor's."""
        return self._result.columns

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self._result)

    def close(self) -> None:
        """What it still runs, and givers that it did not read."""
        self._result.close()
        self._narrowing.close()
