"""What the master's planner knows of a table, brought up to date after loads: without it the master joins tables of the data pool itself,
row by row, instead of having them joined in the pool. Best effort, in the background: it decides nothing, and no load waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from pools.compute.errors import StatementError
from pools.compute.loads.claims import Table
from pools.compute.loads.ledger import Ledgers
from pools.compute.loads.shards import Shards
from pools.compute.master import MasterAway

log = structlog.get_logger()

FIRST_SECONDS = 1.0
"""After a load; one that follows soon is looked at together with it."""

LONGEST_SECONDS = 10.0
"""While loads go on without a pause."""


class Statistics:
    """Of one replica; lives on the event loop."""

    def __init__(self, ledgers: Ledgers, shards: Shards) -> None:
        self._ledgers = ledgers
        self._shards = shards
        self._due: dict[tuple[str, str], tuple[str, Table]] = {}
        self._task: asyncio.Task[None] | None = None

    def loaded(self, database: str, identity: str, tables: Sequence[Table]) -> None:
        """Rows of these tables have changed (those that were dropped meanwhile have no shards)."""
        self._due.update({(database, table["id"]): (identity, table) for table in tables if table.get("shards")})
        if self._due and self._task is None:
            self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        wait = FIRST_SECONDS
        try:
            while self._due:
                await asyncio.sleep(wait)
                due, self._due = self._due, {}
                for (database, number), (identity, table) in due.items():
                    await self._look(database, identity, number, table)
                wait = min(LONGEST_SECONDS, wait * 2)
        finally:
            self._task = None

    async def _look(self, database: str, identity: str, number: str, table: Table) -> None:
        try:
            rows = await self._rows(identity, table)
            if await self._ledgers.of(database).analyze(number, rows):
                log.info("statistics of a table renewed", database=database, table=number, rows=rows)
        except (MasterAway, StatementError) as error:
            log.info("statistics of a table are not renewed", database=database, table=number, why=str(error))

    async def _rows(self, identity: str, table: Table) -> int:
        """Of the generation that the load has left."""
        shards = table["shards"][:1] if table["distribution"]["kind"] == "replicated" else table["shards"]
        asked = (self._shards.act(shard, identity, "stats", {"tables": [table["id"]]}) for shard in shards)
        found = [row for rows in await asyncio.gather(*asked) for row in rows]
        return sum(int(row["rows"]) for row in found if row["generation"] == table["generation"])

    async def close(self) -> None:
        """Stop; what is due is looked at after the next load."""
        if self._task is not None:
            self._task.cancel()
