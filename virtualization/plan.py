"""The shape of a plan, and the two Protocols that carry it out: connectors and executors.

    SQL --parse, bind, rules--> Plan: fragments + residual --> executor --> Arrow batches

A ``Fragment`` is what one source does: one SQL text, one file scan. ``Plan.residual`` is the rest, SQL in PostgreSQL's dialect
over tables ``__f0``, ``__f1`` … that stand for the fragments. ``residual is None``: the plan is its only fragment, rows pass through.

Arrow schemas inside this library carry, per field, metadata ``b"pg:type"`` with the PostgreSQL type (see ``virtualization.types``);
a type that has no exact Arrow form travels as its PostgreSQL text in a string column with that metadata.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
from sqlglot import exp

from virtualization.catalog import Column, DataSource, VirtualTable
from virtualization.errors import VirtualizationError
from virtualization.placement import ReadStates
from virtualization.statistics import ColumnStatistics


@dataclass(frozen=True)
class Kept:
    """Something that was not pushed: ``what`` (SQL), a stable reason ``code`` (lower_snake), ``why``, and what would change it."""

    what: str
    code: str
    why: str
    fix: str | None = None


@dataclass(frozen=True)
class OutputColumn:
    """A column of a result: its name and PostgreSQL type (``format_type`` form)."""

    name: str
    type: str


@dataclass
class Counts:
    """What came out of one fragment (or of a whole query): rows, Arrow bytes, milliseconds from the first opening to the last row, and
    how often it was opened (0: an executor read the source itself, and nobody counted)."""

    rows: int = 0
    bytes: int = 0
    milliseconds: float = 0.0
    opened: int = 0
    asked: Fragment | None = field(default=None, repr=False, compare=False)
    """What the source was asked at last: the plan's fragment, or the same with keys of another."""
    whole: Callable[[Counts], None] | None = field(default=None, repr=False, compare=False)
    """Called when a fragment was read to its end."""


AGAIN_SECONDS = 0.05
"""After which an interrupt is repeated the first time; then twice as long each time, up to the next."""

LONGEST_AGAIN_SECONDS = 1.0


class QueryContext:
    """What one running query shares: cancellation and limits. Thread-safe.

    Whoever can be interrupted registers ``on_cancel``; ``cancel()`` calls each, from another thread, and again until it takes its
    registration back: an interrupt between two statements, or just before the first, is lost at every engine.
    """

    def __init__(
        self,
        *,
        memory_bytes: int | None = None,
        timezone: str = "UTC",
        user: str | None = None,
        trace: str = "",
        read_states: ReadStates | None = None,
    ) -> None:
        self.memory_bytes = memory_bytes
        self.timezone = timezone
        self.user = user
        self.trace = trace
        """A session id that connectors show at the source (``application_name``)."""
        self.number = ""
        """The query's own, digits: shown where each statement can carry it at no cost; empty: it has none."""
        self.read_states = read_states
        """Which state of the data pool this query reads; None: it can't read any."""
        self.sample: float | None = None
        """The share of the rows that suffices, drawn at random; None: all are wanted."""
        self.moved: tuple[Counts, ...] = ()
        """Of each fragment of the plan that runs, in the plan's order; the engine sets and keeps them."""
        self.answered = Counts()
        """Of the plan's answer."""
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self._insisting = False

    @property
    def label(self) -> str:
        """Number and session, for where a source shows both with each statement."""
        return f"{self.number} {self.trace}".strip()

    def take_sample(self) -> float | None:
        """``sample``, for whoever draws it: once."""
        share, self.sample = self.sample, None
        return share

    @property
    def cancelled(self) -> bool:
        """Has ``cancel`` been called?"""
        return self._cancelled.is_set()

    def pause(self, seconds: float) -> None:
        """Wait so long, or until ``cancel`` is called."""
        self._cancelled.wait(seconds)

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Register; returns a function that takes the registration back. Calls at once if already cancelled. ``callback`` may be called
        any number of times, the last one a moment after the registration was taken back."""
        with self._lock:
            self._callbacks.append(callback)
        if self.cancelled:
            callback()
            self._insist()
        return lambda: self._forget(callback)

    def _forget(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def cancel(self) -> None:
        """Interrupt everything that is registered, until it lets go; harmless when repeated."""
        self._cancelled.set()
        if self._call():
            self._insist()

    def _call(self) -> bool:
        """False: nothing is registered any more."""
        with self._lock:
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()
        return bool(callbacks)

    def _insist(self) -> None:
        with self._lock:
            if self._insisting or not self._callbacks:
                return
            self._insisting = True
        threading.Thread(target=self._again, name="cancel", daemon=True).start()

    def _again(self) -> None:
        wait = AGAIN_SECONDS
        while True:
            time.sleep(wait)
            with self._lock:
                if not self._callbacks:
                    self._insisting = False
                    return
            self._call()
            wait = min(LONGEST_AGAIN_SECONDS, wait * 2)


class Batches(Protocol):
    """A stream of record batches that can be left at any time; ``close`` frees everything behind it, also at the source."""

    @property
    def schema(self) -> pa.Schema:
        """Known before the first batch."""
        ...

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...

    def close(self) -> None:
        """Harmless when repeated."""
        ...


class Fragment(Protocol):
    """One source's part of a plan, ready to run any number of times (frozen, cacheable)."""

    @property
    def source(self) -> str:
        """The data source's name."""
        ...

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """Names and types, in order."""
        ...

    @property
    def text(self) -> str:
        """The very text that the source receives (SQL), or for files the scan in words: path, columns, filters, files kept."""
        ...

    @property
    def tables(self) -> tuple[tuple[str, str], ...]:
        """(schema, name) of the virtual tables inside."""
        ...

    def open(self, context: QueryContext) -> Batches:
        """Run it at the source; streams, never materialises."""
        ...

    def duckdb_sql(self) -> str | None:
        """A DuckDB SELECT that gives the same rows when run on a connection prepared by ``prepare_duckdb``,
        so that the executor's own optimizer sees the scan (files); None where rows must come through ``open``."""
        ...

    def prepare_duckdb(self, connection: object) -> None:
        """Make ``duckdb_sql`` runnable (register file systems)."""
        ...

    def fault(self, error: Exception) -> VirtualizationError | None:
        """What an engine's error means that came up while it ran ``duckdb_sql``; None: it is none of this fragment's."""
        ...


