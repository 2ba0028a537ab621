"""The extended protocol of one connection: prepared statements and portals."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from pools.compute import lexer, parameters, statements
from pools.compute.errors import StatementError
from pools.compute.session import Outcome, Session
from pools.compute.wire import backend, frontend
from pools.compute.wire.link import Link
from pools.compute.wire.results import describe_rows, send_rows
from pools.compute.writes import parsing


@dataclass(frozen=True)
class Prepared:
    """``sql`` has its ``$n`` still in it; None: an empty statement."""

    sql: str | None
    oids: tuple[int, ...]
    rows: parsing.Insert | None = None
    """An INSERT whose rows are its parameters."""


@dataclass
class Portal:
    """A statement with its values; ``outcome`` once it was started."""

    statement: statements.Statement | None
    formats: tuple[int, ...]
    outcome: Outcome | None = None
    finished: bool = False

    def close(self) -> None:
        """Stop what runs for it."""
        if self.outcome is not None and self.outcome.rows is not None:
            self.outcome.rows.close()


class Extended:
    """Handlers raise; the connection reports and skips to the next Sync. ``done`` is told of each finished statement."""

    def __init__(self, session: Session, link: Link, done: Callable[[statements.Statement, Outcome], None]) -> None:
        self._session = session
        self._link = link
        self._done = done
        self.prepared: dict[str, Prepared] = {}
        self.portals: dict[str, Portal] = {}

    async def handle(self, message: frontend.Message) -> None:
        """One message of the extended protocol."""
        await _HANDLERS[type(message)](self, message)

    def end(self) -> None:
        """Outside a transaction no portal lives longer than its sequence."""
        for name in list(self.portals):
            self.portals.pop(name).close()

    def forget(self, name: str | None) -> None:
        """DEALLOCATE; None: all."""
        if name is None:
            self.prepared.clear()
        elif self.prepared.pop(name, None) is None:
            raise StatementError("26000", f'prepared statement "{name}" does not exist')

    async def _parse(self, message: frontend.Parse) -> None:
        if message.name and message.name in self.prepared:
            raise StatementError("42P05", f'prepared statement "{message.name}" already exists')
        batch = parsing.batch(message.sql)
        self.prepared[message.name] = _prepared(message) if batch is None else _prepared_batch(message, batch)
        self._link.send(backend.PARSE_COMPLETE)

    def _statement(self, name: str) -> Prepared:
        found = self.prepared.get(name)
        if found is None:
            raise StatementError("26000", f'prepared statement "{name}" does not exist')
        return found

    def _portal(self, name: str) -> Portal:
        found = self.portals.get(name)
        if found is None:
            raise StatementError("34000", f'portal "{name}" does not exist')
        return found

    async def _bind(self, message: frontend.Bind) -> None:
        prepared = self._statement(message.statement)
        if message.portal and message.portal in self.portals:
            raise StatementError("42P03", f'portal "{message.portal}" already exists')
        replaced = self.portals.pop(message.portal, None)
        if replaced is not None:
            replaced.close()
        self.portals[message.portal] = Portal(_bound(prepared, message), message.result_formats)
        self._link.send(backend.BIND_COMPLETE)

    async def _describe(self, message: frontend.Describe) -> None:
        if message.kind == "P" and message.name in self._session.cursors and message.name not in self.portals:
            # DECLARE makes a portal too: psycopg's server-side cursors describe it
            self._link.send(describe_rows(self._session.cursor(message.name).columns, ()))
            return
        if message.kind == "P":
            portal = self._portal(message.name)
            if isinstance(portal.statement, statements.Select):
                await self._start(portal)
            if portal.outcome is not None:
                columns = portal.outcome.columns
            else:
                columns = await self._session.describe(portal.statement) if portal.statement is not None else None
            self._link.send(backend.NO_DATA if columns is None else describe_rows(columns, portal.formats))
            return
        prepared = self._statement(message.name)
        self._link.send(backend.parameter_description(prepared.oids))
        columns = None
        if prepared.sql is not None and prepared.rows is None:
            nulls = parameters.nulls(prepared.oids)
            columns = await self._session.describe(statements.read(parameters.fill(prepared.sql, nulls) if nulls else prepared.sql))
        self._link.send(backend.NO_DATA if columns is None else describe_rows(columns, ()))

    async def _start(self, portal: Portal) -> Outcome:
        if portal.outcome is None:
            assert portal.statement is not None
            portal.outcome = await self._session.perform(portal.statement, portal.formats)
        return portal.outcome

    async def _execute(self, message: frontend.Execute) -> None:
        portal = self._portal(message.portal)
        if portal.statement is None:
            self._link.send(backend.EMPTY_QUERY)
            return
        outcome = await self._start(portal)
        if outcome.rows is None and portal.finished:
            raise StatementError("55000", f'portal "{message.portal}" cannot be run again')
        sent, ended = await send_rows(self._session, self._link, outcome, portal.formats, message.limit)
        if not ended:
            self._link.send(backend.PORTAL_SUSPENDED)
            return
        portal.finished = True
        self._done(portal.statement, outcome)
        self._link.send(backend.command_complete(outcome.final_tag(sent)))

    async def _close(self, message: frontend.Close) -> None:
        if message.kind == "S":
            self.prepared.pop(message.name, None)
        elif (portal := self.portals.pop(message.name, None)) is not None:
            portal.close()
        self._link.send(backend.CLOSE_COMPLETE)


def _prepared(message: frontend.Parse) -> Prepared:
    parts = lexer.split(message.sql)
    if len(parts) > 1:
        raise StatementError("42601", "cannot insert multiple commands into a prepared statement")
    sql = parts[0] if parts else None
    statement = statements.read(sql) if sql is not None else None  # refuse wrong commands now
    rows = statement if isinstance(statement, parsing.Insert) and statement.rows else None
    return Prepared(sql, parameters.declared(sql or "", message.oids), rows)


def _prepared_batch(message: frontend.Parse, batch: parsing.Insert) -> Prepared:
    """A text of half a megabyte: known whole, so that none of its thousands of parameters is looked at."""
    oids = [oid or parameters.TEXT for oid in message.oids]
    missing = len(batch.columns) * batch.rows - len(oids)
    return Prepared(message.sql, (*oids, *[parameters.TEXT] * missing), batch)


def _bound(prepared: Prepared, message: frontend.Bind) -> statements.Statement | None:
    """The statement with its values. Rows of an INSERT stay values: written out, thousands of them would be parsed one by one."""
    if prepared.sql is None:
        return None
    if prepared.rows is not None:
        texts = parameters.texts(message.values, message.formats, prepared.oids)
        return parsing.InsertRows(prepared.rows, texts, len(prepared.rows.columns))
    values = parameters.literals(message.values, message.formats, prepared.oids)
    return statements.read(parameters.fill(prepared.sql, values) if values else prepared.sql)


_HANDLERS: dict[type, Callable[[Extended, Any], Coroutine[Any, Any, None]]] = {
    frontend.Parse: Extended._parse,
    frontend.Bind: Extended._bind,
    frontend.Describe: Extended._describe,
    frontend.Execute: Extended._execute,
    frontend.Close: Extended._close,
}
