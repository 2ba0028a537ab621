"""Columns that are added, widened, renamed and dropped: the shard follows when tickets show it, and old rows keep their values."""

import threading
import uuid
from typing import Any

import pyarrow as pa

from tests.pools.data.stand import Client, table


def changed(of: dict[str, Any], *columns: dict[str, Any]) -> dict[str, Any]:
    return of | {"schema_version": of["schema_version"] + 1, "columns": list(columns)}


def test_an_added_column_is_there_before_and_after_the_first_new_row(client: Client) -> None:
    of = table({"a": "integer"})
    client.load(of, pa.table({"a": pa.array([1], pa.int32())}), 1)
    added = {"id": 2, "name": "b", "type": "text", "missing": "'old'"}
    newer = changed(of, *of["columns"], added, {"id": 3, "name": "c", "type": "bigint"})
    assert client.read(newer, 1).to_pylist() == [{"a": 1, "b": "old", "c": None}]
    client.load(newer, pa.table({"a": pa.array([2], pa.int32()), "b": ["new"]}), 2)
    assert client.read(newer, 2).to_pylist() == [{"a": 1, "b": "old", "c": None}, {"a": 2, "b": "new", "c": None}]
    assert client.column(of, 2) == [1, 2]


def test_a_widened_and_renamed_column(client: Client) -> None:
    of = table({"a": "integer", "n": "numeric(4,1)"})
    client.load(of, pa.table({"a": pa.array([1], pa.int32())}), 1)
    newer = changed(of, {"id": 1, "name": "renamed", "type": "bigint"}, {"id": 2, "name": "n", "type": "numeric(10,2)"})
    assert client.read(newer, 1).schema.field("renamed").type == pa.int64()
    client.load(newer, pa.table({"renamed": [1 << 40]}), 2)
    assert client.column(newer, 2, "SELECT renamed FROM t ORDER BY ALL") == [1, 1 << 40]
    assert client.column(of, 1, "SELECT a FROM t") == [1]


def test_a_dropped_column_is_not_asked_for_any_more(client: Client) -> None:
    of = table({"a": "bigint", "b": "text!"})
    client.load(of, pa.table({"a": [1], "b": ["x"]}), 1)
    newer = changed(of, of["columns"][0])
    client.load(newer, pa.table({"a": [2]}), 2)
    assert client.read(newer, 2).to_pylist() == [{"a": 1}, {"a": 2}]


def test_a_change_of_columns_waits_for_streams_that_go_on(client: Client) -> None:
    of = table({"a": "bigint"})
    client.load(of, pa.table({"a": [0]}), 1)
    newer = changed(of, *of["columns"], {"id": 2, "name": "b", "type": "text"})
    loads = [str(uuid.uuid4()) for _ in range(6)]
    rows = pa.table({"a": range(100_000)})
    threads = [threading.Thread(target=client.put, args=(newer if n % 2 else of, rows, load)) for n, load in enumerate(loads)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for load in loads:
        client.seal(newer, load, [[0, 0, 100_000]])
    client.act("publish", loads=[[load, 2] for load in loads])
    assert client.column(newer, 2, "SELECT count(*) FROM t") == [600_001]


def test_modify_of_a_column_that_the_file_does_not_have_yet(client: Client) -> None:
    of, load = table({"a": "bigint"}), str(uuid.uuid4())
    client.load(of, pa.table({"a": [1, 2]}), 1)
    newer = changed(of, *of["columns"], {"id": 2, "name": "b", "type": "text", "missing": "'old'"})
    client.act("modify", load=load, table=newer, snapshot=1, pending=[], set={"b": "b || a"}, where="a = 2")
    client.seal(newer, load, [], "modify")
    client.act("publish", loads=[[load, 2]])
    assert client.read(newer, 2).to_pylist() == [{"a": 1, "b": "old"}, {"a": 2, "b": "old2"}]
