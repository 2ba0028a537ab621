"""Rows of a database that was dropped leave the shards, and only those."""

from __future__ import annotations

import pytest

from pools.compute.loads import orphans
from pools.compute.loads.coordinator import Coordinator
from pools.compute.loads.sweep import known_shards
from tests.pools.compute.loads.rows import eventually, ids, make_table, spread
from tests.pools.compute.loads.test_faults import another
from tests.services.data_pool import DataPool


def tables_of(pool: DataPool, identity: str) -> int:
    async def count(coordinator: Coordinator) -> int:
        shards = await known_shards(coordinator)
        return sum([len(await coordinator.shards.act(shard, identity, "tables", {})) for shard in shards])

    return another(pool, count)


def test_the_rows_of_a_dropped_database_go(data_pool: DataPool, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = make_table(data_pool)
    with data_pool.admin() as admin:
        admin.execute("CREATE DATABASE going")
    with data_pool.admin("going") as going:
        going.execute("GRANT CREATE ON SCHEMA public TO alice")
        ((identity,),) = going.execute("SELECT bdc.identity()::text").fetchall()
        if not going.execute("SELECT FROM bdc.data_sources WHERE connector = 'datapool'").fetchall():
            going.execute("CALL bdc.create_data_source('data_pool', 'datapool', 'datapool:')")
    table = make_table(data_pool, database="going")
    client = data_pool.client("alice")
    client.load(kept, spread(1, 2))
    client.close()
    client = data_pool.client("alice", database="going")
    client.load(table, spread(1, 2))
    client.close()
    assert tables_of(data_pool, identity) == 2
    assert another(data_pool, orphans.drop_orphans) == 0

    def dropped() -> bool:
        with data_pool.admin() as admin:
            admin.execute("DROP DATABASE going WITH (FORCE)")
        return True

    assert eventually(dropped)
    assert another(data_pool, orphans.drop_orphans) == 0 and tables_of(data_pool, identity) == 2  # not yet
    monkeypatch.setattr(orphans, "LOST_SECONDS", 0)
    assert another(data_pool, orphans.drop_orphans) == 1
    assert tables_of(data_pool, identity) == 0 and ids(data_pool, kept) == [1, 2]
    assert another(data_pool, orphans.drop_orphans) == 0
