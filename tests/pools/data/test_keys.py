"""PRIMARY KEY, upsert, modify and their conflicts."""

import uuid

import pyarrow as pa
import pytest

from tests.pools.data.stand import Client, RefusedError, table


def keyed() -> dict[str, object]:
    return table({"k": "bigint!", "v": "text"}, ("k",))


def rows(**values: str) -> pa.Table:
    return pa.table({"k": pa.array([int(name[1:]) for name in values], pa.int64()), "v": list(values.values())})


def staged(client: Client, of: dict[str, object], mode: str = "append", **values: str) -> str:
    load = str(uuid.uuid4())
    client.put(of, rows(**values), load, mode=mode)
    return load


def seal(client: Client, of: dict[str, object], load: str, count: int, mode: str = "append", **more: object) -> dict[str, int]:
    return client.seal(of, load, [[0, 0, count]], mode, **more)


def test_a_key_that_is_there_is_refused_and_named(client: Client) -> None:
    of = keyed()
    client.load(of, rows(_1="a", _2="b"), 1)
    load = staged(client, of, _2="x", _3="y")
    with pytest.raises(RefusedError, match=r'23505 duplicate key: \("k"\) = \(2\) is there already'):
        seal(client, of, load, 2)
    client.act("abort", load=load)
    seal(client, of, staged(client, of, _3="y"), 1)


def test_a_key_twice_in_one_load_is_refused_and_named(client: Client) -> None:
    of, load = keyed(), str(uuid.uuid4())
    client.put(of, rows(_7="a"), load, 0)
    client.put(of, rows(_7="b"), load, 1)
    with pytest.raises(RefusedError, match=r"23505.*\(7\) is in the load more than once"):
        client.seal(of, load, [[0, 0, 1], [1, 0, 1]])
    assert client.seal(of, load, [[0, 0, 1]])["rows"] == 1  # the other one is a loser then


def test_a_key_of_an_undecided_load_is_a_conflict(client: Client) -> None:
    of = keyed()
    first, second = staged(client, of, _1="a"), staged(client, of, _1="b")
    seal(client, of, first, 1)
    with pytest.raises(RefusedError, match="40001"):
        seal(client, of, second, 1)
    client.act("abort", load=first)
    seal(client, of, second, 1)


def test_upsert_replaces_by_key(client: Client) -> None:
    of = keyed()
    client.load(of, rows(_1="a", _2="b"), 1)
    load = staged(client, of, "upsert", _2="B", _3="C")
    assert seal(client, of, load, 2, "upsert") == {"rows": 2, "dead": 1}
    assert seal(client, of, load, 2, "upsert") == {"rows": 2, "dead": 1}
    assert client.read(of, 1)["v"].to_pylist() == ["a", "b"]
    assert client.read(of, 2, pending=[[load, 2]])["v"].to_pylist() == ["a", "B", "C"]
    client.act("publish", loads=[[load, 2]])
    assert (client.read(of, 1)["v"].to_pylist(), client.read(of, 2)["v"].to_pylist()) == (["a", "b"], ["a", "B", "C"])


def test_upserts_after_each_other_need_no_publish_between(client: Client) -> None:
    of = keyed()
    first, second = staged(client, of, "upsert", _1="a"), staged(client, of, "upsert", _1="b")
    seal(client, of, first, 1, "upsert")
    with pytest.raises(RefusedError, match="40001"):
        seal(client, of, second, 1, "upsert")
    assert seal(client, of, second, 1, "upsert", pending=[[first, 1]]) == {"rows": 1, "dead": 1}
    client.act("publish", loads=[[second, 2]])
    assert (client.read(of, 1)["v"].to_pylist(), client.read(of, 2)["v"].to_pylist()) == (["a"], ["b"])


def test_a_key_twice_in_an_upsert(client: Client) -> None:
    of, load = keyed(), str(uuid.uuid4())
    client.put(of, pa.table({"k": pa.array([1, 1]), "v": ["a", "b"]}), load, mode="upsert")
    with pytest.raises(RefusedError, match="21000"):
        seal(client, of, load, 2, "upsert")


def modify(client: Client, of: dict[str, object], load: str, snapshot: int, **more: object) -> int:
    body = {"load": load, "table": of, "snapshot": snapshot, "pending": []} | {"set": None, "where": "true"} | more
    return client.act("modify", **body)[0]["rows"]


def committed(client: Client, of: dict[str, object], load: str, version: int) -> None:
    client.seal(of, load, [], "modify")
    client.act("publish", loads=[[load, version]])


def test_update_and_delete(client: Client) -> None:
    of, load = keyed(), str(uuid.uuid4())
    client.load(of, rows(_1="a", _2="b", _3="c"), 1)
    assert modify(client, of, load, 1, set={"v": "v || v"}, where="k <= 2", statement=0) == 2
    assert modify(client, of, load, 1, set={"v": "v || v"}, where="k <= 2", statement=0) == 2
    assert modify(client, of, load, 1, where="v = 'bb'", statement=1) == 1
    assert client.read(of, 1)["v"].to_pylist() == ["a", "b", "c"]
    assert client.read(of, 1, load=load)["v"].to_pylist() == ["aa", "c"]
    committed(client, of, load, 2)
    assert (client.read(of, 1)["v"].to_pylist(), client.read(of, 2)["v"].to_pylist()) == (["a", "b", "c"], ["aa", "c"])


def test_a_change_that_is_rolled_back_to_its_savepoint(client: Client) -> None:
    of, load = keyed(), str(uuid.uuid4())
    client.load(of, rows(_1="a"), 1)
    modify(client, of, load, 1, set={"v": "'x'"}, savepoint=1)
    client.act("abort", load=load, savepoint=1)
    assert modify(client, of, load, 1, set={"v": "v || 'y'"}, savepoint=2) == 1
    committed(client, of, load, 2)
    assert client.read(of, 2)["v"].to_pylist() == ["ay"]


def test_two_that_change_the_same_row(client: Client) -> None:
    of, first, second = keyed(), str(uuid.uuid4()), str(uuid.uuid4())
    client.load(of, rows(_1="a", _2="b"), 1)
    modify(client, of, first, 1, where="k = 1")
    with pytest.raises(RefusedError, match="40001"):
        modify(client, of, second, 1, set={"v": "'z'"})
    assert modify(client, of, second, 1, set={"v": "'z'"}, where="k = 2") == 1
    committed(client, of, first, 2)
    with pytest.raises(RefusedError, match="40001"):
        modify(client, of, str(uuid.uuid4()), 1, where="k = 1")


def test_an_update_that_breaks_the_key_or_not_null(client: Client) -> None:
    of, load = keyed(), str(uuid.uuid4())
    client.load(of, rows(_1="a", _2="b"), 1)
    with pytest.raises(RefusedError, match='23502 null value in column "k"'):
        modify(client, of, load, 1, set={"k": "NULL"})
    modify(client, of, load, 1, set={"k": "2"}, where="k = 1")
    with pytest.raises(RefusedError, match=r"23505.*\(2\) is there already"):
        client.seal(of, load, [], "modify")
    client.act("abort", load=load)
    load = str(uuid.uuid4())
    modify(client, of, load, 1, set={"k": "3 - k"})
    committed(client, of, load, 2)
    assert client.read(of, 2).to_pylist() == [{"k": 1, "v": "b"}, {"k": 2, "v": "a"}]
