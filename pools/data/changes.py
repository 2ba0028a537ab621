"""modify: UPDATE and DELETE of a load. Rows that match end (``dead``), changed ones are added, all in a segment of the load.

``set`` and ``where`` are DuckDB's SQL over the table's column names, made by our planner; a control ticket vouches for them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from pools.data.errors import ShardError, required
from pools.data.ledger import Segment, TableState
from pools.data.question import relation
from pools.data.store import Store, pin, record, update
from pools.data.tables import TableSpec, identifier, quoted, table_of
from pools.data.visibility import Snapshot, view

PLACE, ENDED = "bdc row place", "bdc row ended"
"""Names beside the table's own."""


@dataclass(frozen=True)
class Change:
    """The message."""

    table: TableSpec
    load: str
    snapshot: Snapshot
    set: Mapping[str, str] | None
    """Column → expression; None: DELETE."""

    where: str
    savepoint: int
    statement: int | None
    """Its number in the load: sent again, it answers the same and changes nothing."""

    @classmethod
    def of(cls, db: str, body: Mapping[str, Any]) -> Change:
        """From the message."""
        load, claim, number, pending = required(dict(body), "load", "table", "snapshot", "pending")
        table = table_of(db, claim)
        for name in body.get("set") or ():
            if name not in table.by_name:
                raise ShardError("42703", f'the table has no column "{name}"')
        snapshot = Snapshot.of(number, pending, identifier(load, "load"))
        statement = body.get("statement")
        where = str(body.get("where") or "true")
        return cls(
            table, load, snapshot, body.get("set"), where, int(body.get("savepoint") or 0), None if statement is None else int(statement)
        )


