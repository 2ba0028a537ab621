"""From a query's text to running rows: short answers, requests of the master (``asked``), else the planner, on threads."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pools.compute import answers, requests
from pools.compute.asked import Asked
from pools.compute.catalogs import Identity
from pools.compute.errors import StatementError
from pools.compute.queries import Query
from pools.compute.rows import FixedRows, Rows, types_of
from pools.compute.runner import Explanation, QueryRunner
from pools.compute.scoring.called import may_call, needed, parsed, refused, resolved
from pools.compute.scoring.score import Scoring, Wanted, scored_columns
from pools.compute.snapshot import Snapshot
from pools.compute.source import Source
from pools.compute.statements import Explain
from pools.compute.streams import QueryRows
from pools.compute.whole import time_zone
from virtualization.errors import UnknownTableError
from virtualization.plan import OutputColumn, Plan, Result

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from sqlglot import exp

    from pools.compute.scoring.proxy import App
    from pools.compute.session import Session

T = TypeVar("T")

_SYSTEM = re.compile(r"\b(pg_catalog|information_schema)\s*\.|\bpg_[a-z_]+\b", re.I)


@dataclass
class _Opening:
    """See ``Opening``; planned and started in one piece of work: a change of thread costs more than planning from the cache."""

    runner: Callable[[], QueryRunner]
    query: Query
    sql: str | exp.Query
    catalog: Snapshot

    def plan(self) -> tuple[OutputColumn, ...] | None:
        """Where the source gives the rows as they are, the columns too."""
        plan = self.query.plan
        if plan is None:
            plan = self.query.plan = self.runner().plan(self.sql, self.catalog)
        return plan.columns if plan.residual is None else None

    def start(self) -> Result:
        """After ``plan``."""
        assert self.query.plan is not None
        return self.runner().run(self.query.plan, self.query.context)


class Planning:
    """Of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pool = session.pool

    async def rows(self, sql: str, formats: tuple[int, ...] = ()) -> Rows:
        """The running query; ``formats`` in which its rows will most likely be asked for."""
        request = requests.recognise(sql)
        if request is not None:
            return await Asked(self._session, self).rows(request)
        await self._session.confirmed()
        if _may_be_short(sql):
            count = answers.counting(sql, self._session.catalog())
            if count is not None:
                return await self._running(count, formats)
            known = answers.answer(sql, self._session.facts(), self._session.catalog())
            if known is not None:
                return FixedRows(known.columns, known.rows)
        return await self._running(sql, formats)

    async def columns(self, sql: str) -> tuple[OutputColumn, ...]:
        """Of the result, without running it."""
        request = requests.recognise(sql)
        if request is not None:
            return requests.shaped(request, ())[0]
        await self._session.confirmed()
        known = answers.answer(sql, self._session.facts(), self._session.catalog()) if _may_be_short(sql) else None
        if known is not None:
            return known.columns
        query = await self.opened(sql)
        query.recorded = False
        try:
            text = await self._with_apps(query, answers.sampled(sql)[0])

            def describe(catalog: Snapshot) -> tuple[OutputColumn, ...]:
                runner = self._pool.runner()
                plan = runner.plan(text, catalog)
                return plan.columns if plan.columns is not None else runner.describe(plan)

            return await self._with_catalog(query, sql, describe)
        finally:
            self._session.finished(query)

    async def batches(self, sql: str, user: str | None = None) -> AsyncIterator[RecordBatch]:
        """Rows of a query for a write, as they come; the query is this session's in every respect. ``user``: for whom the master asks."""
        query = await self.opened(sql, user)
        result: Result | None = None
        try:
            runner = self._pool.runner
            text = await self._with_apps(query, sql)
            plan = query.plan = await self._with_catalog(query, sql, lambda catalog: runner().plan(text, catalog))
            await self._check_rights(plan)
            result = await query.on_thread(lambda: runner().run(plan, query.context))
            query.state = "running"
            rows = iter(result)
            while (batch := await query.on_thread(lambda: next(rows, None))) is not None:
                query.rows += batch.num_rows
                yield batch
        except BaseException as error:
            query.failed(error)
            raise
        finally:
            if result is not None:
                await asyncio.get_running_loop().run_in_executor(query.threads, result.close)
            self._session.finished(query)

    async def explanation(self, statement: Explain) -> list[str]:
        """What EXPLAIN answers: lines, or one JSON document. The master's planner reads the first line: it wants PostgreSQL's own form."""
        await self._session.confirmed()
        explained, plan = await self.explained(statement.sql, statement.analyze)
        if statement.format == "json":
            return [_json_text([explained.json()])]
        return [self._estimate(plan), *(f"  {line}" for line in explained.text().splitlines())]

    async def explained(self, sql: str, analyze: bool, who: Identity | None = None) -> tuple[Explanation, Plan]:
        """How a query is carried out; ``analyze`` runs it, as a query like any other. ``who``: for whom the master asks. The text is the
        caller's own, whatever the master's plan said: what it names must be the caller's to read."""
        sql, zone = time_zone(sql)
        query = await self.opened(sql, who.user if who is not None else None, zone)
        query.recorded = analyze
        try:
            runner = self._pool.runner
            text = await self._with_apps(query, sql, who)
            plan = query.plan = await self._with_catalog(query, sql, lambda catalog: runner().plan(text, catalog))
            await (self._check_rights(plan) if who is None else self._check(who, plan))
            catalog = self._session.catalog()
            query.state = "running"
            explained = await query.on_thread(lambda: runner().explain(text, catalog, query.context, analyze))
            query.rows = query.context.answered.rows
            return explained, plan
        except BaseException as error:
            query.failed(error)
            raise
        finally:
            self._session.finished(query)

    def _estimate(self, plan: Plan) -> str:
        catalog = self._session.catalog()
        tables = [catalog.table(*key) for fragment in plan.fragments for key in fragment.tables]
        rows = max((answers.DEFAULT_ROWS if table.rows is None else table.rows for table in tables), default=1.0)
        lengths = [of.length if of.length > 0 else answers.DEFAULT_WIDTH for of in types_of(plan.columns or ())]
        total = 100.0 + rows * 0.01
        return f"Virtual Scan  (cost=100.00..{total:.2f} rows={max(1, round(rows))} width={sum(lengths)})"

    async def opened(self, sql: str, user: str | None = None, zone: str | None = None) -> Query:
        """A query of this session with its place among those that run; ``user``: for whom the master asks, ``zone``: in which time zone.
        ``finished`` must follow."""
        session = self._session
        entered: list[Query] = []

        def track(query: Query) -> None:
            entered.append(query)
            session.track(query)

        try:
            return await self._pool.queries.open(session.origin, sql, session.context(user, zone), track)
        except BaseException:
            session.queries.difference_update(entered)
            raise

    async def _running(self, sql: str, formats: tuple[int, ...]) -> Rows:
        session = self._session
        sql, zone = time_zone(sql)
        sampled, sample = answers.sampled(sql)
        query = await self.opened(sql, zone=zone)
        query.context.sample = sample
        rows: list[QueryRows] = []
        try:
            text = await self._with_apps(query, sampled)
            if not session.identity.mapping:
                query.plan = await self._with_catalog(query, sampled, lambda catalog: self._pool.runner().plan(text, catalog))
                await self._check_rights(query.plan)

            async def start(catalog: Snapshot) -> QueryRows:
                opening = _Opening(self._pool.runner, query, text, catalog)
                rows.append(QueryRows(query, Source(opening, session.variables.timezone, query.context.take_sample), session.finished))
                await rows[-1].open(formats)
                return rows[-1]

            try:
                return await start(session.catalog())
            except UnknownTableError:
                fresh = await session.refreshed_catalog()
                return await self._explained_miss(sampled, lambda: start(fresh))
        except BaseException as error:
            query.failed(error)
            for opened in rows:
                opened.close()
            session.finished(query)
            raise

    async def scored(self, wanted: Wanted, who: Identity, names: tuple[str, ...]) -> Rows:
        """The rows of a query with the outputs of an app, as ``bdc.score`` of the master takes them: they stream."""
        query = await self.opened(wanted.query, who.user)
        try:
            app, plan = await self._app_and_plan(query, wanted, who)
            apps, runner = needed(self._pool.apps), self._pool.runner
            scoring = Scoring(app, lambda: runner().run(plan, query.context), lambda: apps.scoring(app, query.context), names)
            rows = QueryRows(query, Source(scoring), self._session.finished)
            await rows.open()
            return rows
        except BaseException as error:
            query.failed(error)
            self._session.finished(query)
            raise

    async def scored_columns(self, wanted: Wanted, who: Identity) -> tuple[OutputColumn, ...]:
        """Names and types of what ``scored`` gives; nothing runs."""
        query = await self.opened(wanted.query, who.user)
        query.recorded = False
        try:
            app, plan = await self._app_and_plan(query, wanted, who)
            runner = self._pool.runner
            columns = plan.columns if plan.columns is not None else await query.on_thread(lambda: runner().describe(plan))
            return scored_columns(app, columns)
        finally:
            self._session.finished(query)

    async def _app_and_plan(self, query: Query, wanted: Wanted, who: Identity) -> tuple[App, Plan]:
        apps, runner = needed(self._pool.apps), self._pool.runner
        await self._check_app_reader(who)
        app = await query.on_thread(lambda: apps.find(wanted.name, who.user))
        text = await self._with_apps(query, wanted.query, who)

        def planned(catalog: Snapshot) -> Plan:
            return runner().plan(text, catalog.along(wanted.path, catalog.pushdown))

        plan = query.plan = await self._with_catalog(query, wanted.query, planned)
        await self._check(who, plan)
        return app, plan

    async def _with_apps(self, query: Query, sql: str, who: Identity | None = None) -> str | exp.Query:
        """The text, or its tree with the apps that it calls by ``predict``. StatementError 42501 for who may not."""
        called = parsed(sql) if may_call(sql) else None
        if called is None:
            return sql
        identity = who or self._session.identity
        await self._check_app_reader(identity)
        return await query.on_thread(lambda: resolved(called, self._pool.apps, identity.user))

    async def _check_app_reader(self, identity: Identity) -> None:
        if not await self._pool.catalogs.may_call_apps(identity):
            raise refused(identity.user)

    async def _with_catalog(self, query: Query, sql: str, work: Callable[[Snapshot], T]) -> T:
        """On a thread; once more with a fresh catalog when a table is unknown."""
        try:
            known = self._session.catalog()
            return await query.on_thread(lambda: work(known))
        except UnknownTableError:
            fresh = await self._session.refreshed_catalog()
            return await self._explained_miss(sql, lambda: query.on_thread(lambda: work(fresh)))

    async def _explained_miss(self, sql: str, work: Callable[[], Awaitable[T]]) -> T:
        """The second try; its error says what may be the matter."""
        try:
            return await work()
        except UnknownTableError as error:
            if _SYSTEM.search(sql):
                raise StatementError(
                    "0A000", "the compute pool has no system catalogs", detail=error.message, hint="Connect to the master for them."
                ) from error
            hint = "If a transaction that is still open created it, COMMIT first: the compute pool sees committed definitions only."
            raise UnknownTableError(error.message, detail=error.detail, hint=hint) from error

    async def _check_rights(self, plan: Plan) -> None:
        """The master has checked the rights of its own connections; for direct ones we ask it, table by table."""
        if not self._session.identity.mapping:
            await self._check(self._session.identity, plan)

    async def _check(self, identity: Identity, plan: Plan) -> None:
        await self.check_tables(identity, {key for fragment in plan.fragments for key in fragment.tables})

    async def check_tables(self, identity: Identity, tables: set[tuple[str, str]]) -> None:
        """StatementError 42501 for the first one that the user may not read."""
        if not tables:
            return
        table = await self._pool.catalogs.forbidden(identity, tables)
        if table is not None:
            raise StatementError("42501", f"permission denied for foreign table {table[1]}", detail=f"Schema: {table[0]}.")


def _may_be_short(sql: str) -> bool:
    """A cheap look before the text is read: most queries have a FROM and no system catalog."""
    lower = sql.lower()
    return "from" not in lower or "pg_" in lower or len(sql) < 64


def _json_text(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
