"""The sessions with one PostgreSQL: a small pool, shared by all statements of a source in this process."""

from __future__ import annotations

from dataclasses import dataclass

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc

from virtualization.connectors.postgresql.faults import connect_fault
from virtualization.connectors.postgresql.options import ROLE, WATCH, Settings
from virtualization.plan import QueryContext
from virtualization.session_pool import PooledSession, SessionPool

UTC = "UTC"


@dataclass(kw_only=True)
class Session(PooledSession):
    """One connection of the pool."""

    connection: adbc.Connection
    trace: str
    zone: str = UTC


class Pool:
    """At most ``max_connections`` sessions. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._watch = {WATCH: "500ms"}
        self._sessions = SessionPool(settings.source, settings.max_connections, settings.pool_timeout, _end)
        self.give_back = self._sessions.give_back
        self.discard = self._sessions.discard
        self.discard_idle = self._sessions.discard_idle
        self.close = self._sessions.close

    def take(self, context: QueryContext) -> Session:
        """A session whose ``application_name`` carries the context's trace; SourceError when none is to be had."""
        client = self._settings.client(context.user)
        return self._sessions.take(context, lambda: self._begin(context.trace, client), client)

    def take_free(self, context: QueryContext) -> Session | None:
        """See ``SessionPool.take_free``."""
        client = self._settings.client(context.user)
        return self._sessions.take_free(lambda: self._begin(context.trace, client), client)

    def _begin(self, trace: str, client: str | None) -> Session:
        return Session(connection=self._connect(trace, client), trace=trace, client=client)

    def _connect(self, trace: str, client: str | None) -> adbc.Connection:
        settings = self._settings
        role = {} if client is None else {ROLE: client}
        try:
            return adbc.connect(settings.conninfo(application_name(trace), self._watch | role), autocommit=True)
        except adbc_driver_manager.Error as error:
            if self._watch and WATCH in str(error):
                self._watch = {}
                return self._connect(trace, client)
            raise connect_fault(error, settings.source, f"{settings.host}:{settings.port}") from None


def application_name(trace: str) -> str:
    """What ``pg_stat_activity`` at the source shows."""
    return f"bdc {trace}".strip()[:63]


def _end(session: Session) -> None:
    try:
        session.connection.close()
    except adbc_driver_manager.Error:
        pass  # it was broken already: there is nothing left to free
    except RuntimeError:
        pass  # a statement of it could not be closed because the connection broke under it
