"""What a version was asked and what it answered, a JSON line for each call: for whoever watches a model drift. Where its spec says so."""

from __future__ import annotations

import asyncio
import datetime
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from pools.app.log import AppLog

LIMIT = 8 * 2**20
"""Bytes of one file; there are at most two of a version."""
LINE = 64 * 1024
WAIT_SECONDS, WAIT_BYTES = 0.5, 256 * 1024
"""Lines are written together: after so long, or when they are so many. A proxy that is killed loses these."""


class Predictions:
    """Of one version. In the event loop."""

    def __init__(self, path: pathlib.Path) -> None:
        self._log = AppLog(path, LIMIT)
        self._lines: list[bytes] = []
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, request: str, seconds: float, inputs: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """A call is over; ``answer``: ``{"outputs": …}``, or ``{"error": code}``."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        head = {"at": now, "request": request, "ms": round(seconds * 1000, 3)}
        line = json.dumps({**head, "inputs": inputs, **answer}, ensure_ascii=False, separators=(",", ":")).encode(errors="backslashreplace")
        if len(line) > LINE:
            line = json.dumps({**head, "left_out": f"{len(line)} bytes are more than {LINE}"}).encode()
        self._lines.append(line)
        self._size += len(line)
        if self._size > WAIT_BYTES:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WAIT_SECONDS, self.flush)

    def flush(self) -> None:
        """Write what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            self._log.write(b"\n".join((*self._lines, b"")))
            self._lines, self._size = [], 0

    async def tail(self, lines: int) -> list[str]:
        """The last of them, the newest last."""
        self.flush()
        return await asyncio.to_thread(self._log.tail, lines)

    def remove(self) -> None:
        """Of a version that is deleted."""
        self._lines, self._size = [], 0
        self.flush()
        self._log.remove()
