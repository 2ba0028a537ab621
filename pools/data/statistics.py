"""What a shard tells about itself: hello, its tables, the segments that wait for a decision."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import Any

from pools.data.store import Store, pin
from pools.data.tables import physical_table
from pools.data.visibility import View, published

PROTOCOL = 1
"""Version of the calls of docs/architecture/load-protocol.md."""


def hello(store: Store, number: int, db: str | None = None) -> dict[str, Any]:
    """Who the shard is, its space, and how far it has come with the loads of a database."""
    return ({} if db is None else {"newest": _newest(store, db)}) | {
        "shard": store.shard,
        "number": number,
        "version": PROTOCOL,
        "free_bytes": store.free_bytes(),
        "rows_bytes": store.file_bytes(),
    }


def segments(store: Store, db: str, older_than: float) -> Iterator[dict[str, Any]]:
    """What is neither published nor given up, so that the sweep can find its load's state."""
    now = time.time()
    with store.ledger.lock:
        waiting = [
            one
            for table in store.ledger.tables.values()
            if table.key[0] == db
            for one in table.segments.values()
            if one.state in ("staged", "sealed") and now - one.created >= older_than
        ]
        loads = {one.load for one in waiting}
        empty = [
            (table.key, one)
            for table in store.ledger.tables.values()
            if table.key[0] == db
            for one in table.generations.values()
            if one.state == "sealed" and one.load not in loads
        ]
    for one in waiting:
        own = {"db": db, "load": one.load, "table": one.table, "state": one.state, "rows": one.rows, "bytes": one.bytes}
        yield own | {"age_seconds": now - one.created}
    for (_, table), generation in empty:  # an overwriting load that brought no rows here
        yield {"db": db, "load": generation.load, "table": table, "state": "sealed", "rows": 0, "bytes": 0, "age_seconds": older_than}


def tables(store: Store, db: str) -> Iterator[dict[str, Any]]:
    """Those of the database that have anything here."""
    with store.ledger.lock:
        known = [key for key in store.ledger.tables if key[0] == db]
    yield from ({"table": table} for _, table in known)


def _newest(store: Store, db: str) -> int:
    """The highest version of a load of the database that is published here, as far as anything of it is left; 0: there is none."""
    with store.ledger.lock:
        of = [table for table in store.ledger.tables.values() if table.key[0] == db]
        segments = (one.version for table in of for one in table.segments.values())
        generations = (one.version for table in of for one in table.generations.values())
        return max((0, *segments, *generations, *(table.horizon for table in of)))


def stats(store: Store, db: str, wanted: Collection[str] | None) -> Iterator[dict[str, Any]]:
    """Of each physical table: ``rows`` that are published, ``dead`` ones that compaction will take out, neither for what is undecided;
    ``bytes``: of its blocks in the file, for a table that has none yet those that its streams brought."""
    with store.cursor() as cursor:
        cursor.execute("BEGIN TRANSACTION")
        pin(cursor)  # first of all: rows that come later are of segments that are not known here
        with store.ledger.lock:
            listed = [
                (table.key[1], number, [one for one in table.segments.values() if one.generation == number])
                for table in store.ledger.tables.values()
                if table.key[0] == db and (wanted is None or table.key[1] in wanted)
                for number in table.generations
            ]
        size = cursor.execute("SELECT block_size FROM pragma_database_size() WHERE database_name = current_database()").fetchone()
        block = int(size[0]) if size else 0
        for table, generation, segments in listed:
            name = physical_table(db, table, generation)
            undecided = View(generation, tuple(one.number for one in segments if one.state in ("staging", "staged", "sealed")))
            there = published(generation, segments).condition
            found = cursor.execute(
                f"SELECT count(*) FILTER ({there}), count(*) FILTER (NOT ({there}) AND {undecided.made}) FROM {name}"
            ).fetchone()
            blocks = cursor.execute(f"SELECT count(DISTINCT block_id) FROM pragma_storage_info('{name}') WHERE persistent").fetchone()
            assert found is not None
            assert blocks is not None
            size_bytes = blocks[0] * block or sum(one.bytes for one in segments if one.state == "published")
            own = {"db": db, "table": table, "generation": generation, "rows": found[0], "dead": found[1]}
            yield own | {"segments": len(segments), "bytes": size_bytes}
