"""What the shard knows of segments and generations: the memory of the meta tables, and what must not wait for a disk.

Order of every change: committed in DuckDB, then here, then answered. A reader begins its DuckDB transaction first and looks here second,
so that what it finds here is never older than its rows. Therefore a segment is entered (``staging``) before its first row can be
committed, and one whose rows vacuum took out stays as ``gone`` until the last reader that may still see those rows has ended.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from pools.data.errors import ShardError

State = Literal["staging", "staged", "sealed", "published", "aborted", "gone"]
TableKey = tuple[str, str]
"""(database's identity, table's id)"""

LoadKey = tuple[str, str]
"""(database's identity, load)"""

Place = tuple[str, int, int]
"""(table, partition, attempt): of a stream within its load."""

LOCK_SECONDS = 60.0


@dataclass(slots=True)
class Segment:
    """What one stream, or one change of rows, brought."""

    number: int
    db: str
    load: str
    table: str
    generation: int
    mode: str
    """``append``, ``overwrite``, ``upsert``, ``modify``"""

    partition: int
    attempt: int
    savepoint: int = 0
    state: State = "staging"
    version: int = 0
    rows: int = 0
    bytes: int = 0
    ended: int = 0
    """Rows whose ``dead`` is this segment."""

    marks: bool = False
    """May there be rows whose ``dead`` is this segment?"""

    created: float = field(default_factory=time.time)
    published: float = 0.0
    gone_at: int = 0
    """Reader number from which on nobody sees its rows any more."""

    @property
    def place(self) -> Place:
        """Within its load."""
        return self.table, self.partition, self.attempt


@dataclass(slots=True)
class Generation:
    """A physical table. ``load`` is the overwriting one; empty for the table's first generation."""

    number: int
    load: str = ""
    state: Literal["open", "sealed", "published"] = "published"
    version: int = 0
    columns: dict[str, str] = field(default_factory=dict)
    """Physical columns and their DuckDB types."""

    since: float = 0.0
    """When it was published."""


class SchemaLock:
    """Many streams, or one change of the table's columns: DuckDB fails the commit of an insert around which the table was altered."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._streams = 0
        self._altering = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """While rows are inserted."""
        with self._condition:
            self._wait(lambda: not self._altering)
            self._streams += 1
        try:
            yield
        finally:
            with self._condition:
                self._streams -= 1
                self._condition.notify_all()

    @contextmanager
    def exclusive(self, unless: Callable[[], bool]) -> Iterator[bool]:
        """While columns change; 55P03 when streams go on for too long. False: ``unless`` holds by now, somebody else has changed them, and
        whoever waits for his stream to end might wait for one that waits for us on another shard."""
        with self._condition:
            self._wait(lambda: unless() or (not self._altering and self._streams == 0))
            mine = not unless()
            self._altering = self._altering or mine
        if not mine:
            yield False
            return
        try:
            yield True
        finally:
            with self._condition:
                self._altering = False
                self._condition.notify_all()

    def _wait(self, free: Callable[[], bool]) -> None:
        if not self._condition.wait_for(free, LOCK_SECONDS):
            raise ShardError("55P03", "other loads into the table go on, so its columns can't be changed", hint="Try again later.")


class TableState:
    """A table's generations and locks on this shard."""

    def __init__(self, key: TableKey) -> None:
        self.key = key
        self.generations: dict[int, Generation] = {}
        self.segments: dict[int, Segment] = {}
        self.horizon = 0
        """The oldest snapshot that can still be answered."""

        self.order: tuple[str, ...] = ()
        """Physical columns of the key, as tickets told it last: rewriting orders rows by them."""

        self.schema = SchemaLock()
        self.making = threading.Lock()
        """Held while a generation is made."""

        self.sealing = threading.RLock()
        """Held while rows are ended or keys are checked."""


class Ledger:
    """All tables and loads of the shard. ``lock`` guards every field; it is never held during I/O."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.tables: dict[TableKey, TableState] = {}
        self.loads: dict[LoadKey, dict[int, Segment]] = defaultdict(dict)
        self._streams: dict[LoadKey, dict[Place, Segment]] = defaultdict(dict)
        self.sealed: set[LoadKey] = set()
        """Loads that have sealed or published segments."""

        self.aborted: dict[LoadKey, float] = {}
        """Loads aborted since the start: a stream that is still under way must not be staged."""

        self.rolled_back: dict[LoadKey, list[tuple[int, int]]] = defaultdict(list)
        """(savepoint, last statement) of each ROLLBACK TO since the start: what is still under way then must not be staged either."""

        self._load_locks: dict[LoadKey, threading.RLock] = {}
        self._readers: set[int] = set()
        self._next_reader = 0

    def table(self, key: TableKey) -> TableState:
        """The table's state, made when asked for the first time."""
        with self.lock:
            found = self.tables.get(key)
            if found is None:
                found = self.tables[key] = TableState(key)
            return found

    def load_lock(self, key: LoadKey) -> threading.RLock:
        """One change of a load's state at a time."""
        with self.lock:
            return self._load_locks.setdefault(key, threading.RLock())

    def enter(self, segment: Segment) -> None:
        """A new segment, before any of its rows can be seen."""
        with self.lock:
            self.table((segment.db, segment.table)).segments[segment.number] = segment
            key = (segment.db, segment.load)
            self.loads[key][segment.number] = segment
            if segment.mode != "modify":
                self._streams[key][segment.place] = segment
            if segment.state in ("sealed", "published"):
                self.sealed.add(key)

    def forget(self, segment: Segment) -> None:
        """A segment of which nothing is left, or whose rows all may see."""
        with self.lock:
            self.table((segment.db, segment.table)).segments.pop(segment.number, None)
            key = (segment.db, segment.load)
            of_load = self.loads.get(key, {})
            of_load.pop(segment.number, None)
            if self.stream(key, segment.place) is segment:
                self._streams[key].pop(segment.place)
            if not of_load:
                for known in (self.loads, self._streams, self._load_locks):
                    known.pop(key, None)
                self.sealed.discard(key)
            self.changed.notify_all()

    def stream(self, key: LoadKey, place: Place) -> Segment | None:
        """What a stream of the load brought, or is bringing."""
        with self.lock:
            return self._streams.get(key, {}).get(place)

    def of_load(self, key: LoadKey, table: str | None = None) -> list[Segment]:
        """The load's segments, of one table or all."""
        with self.lock:
            return [one for one in self.loads.get(key, {}).values() if table is None or one.table == table]

    def refuse_rolled_back(self, key: LoadKey, savepoint: int, statement: int) -> None:
        """40001 for what comes late: its transaction has gone back to a savepoint before it, and on."""
        with self.lock:
            if any(savepoint >= since and statement <= last for since, last in self.rolled_back.get(key, ())):
                raise ShardError("40001", "the statement was rolled back before it arrived", hint="Try the transaction again.")

    def generations_of(self, key: LoadKey) -> list[tuple[TableState, Generation]]:
        """The generations that the load makes by overwriting."""
        with self.lock:
            return [
                (table, generation)
                for table in self.tables.values()
                if table.key[0] == key[0]
                for generation in table.generations.values()
                if generation.load == key[1]
            ]

    def begin_read(self) -> int:
        """Before a reader's DuckDB transaction begins; give the number to ``end_read``."""
        with self.lock:
            self._next_reader += 1
            self._readers.add(self._next_reader)
            return self._next_reader

    def end_read(self, number: int) -> None:
        """After the transaction ended."""
        with self.lock:
            self._readers.discard(number)

    def mark_gone(self, segments: list[Segment]) -> None:
        """Vacuum has taken their rows out; readers that began before may still see them."""
        with self.lock:
            for segment in segments:
                segment.state, segment.gone_at = "gone", self._next_reader

    def collect_gone(self) -> None:
        """Forget what no reader may see any more."""
        with self.lock:
            oldest = min(self._readers, default=self._next_reader + 1)
            every = [segment for table in self.tables.values() for segment in table.segments.values()]
            gone = [segment for segment in every if segment.state == "gone" and segment.gone_at < oldest]
            for segment in gone:
                self.forget(segment)
