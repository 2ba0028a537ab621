"""The master is killed at the moment at which a resize is decided: the table lies where it was or where it is to go, whole, and the resize
ends well when the master is back. The coordinator is one of the test's own process, so that the moment is exact.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from pools.compute.catalogs import Identity
from pools.compute.loads.coordinator import Coordinator
from pools.compute.loads.ledger import Ledger
from pools.compute.master import MasterAway
from pools.compute.operations.work import Operator, Work
from pools.compute.snapshot import Snapshot
from tests.pools.compute.loads.rows import make_table
from tests.pools.compute.loads.test_faults import another
from tests.pools.data_pool_faults.stage import patiently
from tests.pools.data_pool_faults.storm import kill_master
from tests.services.data_pool import DataPool

ROWS = 2000


class Killer:
    """In the place of ``Ledger.decide``: the first call finds the master killed ``before`` it, ``during`` it, or ``after`` it, in which
    case its answer is lost; the master is started again meanwhile."""

    def __init__(self, pool: DataPool, moment: str) -> None:
        self.pool, self.moment = pool, moment
        self.calls = 0
        self.back: asyncio.Future[None] | None = None
        self._decide = Ledger.decide

    async def __call__(self, ledger: Ledger, load: str, xid: str | None, rows: int, marks: Mapping[str, int]) -> dict[str, Any]:
        self.calls += 1
        if self.calls > 1:
            return await self._decide(ledger, load, xid, rows, marks)
        if self.moment == "after":
            await self._decide(ledger, load, xid, rows, marks)
        dying = asyncio.ensure_future(asyncio.to_thread(kill_master, self.pool))
        if self.moment != "during":
            await dying
        try:
            answer = await self._decide(ledger, load, xid, rows, marks) if self.moment == "during" else None
        finally:
            await dying
            self.back = asyncio.ensure_future(asyncio.to_thread(self.pool.start_master))
        if answer is None:
            raise MasterAway("killed")
        return answer


def resized(pool: DataPool, table: str, shards: int) -> Work:
    """By an operator of this process, which tries as a replica's does."""

    async def work(coordinator: Coordinator) -> Work:
        who = Identity("admin", "bdc", mapping=True)
        made = Work(str(uuid.uuid4()), "resize", {"shards": shards, "tables": [table]}, who, coordinator, Snapshot("bdc", "", {}, {}))
        await Operator(coordinator, lambda database: made.catalog)._tried(made)
        return made

    return another(pool, work)


def content(pool: DataPool, table: str) -> tuple[Any, list[int]]:
    """Count, different ids and sum; and the shards that it lies on."""
    with pool.connect("alice") as alice:
        counted = alice.execute(f"SELECT count(*), count(DISTINCT id), sum(id) FROM {table}".encode()).fetchone()
        shards = alice.execute("SELECT shard FROM bdc.data_stats(%s) ORDER BY 1", [table]).fetchall()
    return counted, [shard for (shard,) in shards]


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_the_master_is_killed_at_the_decision(lossy_pool: DataPool, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    table = make_table(lossy_pool, "HASH(id)")
    with lossy_pool.connect("alice") as alice:
        alice.execute(f"INSERT INTO {table} SELECT i, 'row' FROM generate_series(1, {ROWS}) AS i".encode())
    wanted = (ROWS, ROWS, ROWS * (ROWS + 1) // 2)
    killer = Killer(lossy_pool, moment)

    async def decide(ledger: Ledger, load: str, xid: str | None, rows: int, marks: Mapping[str, int]) -> dict[str, Any]:
        return await killer(ledger, load, xid, rows, marks)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "decide", decide)
        resized(lossy_pool, table, 1)
    assert killer.calls >= 1
    assert patiently(lambda: content(lossy_pool, table)) == (wanted, [0])
    resized(lossy_pool, table, 2)
    assert patiently(lambda: content(lossy_pool, table)) == (wanted, [0, 1])