@runtime_checkable
class TakesKeys(Protocol):
    """A fragment that can be asked for fewer rows once the keys of the other side of a join are known (semi-join reduction)."""

    @property
    def most_keys(self) -> int:
        """So many keys are worth sending; more would cost the source more than they save."""
        ...

    def with_keys(self, column: str, keys: Any) -> Fragment:  # noqa: ANN401 an Arrow array of any type
        """The same rows, without those whose ``column`` is NULL or none of ``keys``. ``keys``: distinct, no NULLs, of a type for which
        ``virtualization.planner.key_types.comparable`` holds beside the column's."""
        ...


@runtime_checkable
class BeginsEarly(Protocol):
    """A fragment that has something to find out before its first row, which may go on while the query waits for other sources."""

    def begun(self) -> Fragment:
        """The same fragment, for one query, with that under way. What goes wrong is raised by whoever reads it."""
        ...


@runtime_checkable
class ReadByEngine(Protocol):
    """A fragment that tells whether ``duckdb_sql`` gives a text without making one, for which it would ask its source."""

    @property
    def by_engine(self) -> bool:
        """Does it?"""
        ...


@runtime_checkable
class ReadInRanges(Protocol):
    """A fragment that its connector may read over several connections at once, a range of one table each."""

    def ranges(self) -> str | None:
        """How, for EXPLAIN; None: it comes as one statement over one connection."""
        ...


@dataclass(frozen=True)
class KeyFlow:
    """Fragment ``giver`` is read first; the values of its column go along in what ``taker``'s source is asked. More than ``most``
    values: the taker is asked as if there were no flow, and the giver's rows are not read twice."""

    giver: int
    giver_column: str
    taker: int
    taker_column: str
    most: int


@dataclass(frozen=True)
class FragmentRequest:
    """A sub-tree offered to a connector: a qualified, typed SELECT whose every table is in ``tables`` (alias → table)."""

    query: exp.Query
    tables: Mapping[str, VirtualTable]
    source: DataSource


@dataclass(frozen=True)
class Accepted:
    """The whole request was taken."""

    fragment: Fragment


@dataclass(frozen=True)
class Declined:
    """Nothing was taken, and why; the planner then offers a smaller sub-tree."""

    kept: tuple[Kept, ...]


