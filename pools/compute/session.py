"""What one connection means: transaction, settings, cursors, and the statements that read or change them.

Knows nothing of bytes: statements in, ``Outcome`` out. Everything here runs on the event loop; planning and engines run on threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pools.compute import answers, requests, statements
from pools.compute.auditing import Auditing
from pools.compute.catalogs import Catalogs, Identity
from pools.compute.cursors import Cursor, FetchedRows
from pools.compute.errors import StatementError
from pools.compute.explaining import row_by_row
from pools.compute.identities import personal
from pools.compute.planning import Planning
from pools.compute.queries import Origin, Queries, Query
from pools.compute.rows import FixedRows, Rows
from pools.compute.runner import QueryRunner
from pools.compute.settings import Limits
from pools.compute.snapshot import Snapshot
from pools.compute.variables import Variables
from pools.compute.writes.parsing import HINT, Insert, InsertRows, Modify, Truncate, Write
from pools.compute.writes.session import Writes
from virtualization.errors import SourceUnreachableError, UnsupportedError
from virtualization.placement import ReadState, ReadStates
from virtualization.plan import OutputColumn, QueryContext

if TYPE_CHECKING:
    from pools.compute.loads.service import DataPool
    from pools.compute.scoring.apps import Apps

NO_TRANSACTION = "there is no transaction in progress"


@dataclass(frozen=True)
class Pool:
    """What all sessions share. ``runner`` builds the engine on first use (on a thread)."""

    runner: Callable[[], QueryRunner]
    queries: Queries
    catalogs: Catalogs
    requests: requests.Requests
    limits: Limits
    data: DataPool | None = None
    """The coordinator of loads; None where there are no shards."""

    @property
    def audit(self) -> Auditing:
        """Who is told of logins."""
        return self.requests.audit

    scratch: Callable[[], str | None] = lambda: None
    """Address of the scratch PostgreSQL, for the role that may only make temporary tables; None where there is none."""

    apps: Apps | None = None
    """What queries may call; None: there is no app pool, or none that this pool reaches."""


def _refuse_row_by_row(sql: str) -> None:
    """What can't be carried out here."""
    if row_by_row(sql):
        raise StatementError(
            "0A000",
            "this UPDATE or DELETE can't be carried out on virtual tables: the master could not ship it whole",
            hint=HINT,
        )


def reading(state: ReadState | None, written: frozenset[str]) -> ReadStates:
    """What a query asks when it comes to a table of the data pool; ``written``: by this transaction."""

    def of(tables: Sequence[str]) -> ReadState:
        if not written.isdisjoint(tables):
            raise UnsupportedError(
                "a table of the data pool can't be read after it was written in the same transaction",
                hint="COMMIT first: the rows are visible from then on.",
            )
        if state is None:
            raise SourceUnreachableError("the state of the data pool is not known: the master is away", hint="Try again.")
        return state

    return of


@dataclass
class Outcome:
    """Of one statement. ``tag`` is shown at the end; with ``rows`` the number of rows is added to it."""

    tag: str
    rows: Rows | None = None
    warning: tuple[str, str] | None = None
    """(SQLSTATE, text) of a WARNING."""

    columns: tuple[OutputColumn, ...] | None = field(init=False)

    def __post_init__(self) -> None:
        self.columns = None if self.rows is None else tuple(self.rows.columns)

    def final_tag(self, sent: int) -> str:
        """CommandComplete's text after ``sent`` rows."""
        return self.tag if self.rows is None else f"{self.tag} {sent}"


