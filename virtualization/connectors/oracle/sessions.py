"""Sessions at one Oracle: opened on need, kept for the next statement, never more than the source's option says.

A session is never checked by a round trip of its own: a statement that finds a reused session broken is started again on a new one (it has
not given a row yet). A session whose statement was interrupted is closed: a late break must never hit the next user's statement.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import oracledb

from virtualization.connectors.oracle.faults import connect_fault
from virtualization.connectors.oracle.options import SESSION, Settings
from virtualization.errors import CancelledError, SourceTimeoutError
from virtualization.plan import QueryContext

_IDLE_SECONDS = 300.0
_TRACE_LENGTH = 32
"""Bytes of V$SESSION.ACTION."""


@dataclass
class Session:
    """One connection. ``client``: in whose name it works, where that is not the credential's user."""

    connection: Any
    client: str | None
    reused: bool = False
    idle_since: float = field(default_factory=time.monotonic)

    def close(self) -> None:
        """Whatever state it is in."""
        with contextlib.suppress(oracledb.Error, OSError):  # it was broken already: there is nothing left to free
            self.connection.close()


class Pool:
    """At most ``max_connections`` sessions; the most recently used one is taken first. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: list[Session] = []
        self._open = 0
        self._closed = False
        self._changed = threading.Condition()

    def take(self, context: QueryContext) -> Session:
        """A session that shows the context's trace at the source (V$SESSION.ACTION); SourceError when none is to be had."""
        client = self._settings.client(context.user)
        session = self._wait(client, context)
        if session is None:
            try:
                session = Session(self._connect(client), client)
            except BaseException:
                self._forget_one()
                raise
        session.connection.action = context.trace[:_TRACE_LENGTH] or None  # travels with the next statement
        return session

    def give_back(self, session: Session) -> None:
        """Keep a session whose statement ended well."""
        with self._changed:
            if not self._closed:
                session.idle_since, session.reused = time.monotonic(), True
                self._idle.append(session)
                self._changed.notify_all()
                return
        self.discard(session)

    def discard(self, session: Session) -> None:
        """Close a session."""
        self._forget_one()
        session.close()

    def discard_idle(self) -> None:
        """Close what is idle: one session was found broken, so the server was probably restarted."""
        with self._changed:
            idle, self._idle = self._idle, []
        for session in idle:
            self.discard(session)

    def close(self) -> None:
        """No sessions stay; running statements finish first."""
        with self._changed:
            self._closed = True
        self.discard_idle()

    def _wait(self, client: str | None, context: QueryContext) -> Session | None:
        """An idle session of ``client``, or None: open one (the place is reserved)."""
        end = time.monotonic() + self._settings.pool_timeout
        withdraw = context.on_cancel(self._wake)
        old: list[Session] = []
        try:
            with self._changed:
                while True:
                    if context.cancelled:
                        raise CancelledError("canceling statement due to user request")
                    found = self._newest(client, old)
                    if found is not None:
                        return found
                    if self._open < self._settings.max_connections or self._make_room(old):
                        self._open += 1
                        return None
                    if not self._changed.wait(end - time.monotonic()) and time.monotonic() >= end:
                        raise SourceTimeoutError(
                            f'data source "{self._settings.source}": no free connection within {self._settings.pool_timeout:g} s',
                            hint="Options max_connections and pool_timeout of the source set the limits.",
                        )
        finally:
            withdraw()
            for session in old:
                session.close()

    def _newest(self, client: str | None, old: list[Session]) -> Session | None:
        oldest = time.monotonic() - _IDLE_SECONDS
        found = next((session for session in reversed(self._idle) if session.client == client and session.idle_since >= oldest), None)
        if found is not None:
            self._idle.remove(found)
        while self._idle and self._idle[0].idle_since < oldest:
            self._make_room(old)
        return found

    def _make_room(self, old: list[Session]) -> bool:
        """Give up the session that was idle longest (another user's)."""
        if not self._idle:
            return False
        old.append(self._idle.pop(0))
        self._open -= 1
        return True

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _forget_one(self) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    def _connect(self, client: str | None) -> Any:  # noqa: ANN401 the driver's connection
        settings = self._settings
        connection = None
        try:
            connection = oracledb.connect(**settings.arguments(client))
            connection.call_timeout = int(settings.connect_timeout * 1000)
            connection.module = "bdc"
            with connection.cursor() as cursor:
                cursor.execute(SESSION)
        except (oracledb.Error, OSError, ValueError) as error:
            if connection is not None:
                Session(connection, client).close()
            raise connect_fault(error, settings.source, settings.address) from None
        return connection
