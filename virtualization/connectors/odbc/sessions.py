"""Open sessions at one source: at most so many, the most recently used one first. Thread-safe.

ODBC's own cancel needs a statement's handle, which arrow-odbc keeps to itself; so where the driver's file knows how, a running statement
is ended by its session's number from another connection.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from virtualization.connectors.odbc import driver_manager
from virtualization.connectors.odbc.capabilities import Capabilities
from virtualization.connectors.odbc.faults import connect_fault, statement_fault
from virtualization.connectors.odbc.options import Settings
from virtualization.errors import CancelledError, SourceTimeoutError, VirtualizationError
from virtualization.plan import QueryContext

_IDLE_SECONDS = 300.0
_SMALL = 4096


@dataclass
class Session:
    """``number``: by which another session can end what this one runs."""

    connection: Any
    number: str | None = None
    reused: bool = False
    idle_since: float = field(default_factory=time.monotonic)


class Sessions:
    """Of one source."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._idle: list[Session] = []
        self._open = 0
        self._closed = False
        self._changed = threading.Condition()

    def take(self, known: Capabilities, context: QueryContext) -> Session:
        """An idle one, or a new one; SourceError when none is to be had."""
        session = self._wait(context)
        if session is not None:
            session.reused = True
            return session
        try:
            return self._connect(known)
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
        """Its connection ends when nothing holds it any more."""
        session.connection = None
        self._forget_one()

    def discard_idle(self) -> None:
        """One session was found broken, so the server was probably restarted."""
        with self._changed:
            idle, self._idle = self._idle, []
        for session in idle:
            self.discard(session)

    def close(self) -> None:
        """No session stays; running statements finish first."""
        with self._changed:
            self._closed = True
        self.discard_idle()

    def end_statement(self, known: Capabilities, number: str) -> None:
        """Stop what another session runs; an error means that there was nothing to stop, or that the source is away."""
        if known.cancel is None:
            return
        error_type = driver_manager.rows_module().Error
        with contextlib.suppress(error_type, VirtualizationError):  # the context asks again as long as the statement runs
            run(self._opened(known), known.cancel.format(session=int(number)))

    def _wait(self, context: QueryContext) -> Session | None:
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
            self._idle.pop(0)
        return session

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _forget_one(self) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify()

    def _connect(self, known: Capabilities) -> Session:
        connection = self._opened(known)
        number = None
        try:
            for statement in known.statements:
                run(connection, statement)
            if known.session is not None:
                number = run(connection, known.session)
        except driver_manager.rows_module().Error as error:
            where = f'data source "{self._settings.source}", a new session'
            raise statement_fault(error, where, self._settings.secret) from None
        return Session(connection, number)

    def _opened(self, known: Capabilities) -> Any:  # noqa: ANN401 arrow-odbc's
        settings, module = self._settings, driver_manager.rows_module()
        try:
            return module.connect(settings.with_login(known.attributes), login_timeout_sec=settings.connect_timeout)
        except module.Error as error:
            where = f'data source "{settings.source}" ({settings.address})'
            raise connect_fault(error, where, settings.secret) from None


def run(connection: Any, statement: str) -> str | None:  # noqa: ANN401 arrow-odbc's
    """A small statement; the first value of its answer, if it has one."""
    reader = connection.read_arrow_batches(
        statement, batch_size=1, max_text_size=_SMALL, max_binary_size=_SMALL, map_schema=_as_text, fetch_concurrently=False
    )
    values = [batch.column(0)[0].as_py() for batch in reader if batch.num_columns and batch.num_rows]
    return str(values[0]) if values and values[0] is not None else None


def _as_text(found: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(one.name, pa.string()) for one in found])
