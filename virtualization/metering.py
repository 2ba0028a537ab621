"""Counting what moves: rows, bytes and time of each fragment, and of the answer, while a query runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from virtualization.fragments import FragmentOver
from virtualization.plan import Batches, Counts, Fragment, Plan, QueryContext


class Meter(FragmentOver):
    """A fragment that counts. Where an executor reads the source itself (``duckdb_sql``), nothing passes through here: it
    does ``note`` at its end."""

    def __init__(self, fragment: Fragment, counts: Counts) -> None:
        self.fragment = fragment
        self.counts = counts

    def open(self, context: QueryContext) -> Batches:
        """Open and count."""
        start = time.perf_counter()
        self.counts.asked = self.fragment
        return Counted(self.fragment.open(context), self.counts, start)

    def note(self, rows: int, size: int, milliseconds: float) -> None:
        """An engine tells what it read by itself."""
        self.counts.rows += rows
        self.counts.bytes += size
        self.counts.milliseconds += milliseconds
        self.counts.opened += 1


Learn = Callable[[str, Counts], None]
"""Told of each fragment, by its source's name, that was read to its end in one go."""


def metered(fragments: tuple[Fragment, ...], context: QueryContext, learn: Learn = lambda source, counts: None) -> tuple[Fragment, ...]:
    """The fragments, counted in ``context.moved``."""
    context.moved = tuple(Counts(whole=partial(learn, fragment.source)) for fragment in fragments)
    return tuple(Meter(fragment, counts) for fragment, counts in zip(fragments, context.moved, strict=True))


class Counted:
    """Batches that are counted as they pass; ``start``: when they were asked for (``time.perf_counter``)."""

    def __init__(self, batches: Batches, counts: Counts, start: float) -> None:
        self._batches = batches
        self._counts = counts
        self._start = start
        counts.opened += 1

    @property
    def schema(self) -> pa.Schema:
        """As of the batches."""
        return self._batches.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        counts = self._counts
        for batch in self._batches:
            counts.rows += batch.num_rows
            counts.bytes += batch.nbytes
            counts.milliseconds = (time.perf_counter() - self._start) * 1000
            yield batch
        if not counts.rows:
            counts.milliseconds = (time.perf_counter() - self._start) * 1000
        if counts.opened == 1 and counts.whole is not None:
            counts.whole(counts)

    def close(self) -> None:
        """As of the batches."""
        self._batches.close()


@dataclass(frozen=True)
class Avoidable:
    """What moved from the sources beyond the answer: so much less would have, had all of the query run there. ``codes``: why it did
    not, see ``virtualization.reasons``."""

    rows: int = 0
    bytes: int = 0
    codes: tuple[str, ...] = ()


def avoidable(plan: Plan, moved: Sequence[Counts], answered: Counts) -> Avoidable:
    """Of a plan that ran. Nothing where one source did it all, where no reason is known, and where the answer is larger than what moved."""
    codes = tuple(dict.fromkeys(kept.code for kept in plan.kept))
    if plan.residual is None or not codes:
        return Avoidable()
    rows = sum(counts.rows for counts in moved) - answered.rows
    size = sum(counts.bytes for counts in moved) - answered.bytes
    return Avoidable(max(0, rows), max(0, size), codes) if rows > 0 or size > 0 else Avoidable()
