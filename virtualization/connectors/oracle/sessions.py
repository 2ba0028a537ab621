"""Sessions at one Oracle: opened on need, kept for the next statement, never more than the source's option says.

A session whose statement was interrupted is closed: a late break must never hit the next user's statement.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import oracledb

from virtualization.attempts import Attempts
from virtualization.connectors.oracle.faults import connect_fault
from virtualization.connectors.oracle.options import SESSION, Settings
from virtualization.plan import QueryContext
from virtualization.session_pool import PooledSession, SessionPool

_TRACE_LENGTH = 32
"""Bytes of V$SESSION.ACTION."""


@dataclass(kw_only=True)
class Session(PooledSession):
    """One connection. ``client``: in whose name it works, where that is not the credential's user."""

    connection: Any


class Pool:
    """At most ``max_connections`` sessions. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sessions: SessionPool[Session] = SessionPool(settings.source, settings.max_connections, settings.pool_timeout, _end)
        self._attempts: Attempts[Any] = Attempts(settings.max_connections, _end_connection)
        self.give_back = self._sessions.give_back
        self.discard = self._sessions.discard
        self.discard_idle = self._sessions.discard_idle
        self.close = self._sessions.close

    def take(self, context: QueryContext) -> Session:
        """A session that shows query and session at the source (V$SESSION.ACTION); SourceError when none is to be had."""
        client = self._settings.client(context.user)
        session = self._sessions.take(context, lambda: Session(connection=self._connect(client), client=client), client)
        session.connection.action = context.label[:_TRACE_LENGTH] or None  # travels with the next statement
        return session

    def _connect(self, client: str | None) -> Any:  # noqa: ANN401 the driver's connection
        settings = self._settings
        connection = None
        try:
            connection = self._attempts.within(settings.connect_timeout, lambda: oracledb.connect(**settings.arguments(client)))
            connection.call_timeout = int(settings.connect_timeout * 1000)
            connection.module = "bdc"
            with connection.cursor() as cursor:
                cursor.execute(SESSION)
        except (oracledb.Error, OSError, ValueError) as error:
            if connection is not None:
                _end_connection(connection)
            raise connect_fault(error, settings.source, settings.address) from None
        return connection


def _end(session: Session) -> None:
    _end_connection(session.connection)


def _end_connection(connection: Any) -> None:  # noqa: ANN401 the driver's connection
    """Whatever state it is in."""
    with contextlib.suppress(oracledb.Error, OSError):  # it was broken already: there is nothing left to free
        connection.close()