@dataclass(frozen=True)
class RemoteObject:
    """Something at a source that could become a virtual table; ``location`` is what ``VirtualTable.location`` takes."""

    schema: str
    name: str
    location: str
    kind: str = "table"


@dataclass(frozen=True)
class Detected:
    """What the source knows of one object: columns (with remote names), options to keep, estimated rows.
    ``unmapped``: columns that can't be carried: (name, remote type, why). ``statistics``: of the columns of which it knows something."""

    columns: tuple[Column, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    rows: float | None = None
    unmapped: tuple[tuple[str, str, str], ...] = ()
    statistics: Mapping[str, ColumnStatistics] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)
    """By column, for people: what a guess is founded on, such as the types of the values looked at and their shares."""


@dataclass(frozen=True)
class TestedSource:
    """The answer of ``Connector.test``: the server's version and the milliseconds of one round trip."""

    version: str
    milliseconds: float


@dataclass(frozen=True)
class Scanned:
    """A scan, the conjuncts that must still be applied above it, and why."""

    fragment: Fragment
    left: tuple[exp.Expression, ...] = ()
    kept: tuple[Kept, ...] = ()


class Connector(Protocol):
    """One kind of source. Built once per (source name, version) and kept; thread-safe; ``close`` ends its connections.

    ``scan`` must always work (columns only); ``push`` takes whole sub-trees or declines with reasons: the default declines,
    so that a new connector is right on day one and fast later.
    """

    def test(self) -> TestedSource:
        """One round trip; a SourceError says what failed."""
        ...

    def objects(self, schema: str | None = None) -> Sequence[RemoteObject]:
        """What can become a virtual table (``import_schema``); for files: what lies in the folder ``schema``."""
        ...

    def detect(self, location: str, options: Mapping[str, str]) -> Detected:
        """Columns and statistics of one object."""
        ...

    def scan(self, table: VirtualTable, columns: Sequence[str], predicates: Sequence[exp.Expression]) -> Scanned:
        """Read ``columns`` of ``table``. ``predicates`` are conjuncts over the table's own (unqualified) columns: the connector
        applies those that it can apply exactly, may use others to skip data, and hands the latter back in ``left``."""
        ...

    def push(self, request: FragmentRequest) -> Accepted | Declined:
        """Take a whole sub-tree: filters, joins, aggregates, order and limit as one remote statement."""
        ...

    def close(self) -> None:
        """End connections; running fragments finish first."""
        ...


@dataclass(frozen=True)
class Plan:
    """See the module's docstring. ``kept`` explains everything that is not inside a fragment."""

    sql: str
    fragments: tuple[Fragment, ...]
    residual: exp.Query | None
    executor: str | None
    columns: tuple[OutputColumn, ...] | None
    """None: only known when the executor has described the residual."""
    kept: tuple[Kept, ...] = ()
    names: tuple[str, ...] | None = None
    """The output names as PostgreSQL gives them, duplicates included; inside the plan they are made unique. The engine puts them back."""
    refusals: tuple[tuple[str, Kept], ...] = ()
    """(executor, why it can't give PostgreSQL's exact answer), in the order in which they were asked."""
    flows: tuple[KeyFlow, ...] = ()
    """In the order in which they are carried out, before the residual runs. Without them the answer is the same."""
    estimates: tuple[float, ...] = ()
    """Rows expected of each fragment, from what is known of its tables."""
    decisions: tuple[str, ...] = ()
    """What was decided by cost, with the numbers: sentences for EXPLAIN."""


class Result(Protocol):
    """A running query. ``columns`` are known before the first batch."""

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """Names and types, in order."""
        ...

    def __iter__(self) -> Iterator[pa.RecordBatch]: ...

    def close(self) -> None:
        """Harmless when repeated."""
        ...


class Executor(Protocol):
    """Runs residual SQL over fragments."""

    name: str

    def refuses(self, residual: exp.Query, fragments: Sequence[Fragment]) -> Kept | None:
        """Why this executor can't give PostgreSQL's exact answer, or None."""
        ...

    def describe(self, residual: exp.Query, fragments: Sequence[Fragment]) -> tuple[OutputColumn, ...]:
        """Names and PostgreSQL types of the result; no fragment is opened."""
        ...

    def run(self, residual: exp.Query, fragments: Sequence[Fragment], context: QueryContext) -> Result:
        """Start; streams."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...