class Session:
    """One connection after its login. ``process``: the pid that the client knows; ``trace``: shown at the sources."""

    def __init__(self, pool: Pool, identity: Identity, process: int, given: dict[str, str]) -> None:
        self.pool = pool
        self.identity = identity
        self.process = process
        self.variables = Variables(given, identity.user)
        self.status = "I"
        self.cursors: dict[str, Cursor] = {}
        self.queries: set[Query] = set()
        self.busy = False
        """A statement is under way (set by the connection)."""

        self.interrupted: Exception | None = None
        """The statement under way was cancelled: looked at between chunks."""

        self._confirming: Awaitable[ReadState | None] | None = None
        self._state: ReadState | None = None
        """Of the data pool, the same for the whole transaction."""

        self._savepoints: list[tuple[str, frozenset[str], int]] = []
        """Name, cursors then, and the number by which the load knows it."""

        application = self.variables.get("application_name")
        from_master = identity.mapping and application.startswith("bdc ")
        self.trace = application if from_master else f"bdc pool {process}"
        self.origin = Origin(identity.user, identity.database, application if from_master else f"session {process}")
        self._planning = Planning(self)
        self._writes = Writes(self, pool.data.coordinator if pool.data is not None else None, self._planning.batches)

    # What the planner is told

    def catalog(self) -> Snapshot:
        """What is known now, along this session's search path."""
        return self._own(self.pool.catalogs.current(self.identity.database))

    async def confirmed(self) -> None:
        """From here on ``catalog`` is as new as this transaction's begin (outside of one and for its later queries: as now)."""
        asked, self._confirming = self._confirming or self.pool.catalogs.confirm(self.identity.database), None
        if asked is not None:
            answer = asyncio.ensure_future(asked)
            await asyncio.wait((answer,))  # others may wait for the same answer: not cancelled with us
            if self.status == "I" or self._state is None:
                self._state = None if answer.cancelled() else answer.result()

    async def refreshed_catalog(self) -> Snapshot:
        """The same, read again."""
        return self._own(await self.pool.catalogs.refresh(self.identity.database))

    def _own(self, catalog: Snapshot) -> Snapshot:
        return catalog.along(self.variables.search_path(self.identity.user), self.variables.pushdown)

    @property
    def state(self) -> ReadState | None:
        """Of the data pool, as this transaction sees it."""
        return self._state

    @property
    def of_master(self) -> str | None:
        """The master's session (``%c``) behind this one: ``bdc <pid> <%c> …`` is its application name."""
        words = self.trace.split()
        return words[2] if self.identity.mapping and len(words) > 2 and words[0] == "bdc" else None

    def context(self, user: str | None = None, zone: str | None = None) -> QueryContext:
        """Of a new query; ``user``: for whom, ``zone``: in which time zone, when it is not the session's own."""
        memory = self.pool.limits.query_memory_mb
        return QueryContext(
            memory_bytes=None if memory is None else memory << 20,
            timezone=zone or self.variables.timezone,
            user=user or self.identity.user,
            trace=self.trace,
            read_states=reading(self._state, self._writes.tables),
        )

    def facts(self) -> answers.Facts:
        """For short answers."""
        path = self.variables.search_path(self.identity.user)
        schemas = {table.schema for table in self.catalog().tables()} | {"public"}
        schema = next((name for name in path if name in schemas), None)
        return answers.Facts(self.identity.user, self.identity.database, self.process, schema, self.variables.get)

    # Statements

    async def perform(self, statement: statements.Statement, formats: tuple[int, ...] = ()) -> Outcome:
        """Carry one statement out; an error leaves a transaction failed (the caller calls ``fail``)."""
        ends = statements.Commit | statements.Rollback
        if self.status == "E" and not isinstance(statement, ends) and not self._goes_back(statement):
            raise StatementError("25P02", "current transaction is aborted, commands ignored until end of transaction block")
        performer = _PERFORMERS.get(type(statement))
        if performer is not None:
            return performer(self, statement)
        waiting = _WAITING[type(statement)]
        return await waiting(self, statement, formats)

    async def describe(self, statement: statements.Statement) -> tuple[OutputColumn, ...] | None:
        """The columns of its result without running it; None where there is no result."""
        match statement:
            case statements.Select(sql):
                return await self._planning.columns(self._personal(sql))
            case statements.Fetch(name, _, False):
                return tuple(self.cursor(name).columns)
            case statements.Show(name):
                return (OutputColumn(name, "text"),)
            case statements.Explain():
                return (statement.column,)
        return None

    @staticmethod
    def _goes_back(statement: statements.Statement) -> bool:
        return isinstance(statement, statements.Savepoint) and statement.action == "rollback"

    def fail(self) -> None:
        """A statement failed."""
        if self.status == "T":
            self.status = "E"

    def close(self, reason: Exception | None = None) -> None:
        """The connection ends: everything that runs for it stops, also at the sources."""
        for query in list(self.queries):
            if reason is not None:
                query.cancel(reason)
        for cursor in self.cursors.values():
            cursor.close()
        self.cursors.clear()
        self._writes.close()

    def cancel(self, reason: Exception) -> None:
        """Stop the statement that runs now; cursors that wait for their next FETCH stay."""
        if not self.busy:
            return
        self.interrupted = reason
        resting = {cursor.query for cursor in self.cursors.values()}
        for query in list(self.queries):
            if query.awaited or query not in resting:
                query.cancel(reason)

    def track(self, query: Query) -> None:
        """It belongs to this session."""
        self.queries.add(query)

    def finished(self, query: Query) -> None:
        """Its place is free for another."""
        self.queries.discard(query)
        self.pool.queries.finish(query)

    def cursor(self, name: str) -> Cursor:
        """An open one."""
        found = self.cursors.get(name)
        if found is None:
            raise StatementError("34000", f'cursor "{name}" does not exist')
        return found

    # Transactions

    def _begin(self, statement: statements.Begin) -> Outcome:
        if self.status != "I":
            return Outcome("BEGIN", warning=("25001", "there is already a transaction in progress"))
        self.status = "T"
        self._confirming = self.pool.catalogs.confirm(self.identity.database)  # asked now, so that the first query hardly waits
        self.variables.begin()
        return Outcome("BEGIN")

    async def _commit(self, statement: statements.Commit, formats: tuple[int, ...] = ()) -> Outcome:
        if self.status == "E":
            return await self._rollback(statements.Rollback())
        if self.status == "I":
            return Outcome("COMMIT", warning=("25P01", NO_TRANSACTION))
        try:
            await self._writes.commit()
        except BaseException:
            self.variables.rollback()
            self._end(keep_held=False)
            raise
        self.variables.commit()
        self._end(keep_held=True)
        return Outcome("COMMIT")

    async def _rollback(self, statement: statements.Rollback, formats: tuple[int, ...] = ()) -> Outcome:
        if self.status == "I":
            return Outcome("ROLLBACK", warning=("25P01", NO_TRANSACTION))
        await self._writes.roll_back()
        self.variables.rollback()
        self._end(keep_held=False)
        return Outcome("ROLLBACK")

    def _end(self, *, keep_held: bool) -> None:
        self.status = "I"
        self._state = None
        self._savepoints.clear()
        for name, cursor in list(self.cursors.items()):
            if not cursor.held or not (keep_held or cursor.survives):
                self._drop(name)
            else:
                cursor.survives = True

    def _drop(self, name: str) -> None:
        self.cursors.pop(name).close()

    async def _savepoint(self, statement: statements.Savepoint, formats: tuple[int, ...]) -> Outcome:
        if self.status == "I":
            raise StatementError("25P01", "SAVEPOINT can only be used in transaction blocks")
        if statement.action == "make":
            self._savepoints.append((statement.name, frozenset(self.cursors), await self._writes.savepoint()))
            return Outcome("SAVEPOINT")
        place = next((at for at in reversed(range(len(self._savepoints))) if self._savepoints[at][0] == statement.name), None)
        if place is None:
            raise StatementError("3B001", f'savepoint "{statement.name}" does not exist')
        if statement.action == "release":
            del self._savepoints[place:]
            return Outcome("RELEASE")
        for name in self.cursors.keys() - self._savepoints[place][1]:
            self._drop(name)
        await self._writes.roll_back_to(self._savepoints[place][2])
        del self._savepoints[place + 1 :]
        self.status = "T"
        return Outcome("ROLLBACK")

    # Settings

    def _set(self, statement: statements.Set) -> Outcome:
        self.variables.set(statement.name, statement.value, local=statement.local)
        return Outcome("SET" if statement.value is not None else "RESET")

    def _show(self, statement: statements.Show) -> Outcome:
        columns = (OutputColumn(statement.name, "text"),)
        return Outcome("SHOW", FixedRows(columns, [(self.variables.get(statement.name),)]))

    def _discard(self, statement: statements.Discard) -> Outcome:
        if statement.what == "all":
            if self.status != "I":
                raise StatementError("25001", "DISCARD ALL cannot run inside a transaction block")
            for name in list(self.cursors):
                self._drop(name)
            self.variables.set("all", None)
        return Outcome(f"DISCARD {statement.what.upper()}")

    # Cursors

    async def _declare(self, statement: statements.Declare, formats: tuple[int, ...]) -> Outcome:
        if self.status == "I" and not statement.hold:
            raise StatementError("25P01", "DECLARE CURSOR can only be used in transaction blocks")
        if statement.name in self.cursors:
            raise StatementError("42P03", f'cursor "{statement.name}" already exists')
        _refuse_row_by_row(statement.sql)
        sql = self._personal(statement.sql)

        async def start() -> Rows:
            return await self._planning.rows(sql)

        self.cursors[statement.name] = Cursor(start, await start(), held=statement.hold)
        return Outcome("DECLARE CURSOR")

    async def _fetch(self, statement: statements.Fetch, formats: tuple[int, ...]) -> Outcome:
        cursor = self.cursor(statement.name)
        await cursor.ready()
        if statement.move:
            return Outcome(f"MOVE {await cursor.skip(statement.count)}")
        return Outcome("FETCH", FetchedRows(cursor, None if statement.count == statements.ALL else statement.count))

    def _rewind(self, statement: statements.Rewind) -> Outcome:
        return Outcome(f"MOVE {self.cursor(statement.name).rewind()}")

    def _close_cursor(self, statement: statements.CloseCursor) -> Outcome:
        if statement.name is None:
            for name in list(self.cursors):
                self._drop(name)
            return Outcome("CLOSE CURSOR ALL")
        self.cursor(statement.name)
        self._drop(statement.name)
        return Outcome("CLOSE CURSOR")

    # Queries

    def _personal(self, sql: str) -> str:
        """The master ships no ``current_user``; a text of a direct user is made his own."""
        return sql if self.identity.mapping else personal(sql, self.identity.user, self.identity.database)

    async def _select(self, statement: statements.Select, formats: tuple[int, ...]) -> Outcome:
        _refuse_row_by_row(statement.sql)
        return Outcome("SELECT", await self._planning.rows(self._personal(statement.sql), formats))

    async def _explain(self, statement: statements.Explain, formats: tuple[int, ...]) -> Outcome:
        lines = await self._planning.explanation(replace(statement, sql=self._personal(statement.sql)))
        return Outcome("EXPLAIN", FixedRows((statement.column,), [(line,) for line in lines]))

    async def _write(self, statement: Write, formats: tuple[int, ...]) -> Outcome:
        await self.confirmed()
        return Outcome(await self._writes.perform(statement))

    def _unsupported(self, statement: statements.Unsupported) -> Outcome:
        raise StatementError(
            "0A000", f"the compute pool does not run {statement.word}", hint="It answers queries; run everything else on the master."
        )

    def _deallocate(self, statement: statements.Deallocate) -> Outcome:
        # Named statements belong to the protocol: the connection drops them.
        return Outcome("DEALLOCATE" if statement.name is not None else "DEALLOCATE ALL")


_PERFORMERS: dict[type, Callable[[Session, Any], Outcome]] = {
    statements.Begin: Session._begin,
    statements.Set: Session._set,
    statements.Show: Session._show,
    statements.Discard: Session._discard,
    statements.Rewind: Session._rewind,
    statements.CloseCursor: Session._close_cursor,
    statements.Deallocate: Session._deallocate,
    statements.Unsupported: Session._unsupported,
}

_WAITING: dict[type, Callable[[Session, Any, tuple[int, ...]], Awaitable[Outcome]]] = {
    statements.Select: Session._select,
    statements.Declare: Session._declare,
    statements.Fetch: Session._fetch,
    statements.Explain: Session._explain,
    statements.Commit: Session._commit,
    statements.Rollback: Session._rollback,
    statements.Savepoint: Session._savepoint,
    Insert: Session._write,
    InsertRows: Session._write,
    Truncate: Session._write,
    Modify: Session._write,
}
