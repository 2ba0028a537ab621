"""Streams of rows from one ODBC source.

A driver's call can't be interrupted from outside, so each stream has a thread of its own in the driver, two batches ahead at most: whoever
waits for its rows hears of a cancel or a time limit at once, and the thread ends, with its session, as soon as its call returns.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import pyarrow as pa

from virtualization.connectors.odbc import driver_manager
from virtualization.connectors.odbc.capabilities import Capabilities
from virtualization.connectors.odbc.faults import cancelled, is_lost, statement_fault
from virtualization.connectors.odbc.options import Settings
from virtualization.connectors.odbc.sessions import Session, Sessions
from virtualization.errors import InternalError, SourceTimeoutError, VirtualizationError
from virtualization.plan import QueryContext

_AHEAD = 2
_LARGEST_ROW = 64 * 1024 * 1024
"""Bytes that buffers for a single row may take, whatever ``fetch_bytes`` says."""


class Shape(Protocol):
    """What a statement's answer becomes."""

    @property
    def schema(self) -> pa.Schema:
        """Of its batches."""
        ...

    def reading(self) -> Mapping[str, Any]:
        """How arrow-odbc is asked for it: ``schema`` or ``map_schema``."""
        ...

    def row_bytes(self, value_bytes: int) -> int:
        """What one row may need in buffers where the driver knows no lengths."""
        ...

    def made(self, batch: pa.RecordBatch, where: str) -> pa.RecordBatch:
        """One batch of the driver's; DataError names the column whose value does not fit."""
        ...


class Client:
    """Statements at one source. Thread-safe. ``known``: what the driver can."""

    def __init__(self, settings: Settings, known: Callable[[], Capabilities]) -> None:
        self.settings = settings
        self.known = known
        self.sessions = Sessions(settings)

    def stream(self, sql: str, shape: Shape, what: str, context: QueryContext) -> Stream:
        """Start ``sql``; ``what`` names its remote objects in errors."""
        return Stream(self, sql, shape, what, context)

    def round_trip(self, sql: str) -> float:
        """Milliseconds of a small statement on an open session."""
        known = self.known()
        session = self.sessions.take(known, QueryContext())
        try:
            begun = time.perf_counter()
            session.connection.read_arrow_batches(sql, batch_size=1, max_text_size=16, fetch_concurrently=False)
            taken = (time.perf_counter() - begun) * 1000
        except driver_manager.rows_module().Error as error:
            self.sessions.discard(session)
            raise statement_fault(error, f'data source "{self.settings.source}", a round trip', self.settings.secret) from None
        self.sessions.give_back(session)
        return taken

    def close(self) -> None:
        """See ``Sessions.close``."""
        self.sessions.close()


class Stream:
    """Batches of one statement, as they arrive. See ``virtualization.plan.Batches``."""

    def __init__(self, client: Client, sql: str, shape: Shape, what: str, context: QueryContext) -> None:
        self._client = client
        self._sql = sql
        self._shape = shape
        self._where = f'data source "{client.settings.source}", {what}'
        self._context = context
        self._changed = threading.Condition()
        self._ready: deque[pa.RecordBatch] = deque()
        self._left = False
        self._ended = False
        self._error: VirtualizationError | None = None
        self._running: Session | None = None
        self._interrupted = False
        self._given = False
        self._withdraw: Callable[[], None] = context.on_cancel(self._cancel)
        threading.Thread(target=self._read, name="odbc", daemon=True).start()

    @property
    def schema(self) -> pa.Schema:
        """As promised by the fragment."""
        return self._shape.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        while True:
            batch = self._next()
            if batch is None:
                self.close()
                return
            yield batch

    def close(self) -> None:
        """Leave it; what still runs is ended at the source. Harmless when repeated."""
        with self._changed:
            self._left = True
            self._ready.clear()
            self._changed.notify_all()
        self._interrupt()
        self._withdraw()

    def _next(self) -> pa.RecordBatch | None:
        limit = self._client.settings.statement_timeout
        end = time.monotonic() + limit if limit else None
        with self._changed:
            while True:
                if self._context.cancelled:
                    raise cancelled(self._where)
                if self._ready:
                    self._changed.notify_all()
                    return self._ready.popleft()
                if self._error is not None:
                    raise self._error
                if self._ended or self._left:
                    return None
                if end is not None and time.monotonic() >= end:
                    break
                self._changed.wait(None if end is None else max(0.0, end - time.monotonic()))
        self.close()
        hint = "Ask for less, or raise the option statement_timeout."
        raise SourceTimeoutError(f"{self._where}: no row within the source's time limit of {limit:g} s", hint=hint)

    def _cancel(self) -> None:
        with self._changed:
            self._changed.notify_all()
        self._interrupt()

    def _interrupt(self) -> None:
        with self._changed:
            running = self._running
            # from now on the session is not used again: a late interrupt must not hit the next one's statement
            self._interrupted = self._interrupted or running is not None
        if running is not None and running.number is not None:
            self._client.sessions.end_statement(self._client.known(), running.number)

    @property
    def _unwanted(self) -> bool:
        return self._left or self._context.cancelled

    def _read(self) -> None:
        """The thread in the driver."""
        error: VirtualizationError | None = None
        try:
            self._run()
        except VirtualizationError as found:
            error = found
        except Exception as found:  # noqa: BLE001 whatever it was, whoever waits must hear of it
            error = InternalError(f"{self._where}: {type(found).__name__}: {found}")
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify_all()

    def _run(self) -> None:
        known = self._client.known()
        while True:
            session = self._client.sessions.take(known, self._context)
            try:
                reader = self._started(session)
                done = self._deliver(reader)
                del reader  # with it the statement's handle goes, and what it holds at the source
            except driver_manager.rows_module().Error as error:
                self._stop(session, reusable=False)
                if is_lost(error) and session.reused and not self._given and not self._unwanted:
                    self._client.sessions.discard_idle()
                    continue  # an idle session was lost, maybe long ago; this one has not given a row yet
                raise statement_fault(error, self._where, self._client.settings.secret) from None
            except BaseException:
                self._stop(session, reusable=False)
                raise
            self._stop(session, reusable=done)
            return

    def _started(self, session: Session) -> Any:  # noqa: ANN401 arrow-odbc's
        with self._changed:
            self._running = session
        settings = self._client.settings
        return session.connection.read_arrow_batches(
            self._sql,
            batch_size=settings.fetch_rows,
            max_bytes_per_batch=max(settings.fetch_bytes, min(self._shape.row_bytes(settings.max_value_bytes), _LARGEST_ROW)),
            max_text_size=settings.max_value_bytes,
            max_binary_size=settings.max_value_bytes,
            falliable_allocations=True,  # else buffers that memory has no room for end the whole process
            fetch_concurrently=False,
            payload_text_encoding=driver_manager.rows_module().TextEncoding.UTF16,
            **self._shape.reading(),
        )

    def _deliver(self, reader: Any) -> bool:  # noqa: ANN401 arrow-odbc's
        """False: nobody wants the rest."""
        for batch in reader:
            made = self._shape.made(batch, self._where)
            with self._changed:
                while len(self._ready) >= _AHEAD and not self._unwanted:
                    self._changed.wait()
                if self._unwanted:
                    return False
                if made.num_rows:
                    self._given = True
                    self._ready.append(made)
                    self._changed.notify_all()
        return not self._unwanted

    def _stop(self, session: Session, *, reusable: bool) -> None:
        with self._changed:
            self._running = None
            reusable = reusable and not self._interrupted
        if reusable:
            self._client.sessions.give_back(session)
        else:
            self._client.sessions.discard(session)
