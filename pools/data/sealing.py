"""seal, publish, abort: the states of a load on this shard. Each can be asked for again and answers the same."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import duckdb

from pools.data import keys
from pools.data.errors import ShardError, required
from pools.data.keys import Sealing
from pools.data.ledger import Generation, Ledger, LoadKey, Place, Segment, TableState
from pools.data.store import Store, update
from pools.data.tables import identifier, table_of

Winners = Iterable[tuple[int, int, int]]
"""(partition, attempt, rows)"""


@dataclass(frozen=True)
class _Part:
    """One table of the load: what becomes sealed, and how."""

    sealing: Sealing
    mode: str
    state: TableState


class Loads:
    """The states of loads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def seal(self, db: str, body: Mapping[str, Any]) -> dict[str, int]:
        """Winners → sealed, the load's others → aborted, keys checked: all in one transaction, or nothing of it."""
        load, tables = required(dict(body), "load", "tables")
        key = (db, identifier(load, "load"))
        check_key = bool(body.get("check_key", True))
        self.publish(db, body.get("pending") or ())
        with self._store.ledger.load_lock(key), ExitStack() as locks:
            if key in self._store.ledger.aborted:
                raise ShardError("40001", "the load was aborted", hint="Begin it again.")
            parts = sorted((self._part(key, table) for table in tables), key=lambda part: part.state.key)
            if not self._sealed(key, parts):
                for part in parts:
                    locks.enter_context(part.state.sealing)
                self._seal(key, parts, check_key)
        winners = [one for part in parts for one in part.sealing.winners]
        return {"rows": sum(one.rows for one in winners), "dead": sum(one.ended for one in winners), "mark": self._store.mark}

    def _part(self, key: LoadKey, claim: Mapping[str, Any]) -> _Part:
        mode, given = required(dict(claim), "mode", "winners")
        table = table_of(key[0], claim)
        if table.generation is None:
            raise ShardError("08P01", "seal names the table's generation")
        ledger = self._store.ledger
        winners = [_winner(ledger, key, (table.id, int(partition), int(attempt)), int(rows)) for partition, attempt, rows in given]
        if len({one.partition for one in winners}) != len(winners):
            raise ShardError("08P01", "a partition has two winners")
        changes = [one for one in ledger.of_load(key, table.id) if one.mode == "modify" and one.state in ("staged", "sealed", "published")]
        sealing = Sealing(table, table.generation, key[1], tuple({one.number: one for one in (*winners, *changes)}.values()))
        return _Part(sealing, mode, self._store.ledger.table((table.db, table.id)))

    def _sealed(self, key: LoadKey, parts: list[_Part]) -> bool:
        """Is it sealed already, with these winners? 55000 when with others."""
        ledger = self._store.ledger
        sealed = {one.number for one in ledger.of_load(key) if one.state in ("sealed", "published")}
        empty = [one for _, one in ledger.generations_of(key) if one.state != "open"]
        named = {one.number for part in parts for one in part.sealing.winners}
        if not sealed and not empty:
            return False
        if sealed != named:
            raise ShardError("55000", "the load is sealed with other winners")
        return True

    def _seal(self, key: LoadKey, parts: list[_Part], check_key: bool) -> None:
        store = self._store
        winners = [one for part in parts for one in part.sealing.winners]
        ended = dict.fromkeys((one.number for one in winners), 0)
        losers = [one for one in store.ledger.of_load(key) if one.number not in ended and one.state == "staged"]
        made = [self._generation(key, part) for part in parts if part.mode in ("overwrite", "truncate")]
        with store.marked() as cursor:
            # first of all: in a transaction that has written, no checkpoint renumbers the rows that an upsert finds and then ends
            update(cursor, [one.number for one in winners], state="sealed")
            update(cursor, [one.number for one in losers], state="aborted")
            for part in parts:
                _keys(cursor, store, part, check_key, ended)
            for number, count in ended.items():
                if count:
                    update(cursor, [number], ended=count, marks=True)
            for state, generation in made:
                _set_generation(cursor, state, generation, "sealed", 0, 0.0)
        with store.ledger.lock:
            store.ledger.sealed |= {key} if winners else set()
            for one in winners:
                one.state, one.ended = "sealed", one.ended + ended[one.number]
            for one in losers:
                one.state = "aborted"
            for _, generation in made:
                generation.state = "sealed"

    def _generation(self, key: LoadKey, part: _Part) -> tuple[TableState, Generation]:
        """The one that an overwriting load makes: a shard that got no rows has none yet."""
        return part.state, self._store.ensure_generation(part.sealing.table, part.sealing.generation, key[1])

    def publish(self, db: str, loads: Iterable[Iterable[Any]]) -> dict[str, int]:
        """Sealed → published. What is published or forgotten already, or was never here, is left as it is."""
        published = sum(self._publish((db, identifier(load, "load")), int(version)) for load, version, *_ in loads)
        return {"published": published, "mark": self._store.mark}

    def _publish(self, key: LoadKey, version: int) -> bool:
        store, now = self._store, time.time()
        with store.ledger.load_lock(key):
            segments = store.ledger.of_load(key)
            sealed = [one for one in segments if one.state == "sealed"]
            made = [(state, one) for state, one in store.ledger.generations_of(key) if one.state == "sealed"]
            # staged: attempts that the commit did not name, in a shard that it did not name either
            staged = [one for one in segments if one.state == "staged"]
            if not sealed and not made and not staged:
                return False
            with store.marked() as cursor:
                update(cursor, [one.number for one in staged], state="aborted")
                update(cursor, [one.number for one in sealed], state="published", version=version, published=now)
                for state, generation in made:
                    _set_generation(cursor, state, generation, "published", version, now)
            with store.ledger.lock:
                for one in staged:
                    one.state = "aborted"
                for one in sealed:
                    one.state, one.version, one.published = "published", version, now
                for _, generation in made:
                    generation.state, generation.version, generation.since = "published", version, now
                store.ledger.rolled_back.pop(key, None)
        return bool(sealed or made)

    def abort(self, db: str, body: Mapping[str, Any]) -> dict[str, int]:
        """Staged and sealed → aborted; with ``savepoint`` only what was staged since, or is yet to come of what was sent up to
        ``statement``. 55000 for a load that is published."""
        (load,) = required(dict(body), "load")
        key, since = (db, identifier(load, "load")), body.get("savepoint")
        store = self._store
        with store.ledger.lock:
            if since is None:
                store.ledger.aborted[key] = time.time()
                store.ledger.rolled_back.pop(key, None)
            else:
                store.ledger.rolled_back[key].append((int(since), int(body.get("statement", -1))))
        with store.ledger.load_lock(key):
            segments = store.ledger.of_load(key)
            if any(one.state == "published" for one in segments):
                raise ShardError("55000", "the load is published: it can't be aborted any more")
            given_up = [one for one in segments if one.state in ("staged", "sealed") and one.savepoint >= int(since or 0)]
            made = store.ledger.generations_of(key) if since is None else []
            with store.transaction() as cursor:
                update(cursor, [one.number for one in given_up], state="aborted")
                for state, generation in made:
                    _set_generation(cursor, state, generation, "open", 0, 0.0)
            with store.ledger.lock:
                for one in given_up:
                    one.state = "aborted"
                if not any(one.state == "sealed" for one in segments):
                    store.ledger.sealed.discard(key)
                for _, generation in made:
                    generation.state = "open"
        return {"segments": len(given_up)}


