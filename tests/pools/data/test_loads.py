"""put, seal, publish, abort, read: what a client sees of a load on one shard."""

import uuid
from decimal import Decimal

import pyarrow as pa
import pytest

from tests.pools.data.stand import Client, RefusedError, table


def numbers(*values: int | None) -> pa.Table:
    return pa.table({"a": pa.array(values, pa.int64())})


def test_a_load_is_seen_from_its_version_on(client: Client) -> None:
    of, load = table({"a": "bigint", "b": "text"}), str(uuid.uuid4())
    rows = pa.table({"a": pa.array([1, 2], pa.int64()), "b": ["x", None]})
    answer = client.put(of, rows, load)
    assert answer["rows"] == 2
    assert client.column(of, 100) == []
    assert client.seal(of, load, [[0, 0, 2]]) == {"rows": 2, "dead": 0}
    assert client.column(of, 100) == []
    assert client.act("publish", loads=[[load, 7]]) == [{"published": 1}]
    assert client.read(of, 7).to_pylist() == rows.to_pylist()
    assert client.column(of, 6) == []


def test_a_pending_load_is_seen_before_it_is_published(client: Client) -> None:
    of, load = table({"a": "bigint"}), str(uuid.uuid4())
    client.put(of, numbers(1), load)
    client.seal(of, load, [[0, 0, 1]])
    assert client.column(of, 7, pending=[[load, 7]]) == [1]
    assert client.column(of, 6, pending=[[load, 7]]) == []


def test_only_winners_are_kept(client: Client) -> None:
    of, load = table({"a": "bigint"}), str(uuid.uuid4())
    client.put(of, numbers(1), load, 0, 0)
    client.put(of, numbers(1), load, 0, 1)
    client.put(of, numbers(2, 3), load, 1, 0)
    client.seal(of, load, [[0, 1, 1], [1, 0, 2]])
    client.act("publish", loads=[[load, 1]])
    assert client.column(of, 1) == [1, 2, 3]


def test_sent_again_it_is_the_same_answer(client: Client) -> None:
    of, load = table({"a": "bigint"}), str(uuid.uuid4())
    first = client.put(of, numbers(1, 2), load)
    assert client.put(of, numbers(1, 2), load) == first
    assert client.seal(of, load, [[0, 0, 2]]) == client.seal(of, load, [[0, 0, 2]])
    assert client.put(of, numbers(1, 2), load) == first
    client.act("publish", loads=[[load, 1]])
    assert client.act("publish", loads=[[load, 1]]) == [{"published": 0}]
    assert client.seal(of, load, [[0, 0, 2]]) == {"rows": 2, "dead": 0}
    assert client.column(of, 1) == [1, 2]


@pytest.mark.parametrize("told", [None, 3])
def test_a_count_that_differs_leaves_nothing(client: Client, told: int | None) -> None:
    of, load = table({"a": "bigint"}), str(uuid.uuid4())
    with pytest.raises(RefusedError, match="08P01"):
        client.put(of, numbers(1, 2), load, told=told)
    with pytest.raises(RefusedError, match="not staged in this shard"):
        client.seal(of, load, [[0, 0, 2]])
    assert client.act("stats", tables=[of["id"]])[0]["rows"] == 0


def test_an_aborted_load_is_gone(client: Client) -> None:
    of, load = table({"a": "bigint"}), str(uuid.uuid4())
    client.put(of, numbers(1), load)
    assert client.act("abort", load=load, reason="test") == [{"segments": 1}]
    with pytest.raises(RefusedError, match="40001"):
        client.seal(of, load, [[0, 0, 1]])
    with pytest.raises(RefusedError, match="40001"):
        client.put(of, numbers(1), load, 1)
    assert client.column(of, 100) == []


def test_rollback_to_a_savepoint(client: Client) -> None:
    of, load = table({"a": "bigint"}), str(uuid.uuid4())
    for n in range(3):
        client.put(of, numbers(n), load, n, savepoint=n)
    assert client.act("abort", load=load, savepoint=1) == [{"segments": 2}]
    client.put(of, numbers(9), load, 9, savepoint=1)
    client.seal(of, load, [[0, 0, 1], [9, 0, 1]])
    client.act("publish", loads=[[load, 1]])
    assert client.column(of, 1) == [0, 9]


def test_what_comes_late_does_not_outlive_its_savepoint(client: Client) -> None:
    """The session gave up on a statement whose answer it never got, and rolled back to the savepoint before it; only then it arrives."""
    of, load = table({"a": "bigint"}), str(uuid.uuid4())
    client.load(of, numbers(1), 1)
    own = {k: v for k, v in of.items() if k != "generation"}
    change = {"load": load, "table": own, "snapshot": 1, "pending": [], "set": {"a": "a + 1"}}
    client.put(of, numbers(5), load, 1, savepoint=0)
    assert client.act("abort", load=load, savepoint=1, statement=3) == [{"segments": 0}]
    with pytest.raises(RefusedError, match=r"40001 .*rolled back"):
        client.act("modify", **change, savepoint=1, statement=2)
    with pytest.raises(RefusedError, match=r"40001 .*rolled back"):
        client.put(of, numbers(7), load, 3, savepoint=1)
    assert client.act("modify", **change, savepoint=1, statement=4) == [{"rows": 2}]
    client.seal(of, load, [[1, 0, 1]], "modify")
    assert client.column(of, 2, pending=[[load, 2]]) == [2, 6]


