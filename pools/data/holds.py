"""Snapshots that somebody reads for longer than the retention, such as a backup: compaction and drops leave them alone.

A hold is in memory and ends by itself: whoever needs it for long renews it. With the shard's process it is gone; then a read may find its
snapshot too old (72000), which the reader's next try, with a new snapshot, puts right.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from pools.data.errors import ShardError, required

MOST_SECONDS = 3600.0
"""For so long at most, until it is renewed."""


class Holds:
    """Of one shard. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[tuple[str, str], tuple[int, float]] = {}

    def hold(self, db: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """The action ``hold``: ``{"hold": id, "snapshot", "seconds"}``; 0 seconds end it."""
        name, snapshot, seconds = required(dict(body), "hold", "snapshot", "seconds")
        key = (db, str(name))
        with self._lock:
            self._held.pop(key, None)
            if float(seconds) > 0:
                self._held[key] = (int(snapshot), time.monotonic() + min(float(seconds), MOST_SECONDS))
        return {}

    def lowest(self, db: str) -> int | None:
        """The oldest snapshot held of a database; None: none is."""
        now = time.monotonic()
        with self._lock:
            self._held = {key: held for key, held in self._held.items() if held[1] > now}
            return min((snapshot for (of, _), (snapshot, _) in self._held.items() if of == db), default=None)

    def refuse_drop(self, db: str) -> None:
        """55006 while anything of the database is held: rows of a dropped table may be part of it."""
        if self.lowest(db) is not None:
            raise ShardError("55006", "a backup reads this database", hint="The table's rows are dropped when it has ended.")
