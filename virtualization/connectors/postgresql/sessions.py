"""The sessions with one PostgreSQL: a small pool, shared by all statements of a source in this process."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc

from virtualization.connectors.postgresql.faults import connect_fault
from virtualization.connectors.postgresql.options import WATCH, Settings
from virtualization.errors import CancelledError, SourceTimeoutError
from virtualization.plan import QueryContext

_IDLE_SECONDS = 300.0
UTC = "UTC"


@dataclass
class Session:
    """One connection of the pool."""

    connection: adbc.Connection
    trace: str
    zone: str = UTC
    reused: bool = False
    idle_since: float = field(default_factory=time.monotonic)


class Pool:
    """At most ``max_connections`` sessions; the most recently used one is taken first. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._watch = {WATCH: "500ms"}
        self._idle: list[Session] = []
        self._open = 0
        self._closed = False
        self._changed = threading.Condition()

    def take(self, context: QueryContext) -> Session:
        """A session whose ``application_name`` carries the context's trace; SourceError when none is to be had."""
        return self._opened(self._wait(context), context)

    def take_free(self, context: QueryContext) -> Session | None:
        """A session if there is one to be had right now, without waiting for others to end."""
        with self._changed:
            if not self._idle and self._open >= self._settings.max_connections:
                return None
            session = self._newest() if self._idle else None
            if session is None:
                self._open += 1
        return self._opened(session, context)

    def _opened(self, session: Session | None, context: QueryContext) -> Session:
        """``session``, or a new one for which the place is reserved."""
        if session is not None:
            session.reused = True
            return session
        try:
            return Session(self._connect(context.trace), context.trace)
        except BaseException:
            self._forget_one()
            raise

    def give_back(self, session: Session) -> None:
        """Keep a session whose statement ended well."""
        with self._changed:
            if not self._closed:
                session.idle_since = time.monotonic()
                self._idle.append(session)
                self._changed.notify()
                return
        self.discard(session)

    def discard(self, session: Session) -> None:
        """Close a session."""
        self._forget_one()
        _close(session)

    def discard_idle(self) -> None:
        """Close what is idle: one session was found broken, so the server was probably restarted."""
        with self._changed:
            idle, self._idle = self._idle, []
        for session in idle:
            self.discard(session)

    def close(self) -> None:
        """No new sessions stay; running statements finish first."""
        with self._changed:
            self._closed = True
        self.discard_idle()

    def _wait(self, context: QueryContext) -> Session | None:
        """An idle session, or None: open one (the place is reserved)."""
        end = time.monotonic() + self._settings.pool_timeout
        withdraw = context.on_cancel(self._wake)
        try:
            with self._changed:
                while True:
                    if context.cancelled:
                        raise CancelledError("canceling statement due to user request")
                    if self._idle:
                        return self._newest()
                    if self._open < self._settings.max_connections:
                        self._open += 1
                        return None
                    if not self._changed.wait(end - time.monotonic()) and time.monotonic() >= end:
                        raise SourceTimeoutError(
                            f'data source "{self._settings.source}": no free connection within {self._settings.pool_timeout:g} s',
                            hint="Options max_connections and pool_timeout of the source set the limits.",
                        )
        finally:
            withdraw()

    def _newest(self) -> Session:
        session = self._idle.pop()
        old = time.monotonic() - _IDLE_SECONDS
        while self._idle and self._idle[0].idle_since < old:
            self._open -= 1
            _close(self._idle.pop(0))
        return session

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _forget_one(self) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify()

    def _connect(self, trace: str) -> adbc.Connection:
        settings = self._settings
        try:
            return adbc.connect(settings.conninfo(application_name(trace), self._watch), autocommit=True)
        except adbc_driver_manager.Error as error:
            if self._watch and WATCH in str(error):
                self._watch = {}
                return self._connect(trace)
            raise connect_fault(error, settings.source, f"{settings.host}:{settings.port}") from None


def application_name(trace: str) -> str:
    """What ``pg_stat_activity`` at the source shows."""
    return f"bdc {trace}".strip()[:63]


def _close(session: Session) -> None:
    try:
        session.connection.close()
    except adbc_driver_manager.Error:
        pass  # it was broken already: there is nothing left to free
    except RuntimeError:
        pass  # a statement of it could not be closed because the connection broke under it