def test_overwrite_is_seen_at_once_and_old_snapshots_keep_the_old_rows(client: Client) -> None:
    of = table({"a": "bigint"})
    client.load(of, numbers(1, 2), 1)
    newer = of | {"generation": 2}
    load = client.load(newer, numbers(3), 2, "overwrite")
    assert client.column(of, 1) == [1, 2]
    assert client.column(of, 2) == [3]
    truncated, load = of | {"generation": 3}, str(uuid.uuid4())
    client.seal(truncated, load, [], "truncate")
    assert client.column(of, 3) == [3]
    assert client.column(of, 3, pending=[[load, 3]]) == []
    assert [one["load"] for one in client.act("segments", older_than_seconds=0) if one["table"] == of["id"]] == [load]
    client.act("publish", loads=[[load, 3]])
    assert (client.column(of, 3), client.column(of, 2)) == ([], [3])


@pytest.mark.parametrize(
    ("columns", "rows", "why"),
    [
        ({"a": "integer"}, pa.table({"a": [1 << 40]}), '22003 column "a": a value does not fit type integer'),
        ({"a": "numeric(4,2)"}, pa.table({"a": [Decimal("123.45")]}), '22003 column "a"'),
        ({"a": "integer"}, pa.table({"a": ["x"]}), '42804 column "a" is of type integer but the data is of Arrow type string'),
        ({"a": "bigint"}, pa.table({"b": [1]}), '42703 the table has no column "b"'),
        ({"a": "bigint!"}, pa.table({"a": pa.array([None], pa.int64())}), '23502 null value in column "a"'),
        ({"a": "bigint!", "b": "text"}, pa.table({"b": ["x"]}), '23502 null value in column "a"'),
        ({"a": "varchar(2)"}, pa.table({"a": ["äöü"]}), '22001 value too long for column "a"'),
        ({"a": "uuid"}, pa.table({"a": ["no"]}), "22P02"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(client: Client, columns: dict[str, str], rows: pa.Table, why: str) -> None:
    with pytest.raises(RefusedError) as caught:
        client.put(table(columns), rows, str(uuid.uuid4()))
    assert str(caught.value).startswith(why)


def test_narrower_types_are_widened(client: Client) -> None:
    of = table({"a": "bigint", "b": "double precision", "c": "numeric(10,4)", "d": "uuid", "e": "text"})
    rows = pa.table(
        {
            "e": pa.array(["x"]).dictionary_encode(),
            "a": pa.array([1], pa.int16()),
            "b": pa.array([0.5], pa.float32()),
            "c": pa.array([Decimal("1.25")]),
            "d": ["6F9619FF-8B86-D011-B42D-00C04FC964FF"],
        }
    )
    client.load(of, rows, 1)
    expected = {"a": 1, "b": 0.5, "c": Decimal("1.2500"), "d": "6f9619ff-8b86-d011-b42d-00c04fc964ff", "e": "x"}
    assert client.read(of, 1).to_pylist() == [expected]


def test_tickets_are_all_that_opens(client: Client) -> None:
    of = table({"a": "bigint"})
    with pytest.raises(RefusedError, match="28000"):
        client.act("seal", ticket="x.y.z", load="l", tables=[])
    with pytest.raises(RefusedError, match="28000"):
        client.act("seal", ticket=client.ticket("put"), load="l", tables=[])
    with pytest.raises(RefusedError, match="55000 data-0 is not the shard"):
        client.read(of, 1, shard="another")


def test_defaults_and_labels(client: Client) -> None:
    of = table({"a": "bigint", "b": "text"})
    of["columns"][1]["default"] = "'none'"
    client.load(of, numbers(1), 1)
    result = client.read(of, 1, "SELECT b, sum(a) FROM t GROUP BY ALL", output=["text", "numeric(38,0)"])
    assert result.to_pylist() == [{"b": "none", "sum(a)": Decimal(1)}]
    assert result.schema.field(1).metadata == {b"pg:type": b"numeric(38,0)"}


def test_stats_tell_what_is_published(client: Client) -> None:
    """Rows of an aborted load counted until the next vacuum (99,001 of 99,000), and a small table had no bytes."""
    of, one, two, three = table({"a": "bigint"}), *(str(uuid.uuid4()) for _ in range(3))
    client.load(of, pa.table({"a": [1, 2, 3]}), 1)
    client.put(of, pa.table({"a": [4]}), one)
    client.act("abort", load=one, reason="test")
    client.put(of, pa.table({"a": [5, 6]}), two)
    gone = {"load": three, "table": {k: v for k, v in of.items() if k != "generation"}, "snapshot": 1, "pending": []}
    client.act("modify", **gone, set=None, where="a = 1", savepoint=0)
    (found,) = client.act("stats", tables=[of["id"]])
    assert (found["rows"], found["dead"], found["bytes"] > 0) == (3, 1, True)
    client.seal(of, three, [])
    assert [(one["rows"], one["dead"]) for one in client.act("stats", tables=[of["id"]], pending=[[three, 2]])] == [(2, 2)]
