"""Rows of databases that were dropped: DROP DATABASE takes all with it that could have told the shards.

Only what this server is known to have had, and positively does not have any more, is dropped, and not before a day has passed: a database
that can't be asked, or a definition elsewhere that names its rows, keeps everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from pools.compute.loads.coordinator import Coordinator
from pools.compute.loads.shards import Shards
from pools.compute.loads.sweep import known_shards
from pools.compute.master import SYSTEM

log = structlog.get_logger()

LOST_SECONDS = 24 * 3600
"""After so long without a sign of the database."""


async def drop_orphans(coordinator: Coordinator) -> int:
    """One pass; how many databases' rows were dropped. MasterAway, StatementError: nothing more was, the next pass goes on."""
    ledgers = coordinator.ledgers
    databases = await ledgers.of(SYSTEM).databases()
    if not all(databases.values()):
        return 0  # it may be anybody's
    present = [one for name in databases for one in await ledgers.of(name).identities()]
    lost = await ledgers.of(SYSTEM).lost_databases(present, LOST_SECONDS)
    shards = await known_shards(coordinator) if lost else []
    if len(shards) < len(coordinator.shards.addresses):
        return 0
    for identity in lost:
        await _drop(coordinator.shards, shards, identity)
        await ledgers.of(SYSTEM).forget_database(identity)
        log.info("the rows of a database that was dropped are dropped", identity=identity)
    return len(lost)


async def _drop(shards: Shards, known: Sequence[Mapping[str, Any]], identity: str) -> None:
    tables = await asyncio.gather(*(shards.act(shard, identity, "tables", {}) for shard in known))
    for shard, rows in zip(known, tables, strict=True):
        for row in rows:
            await shards.act(shard, identity, "drop", {"table": row["table"]})