class Changes:
    """Carries them out, one at a time per table."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def modify(self, db: str, body: Mapping[str, Any]) -> dict[str, int]:
        """How many rows match. 40001 when another load has ended one of them."""
        change = Change.of(db, body)
        self._store.check_disk()
        state = self._store.ledger.table((db, change.table.id))
        with self._store.ledger.load_lock((db, change.load)), state.sealing:
            done = self._done(db, change)
            if done is not None:
                return {"rows": done.ended}
            with self._store.ledger.lock:
                widened = change.set is not None and bool(state.generations)
            if widened:
                self._widen(change, state)
            with state.schema.shared():
                return {"rows": self._modify(db, change, state)}

    def _done(self, db: str, change: Change) -> Segment | None:
        key = (db, change.load)
        with self._store.ledger.lock:
            if key in self._store.ledger.aborted:
                raise ShardError("40001", "the load was aborted", hint="Begin it again.")
            if change.statement is not None:
                self._store.ledger.refuse_rolled_back(key, change.savepoint, change.statement)
            found = self._store.ledger.of_load(key, change.table.id)
        if any(one.state in ("sealed", "published") for one in found):
            raise ShardError("55000", "the load is sealed: it can change nothing any more")
        same = (one for one in found if one.mode == "modify" and one.partition == change.statement and one.state == "staged")
        return next(same, None) if change.statement is not None else None

    def _widen(self, change: Change, state: TableState) -> None:
        """New rows may need columns that the physical table does not have yet."""
        with self._store.ledger.lock:
            numbers = [(one.number, one.load) for one in state.generations.values() if one.state != "open"]
        for number, load in numbers:
            self._store.ensure_generation(change.table, number, load)

    def _modify(self, db: str, change: Change, state: TableState) -> int:
        store, ledger = self._store, self._store.ledger
        segment: Segment | None = None
        try:
            with store.transaction() as cursor:
                with ledger.lock:
                    known = {number: dict(one.columns) for number, one in state.generations.items()}
                pin(cursor)
                seen = view(ledger, state.key, change.snapshot, known)
                if seen.generation is None:
                    return 0
                _refuse_replaced(change, seen.generation)
                segment = self._segment(db, change, seen.generation)
                # first of all: in a transaction that has written, no checkpoint renumbers the rows between finding and ending them
                record(cursor, dataclasses.replace(segment, state="staged"))
                places = (f"rowid AS {quoted(PLACE)}", f"dead AS {quoted(ENDED)}")
                segment.ended = self._find(cursor, change, relation(change.table, seen, known[seen.generation], *places))
                if segment.ended:
                    self._refuse_conflicts(cursor, state)
                    self._carry_out(cursor, change, change.table.physical(seen.generation), segment)
                update(cursor, [segment.number], rows=segment.rows, ended=segment.ended)
        except BaseException:
            if segment is not None:
                ledger.forget(segment)
            raise
        with ledger.lock:
            segment.state = "staged"
            ledger.changed.notify_all()
        return segment.ended

    def _segment(self, db: str, change: Change, generation: int) -> Segment:
        number = self._store.next_segment()
        partition = -number if change.statement is None else change.statement
        segment = Segment(
            number, db, change.load, change.table.id, generation, "modify", partition, int(_moves_keys(change)), change.savepoint
        )
        segment.marks = True  # before the first row can be seen with it
        self._store.ledger.enter(segment)
        return segment

    def _find(self, cursor: duckdb.DuckDBPyConnection, change: Change, visible: str) -> int:
        """The rows that match, and what becomes of them, into the session's table ``changed``; how many."""
        new = "" if change.set is None else "".join(f", {_new(change, name)} AS new{n}" for n, name in enumerate(change.table.by_name))
        cursor.execute(
            f"CREATE OR REPLACE TEMP TABLE changed AS SELECT {quoted(PLACE)} AS place, {quoted(ENDED)} AS ended{new} "
            f"FROM ({visible}) WHERE {change.where}"
        )
        row = cursor.execute("SELECT count(*) FROM changed").fetchone()
        assert row is not None
        return int(row[0])

    def _refuse_conflicts(self, cursor: duckdb.DuckDBPyConnection, state: TableState) -> None:
        ended = {row[0] for row in cursor.execute("SELECT DISTINCT ended FROM changed WHERE ended <> 0").fetchall()}
        with self._store.ledger.lock:
            given_up = {one.number for one in state.segments.values() if one.state in ("aborted", "gone")}
        if ended - given_up:
            raise ShardError("40001", "could not serialize access: another load changed the same rows", hint="Try the transaction again.")

    def _carry_out(self, cursor: duckdb.DuckDBPyConnection, change: Change, physical: str, segment: Segment) -> None:
        if change.set is not None:
            self._check_nulls(cursor, change)
            columns = ", ".join((*(column.physical for column in change.table.columns), "seg", "dead"))
            values = ", ".join((*(f"new{n}" for n in range(len(change.table.columns))), str(segment.number), "0"))
            cursor.execute(f"INSERT INTO {physical} ({columns}) SELECT {values} FROM changed")
            segment.rows = segment.ended
        cursor.execute(f"UPDATE {physical} SET dead = {segment.number} WHERE rowid IN (SELECT place FROM changed)")

    def _check_nulls(self, cursor: duckdb.DuckDBPyConnection, change: Change) -> None:
        assert change.set is not None
        for n, column in enumerate(change.table.columns):
            if column.name in change.set and not column.nullable:
                row = cursor.execute(f"SELECT 1 FROM changed WHERE new{n} IS NULL LIMIT 1").fetchone()
                if row is not None:
                    raise ShardError("23502", f'null value in column "{column.name}" violates not-null constraint')


def _refuse_replaced(change: Change, seen: int) -> None:
    """The load writes into the generation that was the current one when it took the table up. A snapshot from before it sees an older one,
    whose rows are not the table's any more: a change of them would be lost."""
    if change.table.generation not in (None, seen):
        message = "could not serialize access: the rows of the table were replaced since this transaction began"
        raise ShardError("40001", message, hint="Try the transaction again.")


def _moves_keys(change: Change) -> bool:
    """Kept as the segment's ``attempt``: the seal of a load that moves no keys has none to check."""
    return any(name in change.table.key for name in change.set or ())


def _new(change: Change, name: str) -> str:
    assert change.set is not None
    column = change.table.by_name[name]
    return f"CAST({change.set[name]} AS {column.duckdb})" if name in change.set else quoted(name)
