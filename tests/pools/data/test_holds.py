"""A held snapshot can be read for as long as it is held, whatever is loaded, overwritten, compacted or dropped meanwhile."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from pools.data.shard import Shard
from tests.pools.data.stand import Client, RefusedError, served, table


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Shard]]:
    """A shard that keeps nothing for old snapshots."""
    with served(tmp_path_factory.mktemp("held"), retention_seconds=0) as both:
        yield both


def rows(*values: int) -> pa.Table:
    return pa.table({"k": pa.array(values, pa.int64())})


def hold(client: Client, snapshot: int, seconds: float = 60) -> None:
    client.act("hold", hold="backup", snapshot=snapshot, seconds=seconds)


def test_folding_and_upserts(brief: tuple[Client, Shard]) -> None:
    client, shard = brief
    of = table({"k": "bigint!"}, ("k",))
    client.load(of, rows(1, 2), 1)
    hold(client, 1)
    client.load(of, rows(2, 3), 2, mode="upsert")
    shard.compaction.round()
    shard.compaction.round()
    assert client.column(of, 1) == [1, 2]
    assert client.column(of, 2) == [1, 2, 3]
    hold(client, 1, 0)
    shard.compaction.round()
    with pytest.raises(RefusedError, match="72000"):
        client.read(of, 1)
    assert client.column(of, 2) == [1, 2, 3]


def test_generations_and_drops(brief: tuple[Client, Shard]) -> None:
    client, shard = brief
    of = table({"k": "bigint"})
    client.load(of, rows(1), 11)
    hold(client, 11)
    client.load(of | {"generation": 2}, rows(5), 12, mode="overwrite")
    shard.compaction.round()
    with pytest.raises(RefusedError, match="55006"):
        client.act("drop", table=of["id"])
    assert (client.column(of, 11), client.column(of, 12)) == ([1], [5])
    hold(client, 11, 0)
    shard.compaction.round()
    with pytest.raises(RefusedError, match="72000"):
        client.read(of, 11)
    client.act("drop", table=of["id"])


def test_a_hold_ends_by_itself(brief: tuple[Client, Shard]) -> None:
    client, shard = brief
    hold(client, 5, 0.01)
    assert shard.store.holds.lowest("another") is None
    of = table({"k": "bigint"})
    client.load(of, rows(1), 21)
    client.act("drop", table=of["id"])
