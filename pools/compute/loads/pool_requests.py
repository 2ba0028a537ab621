"""What the master's procedures ask about the data pool (``bdc.request``): answered on the event loop, one JSON object per row."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pools.compute.errors import StatementError
from pools.compute.loads.claims import shards_of
from pools.compute.loads.coordinator import Coordinator
from pools.compute.master import MasterAway
from pools.compute.operations.tables import OPERATIONS
from pools.compute.snapshot import Snapshot

Handler = Callable[[Coordinator, Mapping[str, Any], Snapshot], Awaitable[list[object]]]


async def shards(coordinator: Coordinator, content: Mapping[str, Any], catalog: Snapshot) -> list[object]:
    """``{"number", "id", "address", "free_bytes", "rows_bytes"}`` of each, or ``{"number", "error"}``."""

    async def hello(number: int) -> dict[str, Any]:
        try:
            said = await coordinator.shards.hello(number)
        except StatementError as error:
            return {"number": number, "error": error.message}
        known = {name: said.get(name) for name in ("free_bytes", "rows_bytes")}
        return {"number": number, "id": said["shard"], "address": coordinator.shards.location(number), **known}

    return list(await asyncio.gather(*(hello(number) for number in sorted(coordinator.shards.addresses))))


async def loads(coordinator: Coordinator, content: Mapping[str, Any], catalog: Snapshot) -> list[object]:
    """Loads as ``pool_loads`` tells them; those under way with ``arrived``: rows that lie on the shards so far, and ``arrived_on``: the
    same by shard."""
    try:
        known = await coordinator.ledgers.of(catalog.database).loads()
    except MasterAway as away:
        raise StatementError("57P03", "the master is away", detail=str(away), hint="Try again.") from None
    under_way = [load for load in known if load["state"] in ("open", "prepared")]
    asked = shards_of([table for load in under_way for table in load["tables"]])
    arrived: dict[str, Counter[int]] = {load["load"]: Counter() for load in under_way}
    for row in await coordinator.segments(catalog.database, catalog.identity, list(asked.values())):
        if row["state"] in ("staged", "sealed") and row["load"] in arrived:
            arrived[row["load"]][row["shard"]] += int(row["rows"])
    return [load | (_progress(arrived[load["load"]]) if load["load"] in arrived else {}) for load in known]


def _progress(arrived: Counter[int]) -> dict[str, object]:
    return {"arrived": arrived.total(), "arrived_on": {str(shard): rows for shard, rows in sorted(arrived.items())}}


HANDLERS: dict[str, Handler] = {"shards": shards, "loads": loads, **OPERATIONS}
"""Action → who answers it."""
