"""I/O with one PostgreSQL: statements, and streams of Arrow batches (ADBC, binary COPY).

A session is never health-checked by a round trip of its own: a statement that finds a reused session broken is started again
on a new one (it has not given a row yet). A session whose statement was cancelled or left half-read is closed, not reused:
a late cancel request must never hit the next user's statement.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from virtualization.connectors.postgresql.faults import is_lost, statement_fault
from virtualization.connectors.postgresql.options import Settings
from virtualization.connectors.postgresql.sessions import UTC, Pool, Session, application_name
from virtualization.driver_batches import to_contract
from virtualization.errors import CancelledError, SourceError, VirtualizationError
from virtualization.plan import QueryContext

_UTC_NAMES = frozenset({"UTC", "GMT", "Etc/UTC", "Etc/GMT", "Zulu", "Etc/Zulu", "UCT", "Etc/UCT", "Universal", "Etc/Universal", "GMT0"})
_COPY_OPTION = "adbc.postgresql.use_copy"
_BATCH_OPTION = "adbc.postgresql.batch_size_hint_bytes"


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
        self,
        running: Running,
        reader: pa.RecordBatchReader,
        schema: pa.Schema,
        where: str,
        fault: Callable[[Exception], VirtualizationError],
    ) -> None:
        self._where = where
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
                if self._running.interrupted:  # all rows had come before the server heard of it: cancelled all the same
                    raise CancelledError("canceling statement due to user request", detail=f"It ran at {self._where}.") from None
                return
            except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
                self._finish(reusable=False)
                raise self._fault(error) from None
            try:
                converted = to_contract(batch, self._schema, self._where)
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
        self.remembered: dict[int, tuple[float, bool]] = {}
        """By a text's hash, until when: see ``parallel.Ranged.pays``."""

    def stream(self, sql: str, schema: pa.Schema, what: str, context: QueryContext, zone: str | None = None) -> RowStream:
        """Start ``sql``; ``what`` names its remote objects in errors; ``zone``: the time zone that it needs, None: it needs none."""
        running, reader = self.begin(what, context, lambda cursor: execute(cursor, numbered(sql, context), self.settings.fetch_bytes), zone)
        return RowStream(running, reader, schema, self.where(what), lambda error: self.fault(error, what, context))

    def rows(self, sql: str, what: str) -> list[dict[str, Any]]:
        """All rows of a small statement about the catalog."""
        context = QueryContext()
        running, table = self.begin(what, context, lambda cursor: execute(cursor, sql, self.settings.fetch_bytes).read_all())
        running.end(reusable=True)
        return list(table.to_pylist())

    def plan_of(self, sql: str, what: str, context: QueryContext | None = None, setting: str | None = None) -> str:
        """The source's own plan for a statement, in PostgreSQL's JSON; ``setting``: SET LOCAL before it."""
        running, table = self.begin(what, context or QueryContext(), lambda cursor: _explained(cursor, sql, setting))
        running.end(reusable=True)
        return str(table.column(0)[0])

    def describe(self, sql: str, what: str) -> pa.Schema:
        """The driver's schema of a statement's answer, without running it."""
        running, schema = self.begin(what, QueryContext(), lambda cursor: cursor.adbc_execute_schema(sql))
        running.end(reusable=True)
        assert isinstance(schema, pa.Schema)
        return schema

    def close(self) -> None:
        """See ``Pool.close``."""
        self._pool.close()

    def begin(self, what: str, context: QueryContext, begin: Callable[[adbc.Cursor], Any], zone: str | None = None) -> tuple[Running, Any]:
        """Do ``begin`` with a session's cursor; what it gave, and the session until ``Running.end``."""
        while True:
            session = self._pool.take(context)
            running = Running(self._pool, session, context)
            try:
                _prepare(session, running.cursor, context, zone)
                return running, begin(running.cursor)
            except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
                lost = is_lost(error) if isinstance(error, adbc_driver_manager.Error) else False
                running.end(reusable=not lost)
                if lost and session.reused and not context.cancelled:
                    self._pool.discard_idle()
                    continue
                raise self.fault(error, what, context) from None
            except BaseException:
                running.end(reusable=False)
                raise

    def begin_free(self, what: str, context: QueryContext, statements: Sequence[str], zone: str | None) -> Running | None:
        """A session that is free right now, after these statements; None where there is none, or where it could not do them: whoever
        asks has others."""
        try:
            session = self._pool.take_free(context)
        except SourceError:
            session = None  # the server has no more connections to give, or has just gone: the others will say so
        if session is None:
            return None
        running = Running(self._pool, session, context)
        try:
            _prepare(session, running.cursor, context, zone)
            for statement in statements:
                running.cursor.execute(statement)
        except (adbc_driver_manager.Error, pa.ArrowException, OSError):
            running.end(reusable=False)
            return None
        return running

    def where(self, what: str) -> str:
        """For messages."""
        return f'data source "{self.settings.source}", {what}'

    def fault(self, error: Exception, what: str, context: QueryContext) -> VirtualizationError:
        """What a driver's error means."""
        return statement_fault(error, self.settings.source, what, context.cancelled)


def numbered(sql: str, context: QueryContext) -> str:
    """With the number of the query in a comment: the session's name would cost a round trip for each query. In front, where the source's
    views of long texts still show it."""
    return f"/* bdc {context.number} */ {sql}" if context.number else sql


def execute(cursor: adbc.Cursor, sql: str, batch_bytes: int) -> pa.RecordBatchReader:
    """Run ``sql``; its answer as it comes."""
    cursor.adbc_statement.set_options(**{_BATCH_OPTION: str(batch_bytes)})
    cursor.execute(sql)
    # not ``fetch_record_batch``: it strips the wrapper that keeps the server's SQLSTATE for errors in the middle of the answer
    reader: pa.RecordBatchReader = cursor._results.reader
    return reader


def _explained(cursor: adbc.Cursor, sql: str, setting: str | None) -> pa.Table:
    cursor.adbc_statement.set_options(**{_COPY_OPTION: "false"})  # EXPLAIN can't be copied out
    try:
        for statement in ("BEGIN", setting) if setting is not None else ():
            cursor.execute(statement)
        cursor.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {sql}")
        table: pa.Table = cursor._results.reader.read_all()
        return table
    finally:
        if setting is not None:
            with contextlib.suppress(adbc_driver_manager.Error):  # a session that is lost has no transaction either
                cursor.execute("ROLLBACK")


def _prepare(session: Session, cursor: adbc.Cursor, context: QueryContext, zone: str | None) -> None:
    """Give a session the name, and the time zone, that its statement needs."""
    if session.trace != context.trace:
        cursor.execute(f"SET application_name = {_literal(application_name(context.trace))}")
        session.trace = context.trace
    wanted = UTC if zone in _UTC_NAMES else zone
    if wanted is not None and wanted != session.zone:
        cursor.execute(f"SET timezone = {_literal(wanted)}")
        session.zone = wanted


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
