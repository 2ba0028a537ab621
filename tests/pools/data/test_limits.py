"""Disk, memory, many streams, big rows, the end of the process."""

import json
import pathlib
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from pyarrow import flight

from pools.data import memory
from tests.pools.data import stand
from tests.pools.data.stand import Client, Process, RefusedError, served, table


def test_a_nearly_full_disk_refuses_before_and_during_a_put(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path, reserve_mb=64) as (client, shard):
        of, rows = table({"a": "bigint"}), pa.table({"a": range(500_000)})
        free = shard.store.free_bytes()
        with pytest.raises(RefusedError, match="53100"):
            client.put(of, rows, str(uuid.uuid4()), bytes=free)
        asked = iter([1 << 40])  # then there is less
        monkeypatch.setattr(shard.store, "free_bytes", lambda: next(asked, 1 << 20))
        with pytest.raises(RefusedError, match="53100 the shard's disk is nearly full"):
            client.put(of, rows, str(uuid.uuid4()))
        monkeypatch.undo()
        assert client.act("stats")[0]["rows"] == 0
        client.load(of, rows, 1)
        assert client.column(of, 1, "SELECT count(*) FROM t") == [500_000]


def test_above_its_memory_the_shard_begins_nothing(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "WAIT_SECONDS", 0.2)
    with served(tmp_path, memory_mb=1) as (client, shard):
        of = table({"a": "bigint"})
        shard.store.memory.admit()  # what goes on and might give memory back; alone, a call is let in
        with pytest.raises(RefusedError, match="53200"):
            client.put(of, pa.table({"a": [1]}), str(uuid.uuid4()))
        with pytest.raises(RefusedError, match="53200"):
            client.read(of, 1)


def test_a_load_bigger_than_the_memory_limit_goes_in(tmp_path: pathlib.Path) -> None:
    """It used to be refused with 53200 from the first hundred megabytes on, for good: DuckDB's part left no room for the rest."""
    process = Process(tmp_path, memory_mb=224)
    client, of, load = process.start(), table({"a": "bigint", "b": "text"}), str(uuid.uuid4())
    batch = pa.record_batch({"a": range(100_000), "b": [f"{n:040d}" for n in range(100_000)]})
    rows = pa.Table.from_batches([batch] * 41)
    threads = [threading.Thread(target=Client(client.port).put, args=(of, rows, load, n)) for n in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    client.seal(of, load, [[n, 0, rows.num_rows] for n in range(2)])
    client.act("publish", loads=[[load, 1]])
    assert rows.nbytes * 2 > 400 << 20
    assert process.process is not None
    status = pathlib.Path(f"/proc/{process.process.pid}/status").read_text()
    highest = int(status.partition("VmHWM:")[2].split()[0]) >> 10
    assert highest < 500  # what is loaded, and the process at rest (140), would be more than 540
    assert client.column(of, 1, "SELECT count(*) FROM t") == [2 * rows.num_rows]
    assert process.stop() == 0


def test_the_first_streams_into_many_tables(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each makes its table, in a database that the shard has not seen: none is refused because of the others."""
    monkeypatch.setattr(stand, "DB", str(uuid.uuid4()))
    rows, loads = pa.table({"a": [1]}), [(table({"a": "bigint"}), str(uuid.uuid4())) for _ in range(6)]
    with ThreadPoolExecutor(len(loads)) as threads:
        for answer in threads.map(lambda one: Client(client.port).put(one[0], rows, one[1]), loads):
            assert answer["rows"] == 1


def test_many_streams_into_one_table(client: Client) -> None:
    of, load = table({"p": "bigint", "v": "text"}), str(uuid.uuid4())
    rows = [pa.table({"p": [n] * 2000, "v": [f"{n}-{i}" for i in range(2000)]}) for n in range(12)]
    threads = [threading.Thread(target=client.put, args=(of, rows[n], load, n)) for n in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    client.seal(of, load, [[n, 0, 2000] for n in range(12)])
    client.act("publish", loads=[[load, 1]])
    assert client.column(of, 1, "SELECT count(DISTINCT v) FROM t") == [24_000]


def test_rows_of_many_columns_and_megabytes(client: Client) -> None:
    of = table({f"c{n}": "text" for n in range(200)})
    rows = pa.table({f"c{n}": [chr(97 + n % 26) * 25_000] * 2 for n in range(200)})
    client.load(of, rows, 1)
    assert client.read(of, 1).equals(rows)


def test_an_empty_stream_is_a_segment(client: Client) -> None:
    of, load = table({"a": "bigint"}), str(uuid.uuid4())
    assert client.put(of, pa.table({"a": pa.array([], pa.int64())}), load)["rows"] == 0
    assert client.seal(of, load, [[0, 0, 0]]) == {"rows": 0, "dead": 0}


def test_a_connection_that_breaks_leaves_nothing(client: Client) -> None:
    of, load = table({"a": "bigint"}), str(uuid.uuid4())
    rows = pa.table({"a": range(200_000)})
    other = Client(int(client.port))
    command = {"ticket": client.ticket("put", load=load, mode="append", tables=[of]), "partition": 0, "attempt": 0}
    writer, _ = other.flight.do_put(flight.FlightDescriptor.for_command(json.dumps(command)), rows.schema)
    writer.write_table(rows)
    del writer
    other.flight.close()
    assert client.put(of, rows.slice(0, 5), load)["rows"] == 5  # waits until the broken stream has ended


def test_a_statement_that_fails_half_way_says_why(client: Client) -> None:
    of = table({"a": "bigint"})
    client.load(of, pa.table({"a": range(300_000)}), 1)
    with pytest.raises(RefusedError, match="22P02"):
        client.read(of, 1, "SELECT CASE WHEN a < 250000 THEN a ELSE CAST('x' || a AS BIGINT) END FROM t")


def test_sigterm_ends_though_a_client_holds_a_stream(tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path, stop_seconds=0.2)
    client = process.start()
    of = table({"a": "bigint"})
    client.load(of, pa.table({"a": range(3_000_000)}), 1)
    claims = {"tables": [of | {"alias": "t"}], "snapshot": 1, "pending": [], "sql": "SELECT a, a, a, a, a, a FROM t"}
    reader = client.flight.do_get(flight.Ticket(client.ticket("read", **claims)))
    reader.read_chunk()
    assert process.stop() == 0
    again = process.start()
    assert again.column(of, 1, "SELECT count(*) FROM t") == [3_000_000]
    assert process.stop() == 0
