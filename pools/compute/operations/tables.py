"""What administrators ask about tables of the data pool: ``data_stats`` and ``data_compact`` of docs/architecture/load-protocol.md.

All shards are asked side by side. A shard that does not answer spoils no other one's answer: its row says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pools.compute.errors import StatementError
from pools.compute.loads.coordinator import Coordinator
from pools.compute.snapshot import Snapshot
from virtualization.placement import DataPlacement

COMPACT_SECONDS = 3600.0
"""A whole table is rewritten."""

Content = Mapping[str, Any]
Operation = Callable[[Coordinator, Content, Snapshot], Awaitable[list[object]]]


async def stats(coordinator: Coordinator, content: Content, catalog: Snapshot) -> list[object]:
    """Per table and shard ``{"table", "shard", "generation", "rows", "dead", "segments", "bytes"}``; a table without rows on a shard has
    no row for it. ``{"shard", "error"}`` for a shard that does not answer."""
    by_shard: dict[tuple[str, int, str], list[str]] = {}
    for table in _placements(content.get("tables") or (), catalog):
        for shard in table.shards:
            by_shard.setdefault((table.identity, shard.number, shard.id), []).append(table.id)
    loads = await coordinator.ledgers.of(catalog.database).loads()
    # the commit does not wait for the shards to be told: rows of a load that has just ended would be missing
    pending = [[load["load"], load["version"]] for load in loads if load["state"] == "committed" and not load["applied"]]

    async def ask(key: tuple[str, int, str], tables: Sequence[str]) -> list[object]:
        identity, number, shard = key
        body = {"tables": list(tables), "pending": pending}
        try:
            found = await coordinator.shards.act({"number": number, "id": shard}, identity, "stats", body)
        except StatementError as error:
            return [{"shard": number, "error": error.message}]
        return [row | {"shard": number} for row in found]

    answers = await asyncio.gather(*(ask(key, tables) for key, tables in sorted(by_shard.items())))
    return [row for rows in answers for row in rows]


async def compact(coordinator: Coordinator, content: Content, catalog: Snapshot) -> list[object]:
    """``{"shard", "rows_removed", "segments_folded"}`` of each shard; the first refusal is the answer, once all have answered."""
    (table,) = _placements([content["table"]], catalog)

    async def ask(number: int, shard: str) -> dict[str, Any]:
        body = {"table": table.id, "full": bool(content.get("whole"))}
        (found,) = await coordinator.shards.act({"number": number, "id": shard}, table.identity, "compact", body, COMPACT_SECONDS)
        return found | {"shard": number}

    answers = await asyncio.gather(*(ask(shard.number, shard.id) for shard in table.shards), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return list(answers)


OPERATIONS: Mapping[str, Operation] = {"data_compact": compact, "data_stats": stats}
"""By the request's ``action``."""


def _placements(ids: Sequence[str], catalog: Snapshot) -> list[DataPlacement]:
    """Of these tables; 42P01 for one that the pool does not know (it reads the catalog anew before it gives up)."""
    known = {table.data.id: table.data for table in catalog.tables() if table.data is not None}
    missing = [number for number in ids if number not in known]
    if missing:
        raise StatementError("42P01", f"the compute pool does not know the data-pool table {missing[0]}", hint="Try again in a moment.")
    return [known[number] for number in ids]
