"""Backup, restore, resize and export: asked for at the master, carried out by the compute pool, followed here until they end.

The pool goes on without the client: Ctrl-C stops the watching, not the work. What the client watches is the operation's row in the master.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from azdata_like_cli import output
from azdata_like_cli.progress import size, watched
from azdata_like_cli.sqlsession import call, records
from azdata_like_cli.text import harmless
from bdc.errors import BdcError, ConflictError, ForbiddenError, NotFoundError, ServiceError, UserError
from bdc.paths import is_remote

if TYPE_CHECKING:
    import psycopg

LOOK_SECONDS = 0.3
PLAIN_SECONDS = 10.0
"""Between two lines where nobody watches."""

WAKE_SECONDS = 60.0
"""An operation that nobody has taken for so long is told about."""

LOOK = "SELECT state, progress, problem, attempts FROM bdc.data_operations_view WHERE id = %s::uuid"
_KINDS: Mapping[str, type[BdcError]] = {
    "42501": ForbiddenError,
    "42P01": NotFoundError,
    "42P07": ConflictError,
    "58P02": ConflictError,
    "58030": UserError,
    "55000": UserError,
    "22023": UserError,
    "42804": UserError,
    "57014": UserError,
}


def carried_out(connection: psycopg.Connection[Any], kind: str, request: Mapping[str, object]) -> dict[str, Any]:
    """Begin it and wait for its end; its result. The error of one that failed."""
    operation = str(uuid.uuid4())
    call(connection, "bdc.start_data_operation", operation, kind, json.dumps(request))
    shown = Shown(kind)
    try:
        while True:
            (found,) = records(connection, LOOK, operation)
            if found["state"] in ("done", "failed"):
                break
            shown(found)
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        output.message(f"\nThe {kind} goes on. How far it is: bdc data operations. Ending it: bdc data cancel {operation}")
        raise
    finally:
        shown.close()
    if found["state"] == "failed":
        raise problem(found["problem"])
    progress = found["progress"]
    assert isinstance(progress, dict)
    return {"operation": operation, **progress}


def problem(said: object) -> BdcError:
    """What the pool said of a failed one."""
    told = said if isinstance(said, dict) else {"message": "it failed, and nobody told why"}
    kind = _KINDS.get(str(told.get("sqlstate")), ServiceError)
    return kind(str(told["message"]), why=told.get("detail"), hint=told.get("hint"))


def hdfs_path(place: str) -> str:
    """Of an argument; UserError for a place on this machine."""
    if not is_remote(place):
        raise UserError(
            f"{place} is no path of HDFS", hint=f"write hdfs:/{place.strip('/') or 'backups/today'}: the pool writes it, not this machine"
        )
    return place


class Shown:
    """Progress on standard error: one line that is redrawn, or one now and then where nobody watches."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._live = watched()
        self._began = self._said = time.monotonic()

    def __call__(self, found: Mapping[str, Any]) -> None:
        """``found``: the operation's row."""
        now = time.monotonic()
        if self._live:
            sys.stderr.write(f"\r\x1b[K{harmless(self._line(found))[:150]}")
            sys.stderr.flush()
        elif now - self._said >= PLAIN_SECONDS:
            self._said = now
            output.message(self._line(found))

    def _line(self, found: Mapping[str, Any]) -> str:
        progress = found["progress"] or {}
        if found["state"] == "waiting":
            late = time.monotonic() - self._began > WAKE_SECONDS
            return f"{self._kind}: waits for the compute pool" + (": another operation is under way, or the pool is down" if late else "")
        if "waiting" in progress:
            return f"{self._kind}: tries again: {progress['waiting']}"
        parts = [f"{progress['done']} of {progress['tables']} tables"] if "done" in progress else []
        parts += [f"{progress.get('rows', 0):,} rows"]
        parts += [size(progress["bytes"])] if progress.get("bytes") else []
        parts += [str(progress["now"])] if "now" in progress else []
        return f"{self._kind}: {', '.join(parts)}"

    def close(self) -> None:
        """Clear the line."""
        if self._live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
