"""I/O with one PostgreSQL: a small pool of sessions and streams of Arrow batches (ADBC, binary COPY).

A session is never health-checked by a round trip of its own: a statement that finds a reused session broken is started again
on a new one (it has not given a row yet). A session whose statement was cancelled or left half-read is closed, not reused:
a late cancel request must never hit the next user's statement.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from virtualization.connectors.postgresql.faults import connect_fault, is_lost, statement_fault
from virtualization.connectors.postgresql.options import WATCH, Settings
from virtualization.driver_batches import to_contract
from virtualization.errors import CancelledError, SourceTimeoutError, VirtualizationError
from virtualization.plan import QueryContext

_IDLE_SECONDS = 300.0
UTC = "UTC"
_UTC_NAMES = frozenset({"UTC", "GMT", "Etc/UTC", "Etc/GMT", "Zulu", "Etc/Zulu", "UCT", "Etc/UCT", "Universal", "Etc/Universal", "GMT0"})
_BATCH_OPTION = "adbc.postgresql.batch_size_hint_bytes"


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
        session = self._wait(context)
        if session is None:
            try:
                return Session(self._connect(context.trace), context.trace)
            except BaseException:
                self._forget_one()
                raise
        session.reused = True
        return session

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


class Running:
    """One statement at the source: its session, its cursor, its registration for cancel. Ends exactly once."""

    def __init__(self, pool: Pool, session: Session, context: QueryContext) -> None:
        self._pool = pool
        self._session = session
        self._lock = threading.Lock()
        self._over = False
        self.interrupted = False
        self.cursor = session.connection.cursor()
        self._withdraw: Callable[[], None] = context.on_cancel(self.cancel)

    def cancel(self) -> None:
        """Ask the server to stop; from any thread."""
        with self._lock:
            if not self._over:
                self.interrupted = True
                with contextlib.suppress(adbc_driver_manager.Error):  # not to be reached just now: the context asks again
                    self.cursor.adbc_cancel()

    def end(self, *, reusable: bool) -> None:
        """Give the session back, or close it."""
        self._withdraw()
        with self._lock:
            if self._over:
                return
            self._over = True
        try:
            self.cursor.close()
        except (adbc_driver_manager.Error, pa.ArrowException, OSError):
            reusable = False
        if reusable and not self.interrupted:
            self._pool.give_back(self._session)
        else:
            self._pool.discard(self._session)


class RowStream:
    """Batches of one statement, as they arrive. Leaving it half-read cancels at the source."""

    def __init__(
        self, running: Running, reader: pa.RecordBatchReader, schema: pa.Schema, fault: Callable[[Exception], VirtualizationError]
    ) -> None:
        self._running = running
        self._reader = reader
        self._schema = schema
        self._fault = fault
        self._open = True

    @property
    def schema(self) -> pa.Schema:
        """As promised by the fragment."""
        return self._schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while self._open:
            try:
                batch = self._reader.read_next_batch()
            except StopIteration:
                self._finish(reusable=True)
                return
            except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
                self._finish(reusable=False)
                raise self._fault(error) from None
            try:
                converted = to_contract(batch, self._schema, "the answer of the source")
            except VirtualizationError:
                self.close()
                raise
            if converted.num_rows:
                yield converted

    def close(self) -> None:
        """Stop at the source and free the session; harmless when repeated or after the end."""
        if self._open:
            self._running.cancel()
            self._finish(reusable=False)

    def _finish(self, *, reusable: bool) -> None:
        self._open = False
        try:
            self._reader.close()
        except (adbc_driver_manager.Error, pa.ArrowException, OSError):
            reusable = False  # what a cancelled statement says while it is closed is no news
        self._running.end(reusable=reusable)


class Client:
    """Statements at one source. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._pool = Pool(settings)

    def stream(self, sql: str, schema: pa.Schema, what: str, context: QueryContext, zone: str | None = None) -> RowStream:
        """Start ``sql``; ``what`` names its remote objects in errors; ``zone``: the time zone that it needs, None: it needs none."""
        running, reader = self._start(what, context, lambda cursor: _execute(cursor, sql, self.settings.fetch_bytes), zone)
        return RowStream(running, reader, schema, lambda error: self._fault(error, what, context))

    def rows(self, sql: str, what: str) -> list[dict[str, Any]]:
        """All rows of a small statement about the catalog."""
        context = QueryContext()
        running, table = self._start(what, context, lambda cursor: _execute(cursor, sql, self.settings.fetch_bytes).read_all())
        running.end(reusable=True)
        return list(table.to_pylist())

    def describe(self, sql: str, what: str) -> pa.Schema:
        """The driver's schema of a statement's answer, without running it."""
        running, schema = self._start(what, QueryContext(), lambda cursor: cursor.adbc_execute_schema(sql))
        running.end(reusable=True)
        assert isinstance(schema, pa.Schema)
        return schema

    def close(self) -> None:
        """See ``Pool.close``."""
        self._pool.close()

    def _start(self, what: str, context: QueryContext, begin: Callable[[adbc.Cursor], Any], zone: str | None = None) -> tuple[Running, Any]:
        while True:
            session = self._pool.take(context)
            running = Running(self._pool, session, context)
            try:
                if session.trace != context.trace:
                    _name(running.cursor, context.trace)
                    session.trace = context.trace
                _place(session, running.cursor, zone)
                return running, begin(running.cursor)
            except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
                lost = is_lost(error) if isinstance(error, adbc_driver_manager.Error) else False
                running.end(reusable=not lost)
                if lost and session.reused and not context.cancelled:
                    self._pool.discard_idle()
                    continue
                raise self._fault(error, what, context) from None
            except BaseException:
                running.end(reusable=False)
                raise

    def _fault(self, error: Exception, what: str, context: QueryContext) -> VirtualizationError:
        return statement_fault(error, self.settings.source, what, context.cancelled)


def _execute(cursor: adbc.Cursor, sql: str, batch_bytes: int) -> pa.RecordBatchReader:
    cursor.adbc_statement.set_options(**{_BATCH_OPTION: str(batch_bytes)})
    cursor.execute(sql)
    # not ``fetch_record_batch``: it strips the wrapper that keeps the server's SQLSTATE for errors in the middle of the answer
    reader: pa.RecordBatchReader = cursor._results.reader
    return reader


def _name(cursor: adbc.Cursor, trace: str) -> None:
    cursor.execute(f"SET application_name = {_literal(application_name(trace))}")


def _place(session: Session, cursor: adbc.Cursor, zone: str | None) -> None:
    """Put a session into the time zone that its statement needs."""
    wanted = UTC if zone in _UTC_NAMES else zone
    if wanted is not None and wanted != session.zone:
        cursor.execute(f"SET timezone = {_literal(wanted)}")
        session.zone = wanted


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
