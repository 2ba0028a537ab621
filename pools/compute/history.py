"""The queries of this replica that are over: what each asked, gave, moved from its sources, and could have left there.

``note`` costs a query nothing but a place in a list; what is known of it is put together by whoever asks for the history, or by ``run``,
every few seconds, and only for queries that are still among the last ``size``: a pool that answers thousands per second pays for a few.
They are kept in memory and in a file (one JSON object per line) that the next start reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import os
import pathlib
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

import structlog

from pools.compute.queries import Query
from virtualization.metering import avoidable
from virtualization.plan import Counts, Fragment

log = structlog.get_logger()

SQL_CHARACTERS = 10_000
"""Of a longer text the beginning is kept."""

SETTLE_SECONDS = 5.0
"""So long what is known of a query may be in memory alone; a stop in good order writes it down."""

Entry = Mapping[str, Any]


class History:
    """``size``: queries that are kept, 0: none; ``file``: None: in memory only. ``note`` on the event loop, the rest on any thread."""

    def __init__(self, size: int = 0, file: pathlib.Path | None = None) -> None:
        self._size = size
        self._file = file
        self._over: deque[Query] = deque(maxlen=size)
        self._entries: deque[Entry] = deque(maxlen=size)
        self._lines = 0
        self._lock = threading.Lock()
        if size and file is not None:
            self._read(file)

    def note(self, query: Query) -> None:
        """It is over."""
        if self._size and query.recorded:
            self._over.append(query)

    def entries(self) -> list[Entry]:
        """The oldest first."""
        self.settle()
        with self._lock:
            return list(self._entries)

    def settle(self) -> None:
        """Put together what is known of the queries noted since the last time, and write it down. A file that can't be written is
        said in the log: the history goes on in memory."""
        with self._lock:
            new = []
            while self._over:
                new.append(entry(self._over.popleft()))
            self._entries.extend(new)
            if new and self._file is not None:
                try:
                    self._write(self._file, new)
                except OSError as error:
                    log.warning("the history of queries is not written down", file=self._file.name, why=str(error))

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await asyncio.sleep(SETTLE_SECONDS)
                if self._over:
                    await loop.run_in_executor(None, self.settle)
        finally:
            self.settle()

    def _read(self, file: pathlib.Path) -> None:
        """What the last process wrote; a line that was cut off is left out."""
        try:
            text = file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("the history of queries can't be read", file=file.name, why=str(error))
            return
        lines = text.splitlines()
        # after a line that was cut off nothing can be appended: the file is written anew
        self._lines = len(lines) if text.endswith("\n") else 2 * self._size
        for line in lines[-self._size :]:
            with contextlib.suppress(json.JSONDecodeError):
                self._entries.append(json.loads(line))

    def _write(self, file: pathlib.Path, new: list[Entry]) -> None:
        """Append; a file with as many old lines again as are kept is written anew."""
        self._lines += len(new)
        whole = self._lines > 2 * self._size
        written = list(self._entries) if whole else new
        target = file.with_suffix(".new") if whole else file
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if whole else os.O_APPEND)
        with os.fdopen(os.open(target, flags, 0o600), "w", encoding="utf-8") as opened:
            opened.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in written)
        if whole:
            target.replace(file)
            self._lines = len(written)


def entry(query: Query) -> Entry:
    """What is known of a query that is over, as plain data: see ``docs/guide/history.md``."""
    plan = query.plan
    context = query.context
    fragments = plan.fragments if plan is not None else ()
    # a plan that never started was not counted
    moved = context.moved if len(context.moved) == len(fragments) else tuple(Counts() for _ in fragments)
    saved = avoidable(plan, moved, context.answered) if plan is not None else None
    error = query.error
    return {
        "id": str(query.id),
        "session": query.session,
        "user": query.context.user or query.origin.user,
        "database": query.origin.database,
        "started": datetime.datetime.fromtimestamp(query.began, datetime.UTC).isoformat(),
        "milliseconds": round((query.ended - query.started) * 1000, 3),
        "sql": query.sql[:SQL_CHARACTERS],
        "state": "failed" if error is not None else "left" if query.left else "done",
        "code": getattr(error, "code", "XX000") if error is not None else None,
        "message": str(getattr(error, "message", None) or error) if error is not None else None,
        "executor": plan.executor if plan is not None else None,
        "rows": query.rows,
        "bytes": context.answered.bytes,
        "fragments": [_fragment(one, counts) for one, counts in zip(fragments, moved, strict=True)],
        "rows_moved": sum(counts.rows for counts in moved),
        "bytes_moved": sum(counts.bytes for counts in moved),
        "rows_avoidable": saved.rows if saved is not None else 0,
        "bytes_avoidable": saved.bytes if saved is not None else 0,
        "reasons": list(saved.codes) if saved is not None else [],
    }


def _fragment(fragment: Fragment, counts: Counts) -> dict[str, object]:
    """Without its text, which EXPLAIN tells. What an executor reads itself is counted at its end: a query that did not get there has no
    numbers for it."""
    counted = counts.opened > 0
    return {
        "source": fragment.source,
        "tables": [".".join(key) for key in fragment.tables],
        "rows": counts.rows if counted else None,
        "bytes": counts.bytes if counted else None,
        "milliseconds": round(counts.milliseconds, 3) if counted else None,
    }
