"""Vacuum, folding, generations, rewriting: what readers see stays, what nobody may ask for goes."""

import uuid
from collections.abc import Iterator

import pyarrow as pa
import pytest

from pools.data.shard import Shard
from tests.pools.data.stand import Client, RefusedError, served, table


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Shard]]:
    """A shard that keeps nothing for old snapshots."""
    with served(tmp_path_factory.mktemp("brief"), retention_seconds=0) as both:
        yield both


def rows(*values: int) -> pa.Table:
    return pa.table({"k": pa.array(values, pa.int64())})


def stats(client: Client, of: dict[str, object]) -> list[dict[str, int]]:
    return client.act("stats", tables=[of["id"]])


def test_aborted_rows_go_and_what_they_ended_is_alive(brief: tuple[Client, Shard]) -> None:
    client, shard = brief
    of, load = table({"k": "bigint!"}, ("k",)), str(uuid.uuid4())
    client.load(of, rows(1, 2), 1)
    client.put(of, rows(2, 3), load, mode="upsert")
    assert client.seal(of, load, [[0, 0, 2]], "upsert") == {"rows": 2, "dead": 1}
    client.act("abort", load=load)
    assert client.column(of, 1) == [1, 2]
    done = client.act("compact", table=of["id"])[0]
    assert done == {"rows_removed": 2, "segments_folded": 1}
    assert client.column(of, 1) == [1, 2]
    shard.compaction.round()
    assert [(one["rows"], one["dead"], one["segments"]) for one in stats(client, of)] == [(2, 0, 0)]


def test_a_reader_that_began_before_vacuum_still_sees_the_right_rows(brief: tuple[Client, Shard]) -> None:
    client, shard = brief
    of, load = table({"k": "bigint"}), str(uuid.uuid4())
    client.load(of, rows(*range(200_000)), 1)
    client.put(of, rows(-1), load)
    claims = {"tables": [of | {"alias": "t"}], "snapshot": 1, "pending": [], "sql": "SELECT k FROM t"}
    reading = shard.read(client.ticket("read", **claims))
    client.act("abort", load=load)
    client.act("compact", table=of["id"])
    assert shard.store.ledger.of_load(("x", load)) == []
    assert [
        one.state for one in shard.store.ledger.tables[next(k for k in shard.store.ledger.tables if k[1] == of["id"])].segments.values()
    ] == ["gone"]
    assert sum(batch.num_rows for batch in reading) == 200_000
    shard.compaction.round()
    assert client.column(of, 1, "SELECT count(*), min(k) FROM t") == [200_000]


def test_folding_moves_the_horizon(brief: tuple[Client, Shard]) -> None:
    client, _ = brief
    of = table({"k": "bigint"})
    client.load(of, rows(1), 5)
    client.load(of, rows(2), 6)
    assert client.column(of, 5) == [1]
    assert client.act("compact", table=of["id"])[0]["segments_folded"] == 2
    assert client.column(of, 6) == [1, 2]
    with pytest.raises(RefusedError, match="72000 snapshot too old"):
        client.column(of, 5)


def test_old_generations_are_dropped(brief: tuple[Client, Shard]) -> None:
    client, _ = brief
    of = table({"k": "bigint"})
    client.load(of, rows(1), 5)
    client.load(of | {"generation": 2}, rows(2), 6, "overwrite")
    given_up, load = of | {"generation": 3}, str(uuid.uuid4())
    client.put(given_up, rows(3), load, mode="overwrite")
    client.act("abort", load=load)
    assert client.column(of, 5) == [1]
    client.act("compact", table=of["id"])
    client.act("compact", table=of["id"])
    assert [one["generation"] for one in stats(client, of)] == [2]
    assert client.column(of, 6) == [2]
    with pytest.raises(RefusedError, match="72000"):
        client.column(of, 5)


def test_what_is_kept_for_old_snapshots_stays(client: Client) -> None:
    of = table({"k": "bigint!"}, ("k",))
    client.load(of, rows(1), 1)
    client.load(of, rows(1), 2, "upsert")
    assert client.act("compact", table=of["id"])[0] == {"rows_removed": 0, "segments_folded": 0}
    assert (client.column(of, 1, "SELECT count(*) FROM t"), client.column(of, 2)) == ([1], [1])


def test_rewriting_orders_by_key_while_a_load_goes_on(brief: tuple[Client, Shard]) -> None:
    client, _ = brief
    of, load = table({"v": "text", "k": "bigint!"}, ("k",)), str(uuid.uuid4())
    client.load(of, pa.table({"v": ["c", "a", "b"], "k": pa.array([3, 1, 2])}), 1)
    client.put(of, pa.table({"v": ["d"], "k": pa.array([0])}), load)
    client.act("compact", table=of["id"], full=True)
    assert client.column(of, 1, "SELECT k FROM t") == [1, 2, 3]
    client.seal(of, load, [[0, 0, 1]])
    client.act("publish", loads=[[load, 2]])
    assert client.column(of, 2, "SELECT k FROM t ORDER BY ALL") == [0, 1, 2, 3]


def test_drop(brief: tuple[Client, Shard]) -> None:
    client, _ = brief
    of = table({"k": "bigint"})
    client.load(of, rows(1), 1)
    assert client.act("drop", table=of["id"]) == [{}]
    assert client.act("drop", table=of["id"]) == [{}]
    assert stats(client, of) == []
