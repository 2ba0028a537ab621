"""What follows a decision: each shard is told which loads became visible, then the master that it is done.

Nobody waits for this (readers carry the pending loads along), so what fails here is logged and left to the sweep. Loads that are
decided while a round is under way go together in the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from pools.compute.errors import StatementError
from pools.compute.loads.claims import Table, shards_of
from pools.compute.loads.ledger import Ledgers
from pools.compute.loads.shards import Shards
from pools.compute.loads.statistics import Statistics
from pools.compute.master import MasterAway

log = structlog.get_logger()


@dataclass(frozen=True)
class Decided:
    """A committed load of ``database`` (its name), whose rows carry ``identity``."""

    database: str
    identity: str
    load: str
    version: int
    tables: tuple[Table, ...]


class Publisher:
    """Of one replica."""

    def __init__(self, ledgers: Ledgers, shards: Shards) -> None:
        self._ledgers = ledgers
        self._shards = shards
        self._statistics = Statistics(ledgers, shards)
        self._waiting: dict[str, list[Decided]] = {}
        self._rounds: dict[str, asyncio.Task[None]] = {}

    def publish(self, decided: Decided) -> None:
        """Soon, in the background."""
        self._waiting.setdefault(decided.database, []).append(decided)
        if decided.database not in self._rounds:
            self._rounds[decided.database] = asyncio.create_task(self._work(decided.database))

    async def _work(self, database: str) -> None:
        try:
            while loads := self._waiting.pop(database, []):
                await self.published(database, loads)
        finally:
            del self._rounds[database]

    async def published(self, database: str, loads: Sequence[Decided]) -> int:
        """Tell the shards, then the master; returns how many are applied. Never raises what a shard or the master says."""
        failed: set[str] = set()
        shards: dict[tuple[str, int], Mapping[str, Any]] = {}
        asked: dict[tuple[str, int], list[Decided]] = {}
        for one in loads:
            for number, shard in shards_of(one.tables).items():
                shards[one.identity, number] = shard
                asked.setdefault((one.identity, number), []).append(one)

        async def tell(key: tuple[str, int]) -> None:
            body = {"loads": [[one.load, one.version] for one in asked[key]]}
            try:
                await self._shards.act(shards[key], key[0], "publish", body)
            except StatementError as error:
                failed.update(one.load for one in asked[key])
                log.warning("a shard did not publish", shard=key[1], database=database, loads=len(asked[key]), why=error.message)

        await asyncio.gather(*(tell(key) for key in shards))
        applied = [one.load for one in loads if one.load not in failed]
        if applied:
            try:
                marks = self._shards.signer.marks(shard["id"] for shard in shards.values())
                await self._ledgers.of(database).applied(applied, marks)
            except (MasterAway, StatementError) as error:
                log.warning("loads are published, but the master does not know yet", database=database, why=str(error))
                return 0
        for one in loads:
            if one.load not in failed:
                self._statistics.loaded(database, one.identity, one.tables)
        return len(applied)

    async def close(self) -> None:
        """Finish what is under way, briefly; the rest is the sweep's of another replica."""
        await self._statistics.close()
        rounds = list(self._rounds.values())
        if rounds:
            _, late = await asyncio.wait(rounds, timeout=2.0)
            for task in late:
                task.cancel()
