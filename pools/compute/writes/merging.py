"""The master's request ``merge`` (``CALL bdc.merge``): rows of any virtual table into one of the data pool by key, none through the master.

The master has checked the rights of the caller on both; the load is his, and the master's transaction decides it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pools.compute.catalogs import Identity
from pools.compute.errors import StatementError
from pools.compute.loads.coordinator import Coordinator
from pools.compute.loads.renewal import repeated
from pools.compute.loads.shards import ShardAwayError
from pools.compute.writes.streams import TableWriter
from virtualization.catalog import Catalog, VirtualTable

SECONDS = 3600
RENEW_SECONDS = 600.0
"""As the load of a transaction: renewed while this goes on."""

Rows = Callable[[str], AsyncIterator[pa.RecordBatch]]
"""A query's text → its rows."""


@dataclass(frozen=True)
class Merge:
    """``columns``: those that the source brings, as the target names them. ``xid``: of the master's transaction that decides."""

    target: VirtualTable
    source: VirtualTable
    keys: tuple[str, ...]
    xid: str
    columns: tuple[str, ...]

    @classmethod
    def of(cls, content: Mapping[str, Any], catalog: Catalog) -> Merge:
        """From the request; KeyError for what it lacks, StatementError where the tables don't fit each other."""
        target, source = (catalog.table(content[part]["schema"], content[part]["table"]) for part in ("target", "source"))
        keys = tuple(content["keys"])
        known = {column.name for column in target.columns}
        columns = tuple(column.name for column in source.columns)
        unknown = [name for name in columns if name not in known]
        if unknown:
            raise StatementError(
                "42703", f'bdc.merge: the target has no column "{unknown[0]}"', hint="Columns are matched by name; a view can't be merged."
            )
        missing = [name for name in keys if name not in columns]
        if missing:
            raise StatementError("42703", f'bdc.merge: the source has no key column "{missing[0]}"', hint="Columns are matched by name.")
        _check_keys(target, keys)
        return cls(target, source, keys, str(content["xid"]), columns)

    @property
    def query(self) -> str:
        """Of the source's rows, in the target's types."""
        types = {column.name: column.type for column in self.target.columns}
        items = ", ".join(f"CAST({_quoted(name)} AS {types[name]}) AS {_quoted(name)}" for name in self.columns)
        return f"SELECT {items} FROM {_quoted(self.source.schema)}.{_quoted(self.source.name)}"


def _check_keys(target: VirtualTable, keys: Sequence[str]) -> None:
    """Rows of one key must lie on one shard, and the primary key is the only thing that says which row is which."""
    placed = target.data
    if placed is None:
        raise StatementError("42809", f"bdc.merge: {target.name} is no table of the data pool")
    if placed.primary_key and set(keys) != set(placed.primary_key):
        raise StatementError(
            "0A000", f"bdc.merge: {target.name} has the primary key ({', '.join(placed.primary_key)}) and is merged by it",
            hint="Leave the keys away.",
        )  # fmt: skip
    together = placed.kind == "replicated" or len(placed.shards) == 1
    if not together and (placed.kind != "hash" or not set(placed.distribution_columns) <= set(keys)):
        raise StatementError(
            "0A000", f"bdc.merge: rows of {target.name} with the same key may lie on several shards",
            hint="The keys must contain the columns of the table's HASH distribution.",
        )  # fmt: skip


async def merge(coordinator: Coordinator, who: Identity, wanted: Merge, rows: Rows, session: str | None = None) -> int:
    """Carry it out; how many rows the source had. 21000 for a key that it has twice. ``session``: the master's (``%c``) that asks: 0A000
    where its transaction has written one of the tables otherwise."""
    request = {
        "schema": wanted.target.schema, "table": wanted.target.name, "mode": "upsert", "keys": list(wanted.keys), "seconds": SECONDS,
        "client": "merge", "checked": True, "session": session, "source": None if wanted.source.data is None else wanted.source.data.id,
    }  # fmt: skip
    load = await coordinator.begin(who, request)
    tickets = coordinator.put_tickets(load)

    async def renew() -> None:
        tickets.update(coordinator.put_tickets(await coordinator.renew(who, load.id, SECONDS)))

    try:
        async with repeated(RENEW_SECONDS, renew):
            writer = TableWriter(coordinator.shards, load.tables[0], tickets, wanted.columns, (0, 0))
            async for batch in rows(wanted.query):
                await asyncio.to_thread(writer.write, pa.Table.from_batches([batch]))
            winner = await asyncio.to_thread(writer.finish)
            return (await coordinator.commit(who, load.id, [winner], xid=wanted.xid)).rows
    except BaseException as error:
        if not (isinstance(error, StatementError) and error.code == "40003"):
            await asyncio.shield(coordinator.give_up(who, load, str(error) or type(error).__name__))
        if isinstance(error, ShardAwayError):
            raise await coordinator.broken_stream(error) from None
        raise


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
