"""Tables written anew onto named shards: the one load behind resize, refill and restore (``pool_begin_move``).

The load replaces all rows and the placement of its tables, decided at once; until then the old rows stay as they are, and readers go on.
Other writers of these tables wait, or are refused. It costs reading and writing each row once, and the table's size in free space: rows
that would stay on their shard are written again, too, because a reader then never has to know of two placements of one generation.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pools.compute.errors import StatementError
from pools.compute.loads import claims
from pools.compute.loads.coordinator import Load
from pools.compute.loads.renewal import repeated
from pools.compute.loads.sweep import known_shards
from pools.compute.operations.rows import State, read_shard, schema_of, sources
from pools.compute.operations.work import Work, all_of

EXPIRES_SECONDS = 120
"""So long after its driver's death the tables can't be written, at most; a driver that takes over ends the old load at once."""

RENEW_SECONDS = 30.0
TICKET_SECONDS = 3600.0
STREAMS = 2
"""Partitions under way at once."""

Batches = Callable[[threading.Event], Iterator[pa.RecordBatch]]


@dataclass(frozen=True)
class Partition:
    """Rows for one table of the load: batches of ``names``."""

    table: str
    names: tuple[str, ...]
    open: Batches


async def present_shards(work: Work) -> list[dict[str, Any]]:
    """``{"number", "id"}`` of all shards that the pool has now; the error of one that does not answer."""
    shards = work.coordinator.shards

    async def hello(number: int) -> dict[str, Any]:
        return {"number": number, "id": (await shards.hello(number))["shard"]}

    return list(await asyncio.gather(*(hello(number) for number in sorted(shards.addresses))))


async def begin(work: Work, tables: Sequence[str], shards: Sequence[Mapping[str, Any]], name: str) -> Load:
    """``name`` makes it repeatable: the same one again ends the open load of that name, or says that it has committed."""
    request = {
        "tables": list(tables),
        "shards": list(shards),
        "load_id": name,
        "client": f"bdc data {work.kind}",
        "seconds": EXPIRES_SECONDS,
    }
    return Load.read(await work.ledger.begin_move(work.who.user, request))


async def write(work: Work, load: Load, partitions: Sequence[Partition]) -> int:
    """Write the partitions, decide; how many rows the tables have now."""
    tables = {table["id"]: table for table in load.tables}
    places = asyncio.Semaphore(STREAMS)

    async def one(number: int, partition: Partition) -> claims.Winner:
        async with places:
            return await asyncio.to_thread(_feed, work, load, tables[partition.table], (number, partition))

    async def renew() -> None:
        await work.coordinator.renew(work.who, load.id, EXPIRES_SECONDS)

    try:
        async with repeated(RENEW_SECONDS, renew):
            winners = await all_of([one(number, partition) for number, partition in enumerate(partitions)], work.stop)
            named: dict[str, list[claims.Winner]] = {number: [] for number in tables}
            for partition, winner in zip(partitions, winners, strict=True):
                named[partition.table].append(winner)
            return (await work.coordinator.commit(work.who, load.id, named)).rows
    except BaseException as error:  # a cancelled one, too: the tables can be written again at once
        if not isinstance(error, StatementError) or error.code != "40003":
            await work.coordinator.give_up(work.who, load, str(error) or "cancelled")
        raise


def _feed(work: Work, load: Load, table: claims.Table, of: tuple[int, Partition]) -> claims.Winner:
    from pools.compute.writes.streams import TableWriter

    number, partition = of
    shards = work.coordinator.shards
    tickets = claims.put_tickets(shards.signer, load.id, load.identity, table, TICKET_SECONDS)
    writer = TableWriter(shards, table, tickets, partition.names, (number, 0))
    for batch in partition.open(work.stop):
        writer.write(pa.Table.from_batches([batch]))
        work.add(batch.num_rows)
    return writer.finish()


async def resize(work: Work) -> None:
    """request: ``{"shards": n, "tables"?: names}``: the tables onto the first n shards, one after the other; those that lie there stay."""
    wanted = int(work.request["shards"])
    present = await present_shards(work)
    if not 1 <= wanted <= len(present):
        hint = "More: set spec.pools.data.shards in the cluster's bdc.yaml, and wait until bdc status shows them. See the guide, Data pool."
        raise StatementError("55000", f"the data pool has {len(present)} shards, not {wanted}", hint=hint)
    target = present[:wanted]
    state = State.read(await work.ledger.data_set(work.who.user, work.request.get("tables"), None))
    work.progress = {"tables": len(state.tables), "done": 0, "moved": 0, "rows": 0}
    for table in state.tables:
        if list(table["shards"]) != target:
            work.progress["now"] = ".".join(table["relation"])
            work.progress["moved"] += await _moved(work, table["id"], target, present)
        work.progress["done"] += 1
    work.progress.pop("now", None)


async def refill(work: Work) -> None:
    """Replicated tables of which a shard has lost its folder (it has another identity since): each is written anew, from a shard that still
    has its rows, onto those that have the table's numbers now. Until then nobody reads the empty one: tickets name the lost identity."""
    present = await known_shards(work.coordinator)
    state = State.read(await work.ledger.data_set(work.who.user, None, None))
    work.progress = {"tables": 0, "rows": 0}
    for table in state.tables:
        numbers = [shard["number"] for shard in table["shards"]]
        target = [shard for shard in present if shard["number"] in numbers]
        kept = any(shard in present for shard in table["shards"])
        if table["distribution"]["kind"] == "replicated" and kept and len(target) == len(numbers) and target != list(table["shards"]):
            work.progress["tables"] += await _moved(work, table["id"], target, present)


async def _moved(work: Work, table: str, target: Sequence[Mapping[str, Any]], present: Sequence[Mapping[str, Any]]) -> int:
    """1; 0 for a table that is gone meanwhile. ``present``: shards that may be read."""
    try:
        load = await begin(work, [table], target, f"{work.kind} {work.id} {table}")
    except StatementError as error:
        if error.code != "42P01":
            raise
        return 0
    if load.state == "committed":
        return 1
    state = State.read(await work.ledger.data_set(work.who.user, None, None))  # after the mark: nothing of the table comes later
    known = next((one for one in state.tables if one["id"] == table), None)
    if known is None:
        return 0
    shards, names = work.coordinator.shards, tuple(schema_of(known).names)

    def reading(shard: Mapping[str, Any]) -> Batches:
        return lambda stop: read_shard(shards, state, known, shard, stop)

    await write(work, load, [Partition(table, names, reading(shard)) for shard in sources(known, present)])
    return 1
