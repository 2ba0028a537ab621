"""One authenticated connection: messages in, statements through the session, answers out, until the client or the pool ends it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from pools.compute import lexer, statements
from pools.compute.errors import CancelRequestedError, ProtocolError, ShutdownError
from pools.compute.session import Outcome, Session
from pools.compute.settings import Limits
from pools.compute.wire import backend, frontend, reports
from pools.compute.wire.extended import Extended
from pools.compute.wire.link import Link
from pools.compute.wire.results import describe_rows, send_rows

_EXTENDED = frontend.Parse | frontend.Bind | frontend.Describe | frontend.Execute | frontend.Close
_REPORTING = statements.Set | statements.Commit | statements.Rollback | statements.Discard


class Connection:
    """``key``: what a cancel request must show."""

    def __init__(self, session: Session, link: Link, key: bytes, limits: Limits) -> None:
        self.session = session
        self.key = key
        self._link = link
        self._limits = limits
        self._extended = Extended(session, link, self._finished)
        self._skipping = False
        self._reported: dict[str, str] = {}
        self._ending: ShutdownError | None = None
        self._idle = False
        link.gone = self._gone

    def _gone(self) -> None:
        self.session.interrupted = CancelRequestedError("the client left", reason="left")
        self.session.close(self.session.interrupted)

    def cancel(self) -> None:
        """A cancel request came."""
        self.session.cancel(CancelRequestedError("canceling statement due to user request"))

    def end(self, reason: ShutdownError) -> None:
        """End the connection: a statement under way is cancelled with ``reason``, an idle client is told at once."""
        self._ending = reason
        self.session.cancel(reason)
        if self._idle:
            self._link.interrupt(reason)

    @property
    def busy(self) -> bool:
        """Is a statement under way?"""
        return self.session.busy

    async def run(self) -> None:
        """Until the end; errors of the network end it quietly."""
        self._report_changes()
        self._link.send(backend.backend_key(self.session.process, self.key))
        self._ready()
        try:
            while (message := await self._next()) is not None and not isinstance(message, frontend.Terminate):
                if not await self._handle(message):
                    break
        except ConnectionError:
            pass
        finally:
            self._extended.end()
            self.session.close(CancelRequestedError("the client left", reason="left"))

    async def _next(self) -> frontend.Message | None:
        limits, outside = self._limits, self.session.status == "I"
        self._idle = True
        try:
            if self._ending is not None:
                raise self._ending
            return await self._link.next(limits.idle_seconds if outside else limits.idle_transaction_seconds)
        except TimeoutError:
            kind = "idle-session" if outside else "idle-in-transaction"
            self._fatal(ShutdownError(f"terminating connection due to {kind} timeout"))
        except (ShutdownError, ProtocolError) as error:
            self._fatal(error)
        finally:
            self._idle = False
        return None

    def _fatal(self, error: Exception) -> None:
        self._link.send(reports.error_response(error))
        self._link.flush()

    async def _handle(self, message: frontend.Message) -> bool:
        """False: the connection ends."""
        if isinstance(message, frontend.Sync):
            self._skipping = False
            self._ready()
            await self._link.drain()
            return True
        if isinstance(message, frontend.Query):
            return await self._simple(message.sql)
        if isinstance(message, frontend.Flush):
            await self._link.drain()
            return True
        if not isinstance(message, _EXTENDED) or self._skipping:
            return True
        try:
            with self._statement():
                await self._extended.handle(message)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 (whatever it is, the client gets an ErrorResponse and the session goes on)
            self._skipping = True
            return await self._failed(error)
        return True

    async def _simple(self, sql: str) -> bool:
        try:
            parts = lexer.split(sql)
            if not parts:
                self._link.send(backend.EMPTY_QUERY)
            for part in parts:
                with self._statement():
                    await self._run_simple(statements.read(part))
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 (as above)
            if not await self._failed(error):
                return False
        self._ready()
        await self._link.drain()
        return True

    async def _run_simple(self, statement: statements.Statement) -> None:
        outcome = await self.session.perform(statement)
        try:
            if outcome.columns is not None:
                self._link.send(describe_rows(outcome.columns, ()))
            sent, _ = await send_rows(self.session, self._link, outcome, ())
        finally:
            if outcome.rows is not None:
                outcome.rows.close()
        self._finished(statement, outcome)
        self._link.send(backend.command_complete(outcome.final_tag(sent)))

    def _finished(self, statement: statements.Statement, outcome: Outcome) -> None:
        """What a finished statement changes on this side."""
        if outcome.warning is not None:
            self._link.send(backend.notice("WARNING", *outcome.warning))
        if isinstance(statement, statements.Deallocate):
            self._extended.forget(statement.name)
        if isinstance(statement, statements.Discard) and statement.what == "all":
            self._extended.forget(None)
        if isinstance(statement, _REPORTING):
            self._report_changes()

    async def _failed(self, error: BaseException) -> bool:
        self.session.fail()
        self._link.send(reports.error_response(error))
        if reports.is_fatal(error):
            self._link.flush()
            return False
        await self._link.drain()
        return True

    @contextlib.contextmanager
    def _statement(self) -> Iterator[None]:
        """A statement is under way: it can be cancelled, and has a limit on time."""
        session = self.session
        session.busy, session.interrupted = True, self._ending
        seconds = session.variables.statement_timeout
        timer = None
        if seconds is not None:
            late = CancelRequestedError("canceling statement due to statement timeout", reason="timeout")
            timer = asyncio.get_running_loop().call_later(seconds, session.cancel, late)
        try:
            yield
        finally:
            session.busy = False
            if timer is not None:
                timer.cancel()

    def _ready(self) -> None:
        if self.session.status == "I":
            self._extended.end()
        self._link.send(backend.ready(self.session.status))
        self._link.flush()

    def _report_changes(self) -> None:
        now = self.session.variables.reported()
        for name, value in now.items():
            if self._reported.get(name) != value:
                self._link.send(backend.parameter_status(name, value))
        self._reported = now