def _winner(ledger: Ledger, key: LoadKey, place: Place, rows: int) -> Segment:
    one, (_, partition, attempt) = ledger.stream(key, place), place
    if one is None or one.state not in ("staged", "sealed", "published"):
        raise ShardError("55000", f"partition {partition} attempt {attempt} is not staged in this shard", hint="Write the partition again.")
    if one.rows != rows:
        raise ShardError("55000", f"partition {partition} attempt {attempt} has {one.rows} rows here, the commit says {rows}")
    return one


def _keys(cursor: duckdb.DuckDBPyConnection, store: Store, part: _Part, check_key: bool, ended: dict[int, int]) -> None:
    sealing = part.sealing
    if not sealing.table.key or not sealing.winners or not any(one.rows for one in sealing.winners):
        return
    if part.mode == "upsert":
        sealing.winners[0].marks = True  # before the first row can be seen with it
        ended[sealing.winners[0].number] += keys.replace(cursor, store.ledger, sealing)
    elif check_key and not all(one.mode == "modify" and one.attempt == 0 for one in sealing.winners):
        keys.check(cursor, store.ledger, sealing)


def _set_generation(
    cursor: duckdb.DuckDBPyConnection, state: TableState, generation: Generation, named: str, version: int, since: float
) -> None:
    cursor.execute(
        "UPDATE meta.generations SET state = ?, version = ?, since = ? WHERE db = ? AND table_id = ? AND generation = ?",
        [named, version, since, *state.key, generation.number],
    )
