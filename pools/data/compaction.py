"""What becomes of segments that need no memory any more, without stopping readers or streams.

vacuum      rows of aborted segments go, what those had ended is alive again
folding     published segments older than the retention become base; rows that they ended go; the table's horizon moves
generations those that no snapshot may ask for are dropped, and those whose overwriting load was aborted
rewriting   (``full``) base rows are written anew in the order of the key, so that zone maps find them

Each is one DuckDB transaction per table. Only seal and modify of the same table wait (the ``sealing`` lock), because both end rows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb
import structlog

from pools.data.errors import ShardError
from pools.data.ledger import Generation, Segment, TableState
from pools.data.metrics import Meters
from pools.data.store import Store, delete, pin, set_horizon
from pools.data.tables import physical_table

log = structlog.get_logger()


@dataclass
class Done:
    """What a round did."""

    rows_removed: int = 0
    segments_folded: int = 0


class Compaction:
    """One round at a time."""

    def __init__(self, store: Store, meters: Meters) -> None:
        self._store = store
        self._meters = meters
        self._running = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """A round every ``compaction_seconds`` until ``stop`` is set; what fails is tried again in the next one."""
        while not stop.wait(self._store.limits.compaction_seconds):
            began = time.monotonic()
            try:
                done = self.round()
            except (duckdb.Error, ShardError) as error:
                log.warning("compaction failed", why=str(error).splitlines()[0])
                self._meters.compacted(None, time.monotonic() - began)
                continue
            if done.rows_removed or done.segments_folded:
                log.info("compacted", rows_removed=done.rows_removed, segments_folded=done.segments_folded)

    def round(self, db: str | None = None, table: str | None = None, full: bool = False) -> Done:
        """All tables, or those of a database, or one."""
        done, began = Done(), time.monotonic()
        with self._running:
            self._store.ledger.collect_gone()
            with self._store.ledger.lock:
                states = [one for one in self._store.ledger.tables.values() if db in (None, one.key[0]) and table in (None, one.key[1])]
            for state in states:
                self._compact(state, done)
                if full:
                    self._rewrite(state)
            if full or done.rows_removed or done.segments_folded:
                self._checkpoint()
        self._meters.compacted(done, time.monotonic() - began)
        return done

    def drop(self, db: str, table: str) -> None:
        """The table with all it has; nothing to do for one that is not here."""
        ledger = self._store.ledger
        with ledger.lock:
            state = ledger.tables.get((db, table))
        if state is None:
            return
        with state.sealing, self._store.transaction() as cursor:
            for number in list(state.generations):
                cursor.execute(f"DROP TABLE IF EXISTS {physical_table(db, table, number)}")
            for meta in ("segments", "generations", "horizons"):
                cursor.execute(f"DELETE FROM meta.{meta} WHERE db = ? AND table_id = ?", [db, table])
        with ledger.lock:
            for segment in list(state.segments.values()):
                ledger.forget(segment)
            ledger.tables.pop((db, table), None)

    def _compact(self, state: TableState, done: Done) -> None:
        with self._store.ledger.lock:
            idle = not state.segments and len(state.generations) <= 1
        if idle:
            return
        with state.sealing:
            self._vacuum(state, done)
            self._fold(state, done)
        self._drop_generations(state)

    def _vacuum(self, state: TableState, done: Done) -> None:
        with self._store.ledger.lock:
            aborted = [one for one in state.segments.values() if one.state == "aborted"]
        if not aborted:
            return
        with self._store.transaction() as cursor:
            for physical, segments in self._by_generation(state, aborted):
                done.rows_removed += _count(cursor, f"DELETE FROM {physical} WHERE seg IN ({_numbers(segments)})")
                marks = [one for one in segments if one.marks]
                if marks:
                    cursor.execute(f"UPDATE {physical} SET dead = 0 WHERE dead IN ({_numbers(marks)})")
            delete(cursor, [one.number for one in aborted])
        self._store.ledger.mark_gone(aborted)

    def _fold(self, state: TableState, done: Done) -> None:
        ledger, before = self._store.ledger, time.time() - self._store.limits.retention_seconds
        held = self._store.holds.lowest(state.key[0])
        with ledger.lock:
            old = [one for one in state.segments.values() if one.state == "published" and one.published <= before]
            old = old if held is None else [one for one in old if one.version <= held]
            if not old:
                return
            # first of all: a reader that begins after the commit must not ask for what is gone then
            state.horizon = max(state.horizon, *(one.version for one in old))
        with self._store.transaction() as cursor:
            for physical, segments in self._by_generation(state, old):
                marks = [one for one in segments if one.marks]
                if marks:
                    done.rows_removed += _count(cursor, f"DELETE FROM {physical} WHERE dead IN ({_numbers(marks)})")
            delete(cursor, [one.number for one in old])
            set_horizon(cursor, state.key, state.horizon)
        for one in old:
            ledger.forget(one)
        done.segments_folded += len(old)

    def _by_generation(self, state: TableState, segments: list[Segment]) -> Iterable[tuple[str, list[Segment]]]:
        with self._store.ledger.lock:
            present = set(state.generations)
        for number in sorted({one.generation for one in segments} & present):
            yield physical_table(*state.key, number), [one for one in segments if one.generation == number]

    def _drop_generations(self, state: TableState) -> None:
        ledger, before = self._store.ledger, time.time() - self._store.limits.retention_seconds
        held = self._store.holds.lowest(state.key[0])
        with ledger.lock:
            published = [one for one in state.generations.values() if one.state == "published"]
            current = max(published, key=lambda one: (one.version, one.number), default=None)
            keep = current is None or current.since > before or (held is not None and current.version > held)
            old = [] if keep else [one for one in published if one is not current]
            if old and current is not None:
                state.horizon = max(state.horizon, current.version)
            undecided = [one for one in state.generations.values() if one.state == "open"]
        for one in old:
            self._drop_generation(state, one)
        for one in undecided:
            key = (state.key[0], one.load)
            with ledger.load_lock(key):
                alive = [segment for segment in ledger.of_load(key) if segment.state not in ("aborted", "gone")]
                if not alive and one.state == "open":
                    self._drop_generation(state, one)

    def _drop_generation(self, state: TableState, generation: Generation) -> None:
        ledger = self._store.ledger
        where = [*state.key, generation.number]
        with self._store.transaction() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {physical_table(*state.key, generation.number)}")
            for meta in ("segments", "generations"):
                cursor.execute(f"DELETE FROM meta.{meta} WHERE db = ? AND table_id = ? AND generation = ?", where)
            set_horizon(cursor, state.key, state.horizon)
        with ledger.lock:
            state.generations.pop(generation.number, None)
            for segment in [one for one in state.segments.values() if one.generation == generation.number]:
                ledger.forget(segment)

    def _rewrite(self, state: TableState) -> None:
        store = self._store
        number = store.next_segment()
        with state.sealing, state.schema.shared():
            store.check_disk(store.file_bytes())
            with store.transaction() as cursor:
                pin(cursor)  # first of all: a segment that comes later is not among its rows
                with store.ledger.lock:
                    published = [one for one in state.generations.values() if one.state == "published"]
                    current = max(published, key=lambda one: (one.version, one.number), default=None)
                    known = ", ".join(str(one) for one in (*state.segments, number))
                    order = [name for name in state.order if current is not None and name in current.columns]
                if current is None or not current.columns:
                    return
                physical, columns = physical_table(*state.key, current.number), ", ".join(current.columns)
                base = f"seg NOT IN ({known}) AND dead = 0"
                cursor.execute(
                    f"INSERT INTO {physical} ({columns}, seg, dead) SELECT {columns}, {number}, 0 FROM {physical} WHERE {base} "
                    f"ORDER BY {', '.join(order) or next(iter(current.columns))}"
                )
                cursor.execute(f"DELETE FROM {physical} WHERE {base}")

    def _checkpoint(self) -> None:
        """Give the space of removed rows back; with a stream under way the next round does."""
        with self._store.cursor() as cursor:
            try:
                cursor.execute("CHECKPOINT")
            except duckdb.TransactionException as error:
                log.info("no checkpoint while loads go on", why=str(error).splitlines()[0])


def _numbers(segments: Iterable[Segment]) -> str:
    return ", ".join(str(one.number) for one in segments)


def _count(cursor: duckdb.DuckDBPyConnection, statement: str) -> int:
    row = cursor.execute(statement).fetchone()
    return int(row[0]) if row else 0
