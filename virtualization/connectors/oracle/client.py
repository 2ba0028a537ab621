"""Statements at one Oracle as streams of Arrow batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import oracledb
import pyarrow as pa

from virtualization.connectors.oracle import rows
from virtualization.connectors.oracle.faults import is_lost, statement_fault
from virtualization.connectors.oracle.options import Settings
from virtualization.connectors.oracle.sessions import Pool, Session
from virtualization.connectors.oracle.statements import Output
from virtualization.errors import CancelledError, VirtualizationError
from virtualization.plan import QueryContext

_LARGE_ROWS = 100
"""Rows of a batch with LOBs."""

_DRIVER_ERRORS = (oracledb.Error, OSError, pa.ArrowException)


class Running:
    """One statement at the source: its session and its registration for cancel. Ends exactly once.

    A break is sent only while the driver waits for an answer: at another time it would hit what comes next."""

    def __init__(self, pool: Pool, session: Session, context: QueryContext, seconds: float) -> None:
        self._pool = pool
        self._session = session
        self._end = time.monotonic() + seconds if seconds else None
        self._lock = threading.Lock()
        self._calling = False
        self._over = False
        self._context = context
        self.ended: str | None = None
        """``cancel`` or ``time``: what ended it."""
        self._withdraw: Callable[[], None] = context.on_cancel(self.cancel)

    def call(self, step: Callable[[], Any]) -> Any:  # noqa: ANN401 whatever the driver gives
        """One round trip; CancelledError before it begins, whatever the driver raises in it."""
        with self._lock:
            if self._context.cancelled:
                self.ended = "cancel"
                raise CancelledError("canceling statement due to user request")
            self._session.connection.call_timeout = self._left()
            self._calling = True
        try:
            return step()
        except oracledb.Error:
            if self.ended is None and self._end is not None and time.monotonic() >= self._end:
                self.ended = "time"
            raise
        finally:
            with self._lock:
                self._calling = False

    def _left(self) -> int:
        """Milliseconds of the time limit; 0: none."""
        return 0 if self._end is None else max(1, int((self._end - time.monotonic()) * 1000))

    def cancel(self) -> None:
        """Ask the server to stop; from any thread."""
        with self._lock:
            self.ended = "cancel"
            if self._calling and not self._over:
                try:
                    self._session.connection.cancel()
                except (oracledb.Error, OSError):
                    return  # not to be reached just now: the context asks again

    def end(self, *, reusable: bool) -> None:
        """Give the session back, or close it."""
        self._withdraw()
        with self._lock:
            if self._over:
                return
            self._over = True
        if reusable and self.ended is None:
            self._pool.give_back(self._session)
        else:
            self._pool.discard(self._session)


class RowStream:
    """Batches of one statement as they arrive. See ``virtualization.plan.Batches``."""

    def __init__(
        self,
        running: Running,
        first: Any,  # noqa: ANN401 the driver's frames
        frames: Iterator[Any],
        outputs: Sequence[Output],
        where: str,
        fault: Callable[[Exception], VirtualizationError],
    ) -> None:
        self._where = where
        self._running = running
        self._first = first
        self._frames = frames
        self._outputs = outputs
        self._fault = fault
        self._open = True

    @property
    def schema(self) -> pa.Schema:
        """As promised by the fragment."""
        return rows.schema(self._outputs)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        frame, self._first = self._first, None
        try:
            while self._open and frame is not None:
                for batch in pa.table(frame).to_batches():
                    if batch.num_rows:
                        yield rows.to_contract(batch, self._outputs, self._where)
                if self._open:
                    frame = self._running.call(lambda: next(self._frames, None))
        except _DRIVER_ERRORS as error:
            self._finish(reusable=False)
            raise self._fault(error) from None
        except VirtualizationError:
            self._finish(reusable=True)
            raise
        self._finish(reusable=True)

    def close(self) -> None:
        """Rows that were not asked for stay at the source; the session is free. Harmless when repeated."""
        self._finish(reusable=True)

    def _finish(self, *, reusable: bool) -> None:
        if self._open:
            self._open = False
            self._frames = iter(())  # closes the cursor with the session's next statement
            self._running.end(reusable=reusable)


class Client:
    """Thread-safe."""

    def __init__(self, settings: Settings, failed: Callable[[], None]) -> None:
        """``failed`` is called whenever a statement fails."""
        self.settings = settings
        self._pool = Pool(settings)
        self._failed = failed

    def stream(self, sql: str, outputs: Sequence[Output], what: str, context: QueryContext) -> RowStream:
        """Start ``sql``; ``what`` names its remote objects in errors."""
        large = any(output.value.remote == "lob" for output in outputs)
        size = min(self.settings.fetch_rows, _LARGE_ROWS) if large else self.settings.fetch_rows
        wanted = rows.wire_schema(outputs)

        def begin(running: Running, connection: Any) -> RowStream:  # noqa: ANN401 the driver's connection
            frames = connection.fetch_df_batches(sql, size=size, requested_schema=wanted)
            first = running.call(lambda: next(frames, None))
            where = f'data source "{self.settings.source}", {what}'
            return RowStream(running, first, frames, outputs, where, lambda error: self._fault(error, what, running))

        stream: RowStream = self.start(what, context, begin)
        return stream

    def rows(self, sql: str, parameters: Sequence[Any], what: str) -> list[dict[str, Any]]:
        """All rows of a small statement about the catalog, by the columns' names in lower case."""

        def begin(running: Running, connection: Any) -> list[dict[str, Any]]:  # noqa: ANN401 the driver's connection
            def all_rows() -> list[dict[str, Any]]:
                with connection.cursor() as cursor:
                    cursor.arraysize = cursor.prefetchrows = 1000
                    cursor.execute(sql, list(parameters))
                    names = [column[0].lower() for column in cursor.description]
                    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

            found: list[dict[str, Any]] = running.call(all_rows)
            running.end(reusable=True)
            return found

        made: list[dict[str, Any]] = self.start(what, QueryContext(), begin)
        return made

    def version(self) -> str:
        """Of the server, as it told at the login."""
        session = self._pool.take(QueryContext())
        try:
            return str(session.connection.version)
        finally:
            self._pool.give_back(session)

    def close(self) -> None:
        """See ``Pool.close``."""
        self._pool.close()

    def step(self, running: Running, what: str, step: Callable[[], Any]) -> Any:  # noqa: ANN401 what step gives
        """One more round trip of a statement; its fault is the source's."""
        try:
            return running.call(step)
        except _DRIVER_ERRORS as error:
            fault = self._fault(error, what, running)
            running.end(reusable=False)
            raise fault from None

    def start(self, what: str, context: QueryContext, begin: Callable[[Running, Any], Any]) -> Any:  # noqa: ANN401 what begin gives
        """``begin`` over a session; once more where an idle one was lost."""
        while True:
            session = self._pool.take(context)
            running = Running(self._pool, session, context, self.settings.statement_timeout)
            try:
                return begin(running, session.connection)
            except _DRIVER_ERRORS as error:
                lost, reused = is_lost(error), session.reused
                fault = self._fault(error, what, running)
                running.end(reusable=not lost)
                if lost and reused and running.ended is None:
                    self._pool.discard_idle()
                    continue
                raise fault from None
            except BaseException:
                running.end(reusable=False)
                raise

    def _fault(self, error: Exception, what: str, running: Running) -> VirtualizationError:
        self._failed()
        return statement_fault(error, self.settings.source, what, running.ended)
