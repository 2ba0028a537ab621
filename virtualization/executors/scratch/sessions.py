"""A few connections to the scratch server, each used by one query at a time, in one transaction that is always rolled back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc

from virtualization.errors import CancelledError, CapacityError, InternalError, VirtualizationError
from virtualization.executors.scratch.faults import fault
from virtualization.plan import QueryContext

APPLICATION_NAME = "bdc scratch"


class Session:
    """One transaction on the scratch server. ``close`` rolls it back and gives the connection back; harmless when repeated."""

    def __init__(self, sessions: Sessions, connection: Any, context: QueryContext) -> None:  # noqa: ANN401 the driver has no types
        self._sessions = sessions
        self._connection = connection
        self._context = context
        self._lock = threading.Lock()
        self._over = False
        self._interrupted = False
        self.cursor = connection.cursor()
        self._withdraw: Callable[[], None] = context.on_cancel(self._interrupt)

    def execute(self, text: str) -> list[tuple[Any, ...]]:
        """Run a statement; its rows, if it has any."""
        try:
            self.cursor.execute(text)
            return list(self.cursor.fetchall()) if self.cursor.description else []
        except adbc_driver_manager.Error as error:
            raise self.fault(error) from None

    def fault(self, error: Exception) -> VirtualizationError:
        """What a driver's error means to the user."""
        if self._context.cancelled:
            return CancelledError("canceling statement due to user request")
        return fault(error)

    def _interrupt(self) -> None:
        with self._lock:
            if not self._over:
                self._interrupted = True
                with contextlib.suppress(adbc_driver_manager.Error):  # not to be reached just now: the context asks again
                    self.cursor.adbc_cancel()

    def close(self, *, usable: bool = True) -> None:
        """End the transaction. A connection that was interrupted is not used again: a late cancel must hit nobody else."""
        self._withdraw()
        with self._lock:
            if self._over:
                return
            self._over = True
        usable = usable and not self._interrupted
        try:
            self.cursor.close()
            self._connection.rollback()
        except (adbc_driver_manager.Error, OSError):
            usable = False
        self._sessions.give_back(self._connection, usable=usable)


class Sessions:
    """At most ``limit`` connections; whoever finds none waits, and can be cancelled while waiting. Thread-safe."""

    def __init__(self, dsn: str, limit: int) -> None:
        self._dsn = dsn
        self._limit = limit
        self.wait_seconds = 60.0
        """How long a query waits for a connection."""
        self._idle: list[Any] = []
        self._open = 0
        self._closed = False
        self._changed = threading.Condition()

    def begin(self, context: QueryContext) -> Session:
        """A transaction of its own, its settings those of ``context``.

        A kept connection may have died with the server: each is tried once, then a new one."""
        for _ in range(self._limit):
            session = self._opened(context)
            try:
                return self._prepared(session, context)
            except InternalError:
                continue
        return self._prepared(self._opened(context), context)

    def _opened(self, context: QueryContext) -> Session:
        connection = self._take(context)
        try:
            return Session(self, connection, context)
        except BaseException:
            self.give_back(connection, usable=False)
            raise

    def _prepared(self, session: Session, context: QueryContext) -> Session:
        try:
            session.execute("SET LOCAL search_path = pg_catalog, pg_temp")
            session.execute(f"SET LOCAL TimeZone = {_literal(context.timezone)}")
        except VirtualizationError as error:
            session.close(usable=not isinstance(error, InternalError))
            raise
        return session

    def give_back(self, connection: Any, *, usable: bool) -> None:  # noqa: ANN401
        """Keep a connection for the next query, or close it."""
        with self._changed:
            keep = usable and not self._closed
            if keep:
                self._idle.append(connection)
            else:
                self._open -= 1
            self._changed.notify()
        if not keep:
            _close(connection)

    def close(self) -> None:
        """Close what is idle now, the rest when it is given back."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._open -= len(idle)
        for connection in idle:
            _close(connection)

    def _take(self, context: QueryContext) -> Any:  # noqa: ANN401
        withdraw = context.on_cancel(self._wake)
        try:
            deadline = time.monotonic() + self.wait_seconds
            with self._changed:
                while not self._idle and self._open >= self._limit:
                    self._check(context)
                    # Scans of one join in the master wait for each other's connections: without a limit, for ever.
                    if not self._changed.wait(deadline - time.monotonic()):
                        raise CapacityError(
                            f"no connection to the scratch PostgreSQL came free within {self.wait_seconds:g} s",
                            detail=f"{self._limit} are in use, possibly by other parts of the same query.",
                            hint="Ask again later; join fewer virtual tables at once, or raise spec.pools.compute.runningQueries.",
                        )
                self._check(context)
                if self._idle:
                    return self._idle.pop()
                self._open += 1
        finally:
            withdraw()
        try:
            return adbc.connect(self._dsn)
        except BaseException as error:
            with self._changed:
                self._open -= 1
                self._changed.notify()
            if isinstance(error, adbc_driver_manager.Error):
                raise InternalError("the scratch PostgreSQL of this pool can't be reached", hint="bdc status shows its state.") from None
            raise

    def _check(self, context: QueryContext) -> None:
        if context.cancelled:
            raise CancelledError("canceling statement due to user request")
        if self._closed:
            raise InternalError("the scratch executor is closed")

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _close(connection: Any) -> None:  # noqa: ANN401
    with contextlib.suppress(adbc_driver_manager.Error, RuntimeError):  # broken already: nothing is left to free
        connection.close()


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
