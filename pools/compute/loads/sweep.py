"""What a crash left behind, one pass: expired and prepared loads (in the master), decided loads that a shard has not heard of,
segments of loads that nobody knows, dropped tables; and replicated tables of a shard that lost its folder, which are asked to be filled
again. Level-triggered: a pass that fails half-way is finished by the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from pools.compute.errors import StatementError
from pools.compute.loads.claims import shards_of
from pools.compute.loads.coordinator import Coordinator
from pools.compute.loads.ledger import Ledger
from pools.compute.loads.publisher import Decided

log = structlog.get_logger()

EVERY_SECONDS = 20.0

LOCK = 0x6264_6C64
"""Of the advisory lock, per database: "bdld"."""

SETTLE_SECONDS = 60.0
"""Segments younger than this are left to the coordinator that works on them."""

UNKNOWN_SECONDS = 3600.0
"""Segments of a load that the master does not know are dropped when they are older."""


@dataclass(frozen=True)
class Swept:
    """Of one pass over one database. ``busy``: another replica was at it."""

    published: int = 0
    aborted: int = 0
    dropped: int = 0
    settled: int = 0
    """Loads of which a shard had segments that nobody had told of their end."""

    busy: bool = False

    @property
    def _counted(self) -> tuple[tuple[int, str], ...]:
        return (self.published, "published"), (self.aborted, "aborted"), (self.settled, "settled")

    @property
    def sentence(self) -> str:
        """For the log; empty when there was nothing to do."""
        parts = [f"{number} loads {verb}" for number, verb in self._counted if number]
        return ", ".join([*parts, *([f"{self.dropped} tables dropped"] if self.dropped else [])])


class Sweeper:
    """Of one replica."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    async def sweep(self, database: str, identity: str) -> Swept:
        """One pass over the database of this name and identity; MasterAway, StatementError."""
        ledger = self._coordinator.ledgers.of(database)
        async with ledger.alone(LOCK) as held:
            if not held:
                return Swept(busy=True)
            found = await ledger.sweep()
            self._coordinator.shards.signer.know(found.get("marks") or {})
            published, aborted = await self._unapplied(database, ledger, found.get("unapplied") or [])
            dropped = await self._dropped(ledger, found.get("dropped") or [])
            await self._left(ledger, found.get("left") or [])
            shards = await known_shards(self._coordinator)
            if await ledger.ask_refill(shards):
                log.warning("a shard has lost its folder: replicated tables are written anew from another one", database=database)
            settled = await self._leftovers(database, identity, ledger, shards)
            return Swept(published, aborted, dropped, settled)

    async def _unapplied(self, database: str, ledger: Ledger, loads: list[dict[str, Any]]) -> tuple[int, int]:
        committed = [
            Decided(database, load["identity"], load["load"], load["version"], tuple(load["tables"]))
            for load in loads
            if load["state"] == "committed"
        ]
        published = await self._coordinator.publisher.published(database, committed) if committed else 0
        aborted = [load for load in loads if load["state"] == "aborted"]
        done = [load["load"] for load in aborted if await self._aborted_everywhere(load)]
        if done:
            await ledger.applied(done, {})
        return published, len(done)

    async def _aborted_everywhere(self, load: Mapping[str, Any]) -> bool:
        shards = shards_of(load["tables"])
        return all([await self._abort(shard, load["identity"], load["load"], load.get("reason") or "aborted") for shard in shards.values()])

    async def _abort(self, shard: Mapping[str, Any], identity: str, load: str, reason: str) -> bool:
        try:
            await self._coordinator.shards.act(shard, identity, "abort", {"load": load, "reason": reason})
        except StatementError as error:
            log.warning("a shard did not drop an aborted load", shard=shard["number"], load=load, why=error.message)
            return False
        return True

    async def _dropped(self, ledger: Ledger, tables: list[dict[str, Any]]) -> int:
        done = []
        for table in tables:
            if all([await self._drop(shard, table) for shard in table["shards"]]):
                done.append(str(table["id"]))
        if done:
            await ledger.collected(done)
        return len(done)

    async def _left(self, ledger: Ledger, tables: list[dict[str, Any]]) -> None:
        """Rows on shards that a table has moved away from; a shard that this pool does not have any more has none."""
        for table in tables:
            (shard,) = table["shards"]
            if shard["number"] not in self._coordinator.shards.addresses or await self._drop(shard, table):
                await ledger.left_collected(table["id"], shard["number"])

    async def _drop(self, shard: Mapping[str, Any], table: Mapping[str, Any]) -> bool:
        try:
            await self._coordinator.shards.act(shard, table["identity"], "drop", {"table": table["id"]})
        except StatementError as error:
            log.warning("a shard did not drop a table", shard=shard["number"], table=table["id"], why=error.message)
            return False
        return True

    async def _leftovers(self, database: str, identity: str, ledger: Ledger, shards: list[Mapping[str, Any]]) -> int:
        """Segments that a decision did not reach: losers on shards that took no part, and those of loads that nobody knows."""
        old = await self._coordinator.segments(database, identity, shards, SETTLE_SECONDS)
        here = [row for row in old if row.get("db", identity) == identity]
        states = await ledger.states(sorted({row["load"] for row in here})) if here else {}
        by_number = {shard["number"]: shard for shard in shards}
        done: set[str] = set()
        for row in here:
            known = states.get(row["load"])
            if known is None and row["age_seconds"] > UNKNOWN_SECONDS:
                known = await ledger.abort(row["load"], "segments of a load that nobody knows")
            if known is not None and await self._told(by_number[row["shard"]], identity, row["load"], known):
                done.add(row["load"])
        return len(done)

    async def _told(self, shard: Mapping[str, Any], identity: str, load: str, known: Mapping[str, Any]) -> bool:
        """Tell one shard how a load ended; False when it has not, or the shard does not answer."""
        if known["state"] == "aborted":
            return await self._abort(shard, identity, load, "left behind")
        if known["state"] != "committed":
            return False
        try:
            await self._coordinator.shards.act(shard, identity, "publish", {"loads": [[load, known["version"]]]})
        except StatementError as error:
            log.warning("a shard did not publish", shard=shard["number"], load=load, why=error.message)
            return False
        return True


async def known_shards(coordinator: Coordinator) -> list[Mapping[str, Any]]:
    """All that answer, with the identities that they have now."""

    async def hello(number: int) -> dict[str, Any] | None:
        try:
            return {"number": number, "id": (await coordinator.shards.hello(number))["shard"]}
        except StatementError as error:
            log.warning("a shard is away", shard=number, why=error.message)
            return None

    found = await asyncio.gather(*(hello(number) for number in coordinator.shards.addresses))
    return [shard for shard in found if shard is not None]
