"""Tells the audit trail of a service on this machine: over an abstract Unix socket as for its metrics, to the same (root, the service's own
user, the controller), from a thread of its own. No login is needed, and none could be read or forged on the way.

    GET /audit?user=…&since=…&action=…&outcome=…&session=…&limit=…   {"entries", "lost", "problem"}
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable

from pools.audit_often import Often
from pools.audit_reading import Wanted, answer_of
from pools.metrics_listener import Listener, answered

PATH = b"GET /audit"
ANSWER_SECONDS = 30.0
"""In which the answer must be taken."""
TELL_SECONDS = 2.0


class AuditListener(Listener):
    """``loop``: of ``often``. One whose loop hangs still tells what is written."""

    what = "audit"

    def __init__(self, folder: str, often: Often, loop: asyncio.AbstractEventLoop, complain: Callable[[str], None]) -> None:
        self._often = often
        self._loop = loop
        super().__init__(folder, bytes, complain)

    @classmethod
    def begin(cls, where: str, often: Often, loop: asyncio.AbstractEventLoop, complain: Callable[[str], None]) -> AuditListener | None:
        """None where the service is not asked on its own machine, or can't be: it serves all the same."""
        if not where.startswith("/"):
            return None
        try:
            return cls(where, often, loop, lambda why: complain(f"the audit trail could not be read: {why}"))
        except OSError as error:
            complain(f"the audit trail can't be told at {where}: {error}")
            return None

    def reply(self, connection: socket.socket, request: bytes) -> None:
        """Entries, the newest first."""
        path, _, query = request.split(b"\r\n", 1)[0].removesuffix(b" HTTP/1.1").partition(b"?")
        if path != PATH:
            connection.sendall(answered("404 Not Found", b""))
            return
        try:
            wanted = Wanted.of_query(query.decode("latin-1"))
        except ValueError:
            connection.sendall(answered("400 Bad Request", b""))
            return
        body = json.dumps(self._told(wanted)).encode()
        connection.settimeout(ANSWER_SECONDS)
        connection.sendall(answered("200 OK", body, "application/json"))

    def _told(self, wanted: Wanted) -> dict[str, object]:
        told = threading.Event()
        with contextlib.suppress(RuntimeError):  # it has just ended
            self._loop.call_soon_threadsafe(self._often.tell)
            self._loop.call_soon_threadsafe(told.set)
            told.wait(TELL_SECONDS)
        return answer_of(self._often.trail, wanted)
