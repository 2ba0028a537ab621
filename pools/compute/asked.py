"""What the master's procedures ask of the pool, answered by the session that is asked: see ``requests`` for the form."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from pools.compute import requests
from pools.compute.catalogs import Identity
from pools.compute.errors import StatementError
from pools.compute.explaining import EXPLAIN, asked_explanation
from pools.compute.queries import Query
from pools.compute.remote_queries import REMOTE_QUERY, RemoteQuery
from pools.compute.rows import FixedRows, Rows
from pools.compute.scoring import score
from pools.compute.snapshot import Snapshot
from pools.compute.verification import VERIFY, Wanted
from virtualization.errors import UnknownTableError

if TYPE_CHECKING:
    from pools.compute.planning import Planning
    from pools.compute.session import Session


class Asked:
    """Of one session."""

    def __init__(self, session: Session, planning: Planning) -> None:
        self._session = session
        self._planning = planning
        self._pool = session.pool

    async def rows(self, request: requests.Request) -> Rows:
        """The answer; StatementError 42501 for anybody but the master's procedures."""
        identity = self._session.identity
        if not identity.mapping or identity.user != requests.CALLER:
            raise StatementError("42501", "permission denied for table compute_request")
        content = self._pool.requests.parse(request)
        if content["action"] == score.SCORE:
            await self._session.confirmed()
            return await self._planning.scored(score.Wanted.of(content), self._caller(content), request.columns)
        responses = self._pool.requests.live(content)
        if responses is None:
            query = Query(0, self._session.origin, content["action"], self._session.context(), self._pool.queries.threads)
            self._session.track(query)
            try:
                responses = await self._answered(query, content)
            finally:
                self._session.queries.discard(query)
        return FixedRows(*requests.shaped(request, responses))

    async def _answered(self, query: Query, content: dict[str, object]) -> list[object]:
        def work(catalog: Snapshot) -> list[object]:
            return self._pool.requests.answer(content, catalog)

        await self._session.confirmed()
        data = self._pool.data
        if content["action"] == requests.MERGE:
            return [{"rows": await self._merged(query, content)}]
        if content["action"] == VERIFY:
            return [await self._verified(query, content)]
        if data is not None and content["action"] in data.actions:
            return await query.wait(asyncio.ensure_future(data.answer(content, self._session.catalog())))
        if content["action"] == EXPLAIN:
            return await asked_explanation(content, partial(self._planning.explained, who=self._caller(content)))
        if content["action"] == score.SCORE_COLUMNS:
            columns = await self._planning.scored_columns(score.Wanted.of(content), self._caller(content))
            return [{"name": column.name, "type": column.type} for column in columns]
        if content["action"] == REMOTE_QUERY:
            return await self._passed_through(content)
        known = self._session.catalog()
        return await query.on_thread(lambda: work(known))

    async def _merged(self, query: Query, content: dict[str, Any]) -> int:
        from pools.compute.writes.merging import Merge, merge

        data = self._pool.data
        if data is None:
            raise StatementError("0A000", "the cluster has no data pool")
        try:
            wanted = Merge.of(content, self._session.catalog())
        except KeyError as error:
            raise StatementError("22023", f"the request lacks {error}") from error
        except UnknownTableError:
            wanted = Merge.of(content, await self._session.refreshed_catalog())
        who = self._caller(content)
        user = who.user
        working = asyncio.ensure_future(
            merge(data.coordinator, who, wanted, lambda sql: self._planning.batches(sql, user), self._session.of_master)
        )
        try:
            return await query.wait(working)
        finally:
            working.cancel()

    async def _verified(self, query: Query, content: dict[str, Any]) -> dict[str, object]:
        """Only over tables that the caller may read."""
        try:
            wanted = Wanted.of(content, await self._session.refreshed_catalog())
        except KeyError as error:
            raise StatementError("22023", f"the request lacks {error}") from error
        who = self._caller(content)
        user = who.user
        await self._planning.check_tables(who, set(wanted.catalog.virtual_tables))

        def work() -> dict[str, object]:
            return wanted.run(
                self._pool.runner(), self._pool.scratch(), lambda: self._session.context(user), lambda: query.context.cancelled
            )

        return await query.on_thread(work)

    async def _passed_through(self, content: dict[str, Any]) -> list[object]:
        """A text of the source's own language: a query like any other, of whoever asks for it through the master."""
        wanted = RemoteQuery.of(content, self._caller(content).user)
        source = self._pool.requests.source(content, self._session.catalog())
        query = await self._planning.opened(wanted.text, wanted.user)
        try:
            query.state = "running"
            rows = await query.on_thread(lambda: wanted.run(self._pool.runner().connector(source), query.context))
            query.rows = len(rows)
            return rows
        except BaseException as error:
            query.failed(error)
            raise
        finally:
            self._session.finished(query)

    def _caller(self, content: dict[str, Any]) -> Identity:
        """For whom the master asks."""
        return Identity(str(content.get("user", "")), self._session.identity.database, mapping=False)
