"""Open sessions at one source.

ODBC's own cancel needs a statement's handle, which arrow-odbc keeps to itself; so where the driver's file knows how, a running statement
is ended by its session's number from another connection.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from virtualization.attempts import Attempts
from virtualization.connectors.odbc import driver_manager
from virtualization.connectors.odbc.capabilities import Capabilities
from virtualization.connectors.odbc.faults import connect_fault, statement_fault
from virtualization.connectors.odbc.options import Settings
from virtualization.errors import VirtualizationError
from virtualization.plan import QueryContext
from virtualization.session_pool import PooledSession, SessionPool

_SMALL = 4096


@dataclass(kw_only=True)
class Session(PooledSession):
    """``number``: by which another session can end what this one runs."""

    connection: Any
    number: str | None = None


class Sessions:
    """Of one source; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sessions: SessionPool[Session] = SessionPool(settings.source, settings.max_connections, settings.pool_timeout, _end)
        self._attempts: Attempts[Any] = Attempts(settings.max_connections, id)  # a connection that nothing holds is closed
        self.give_back = self._sessions.give_back
        self.discard = self._sessions.discard
        self.discard_idle = self._sessions.discard_idle
        self.close = self._sessions.close

    def take(self, known: Capabilities, context: QueryContext) -> Session:
        """An idle one, or a new one; SourceError when none is to be had."""
        return self._sessions.take(context, lambda: self._connect(known))

    def end_statement(self, known: Capabilities, number: str) -> None:
        """Stop what another session runs; an error means that there was nothing to stop, or that the source is away."""
        if known.cancel is None:
            return
        error_type = driver_manager.rows_module().Error
        with contextlib.suppress(error_type, VirtualizationError):  # the context asks again as long as the statement runs
            run(self._opened(known), known.cancel.format(session=int(number)))

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
        return Session(connection=connection, number=number)

    def _opened(self, known: Capabilities) -> Any:  # noqa: ANN401 arrow-odbc's
        settings, module = self._settings, driver_manager.rows_module()
        login, seconds = settings.with_login(known.attributes), settings.connect_timeout
        try:
            return self._attempts.within(seconds, lambda: module.connect(login, login_timeout_sec=seconds))
        except (module.Error, TimeoutError) as error:
            where = f'data source "{settings.source}" ({settings.address})'
            raise connect_fault(error, where, settings.secret) from None


def _end(session: Session) -> None:
    """Its connection ends when nothing holds it any more."""
    session.connection = None


def run(connection: Any, statement: str) -> str | None:  # noqa: ANN401 arrow-odbc's
    """A small statement; the first value of its answer, if it has one."""
    reader = connection.read_arrow_batches(
        statement, batch_size=1, max_text_size=_SMALL, max_binary_size=_SMALL, map_schema=_as_text, fetch_concurrently=False
    )
    values = [batch.column(0)[0].as_py() for batch in reader if batch.num_columns and batch.num_rows]
    return str(values[0]) if values and values[0] is not None else None


def _as_text(found: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(one.name, pa.string()) for one in found])
