"""kill -9 of a shard in the middle of what ends rows: an upsert's seal, a modify, a compaction that rewrites. Asked again after the
restart each answers as if nothing had been, and no row is lost or there twice.
"""

from __future__ import annotations

import pathlib
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

from tests.pools.data.stand import Client, Process, RefusedError, table

ROWS = 150_000
BROKEN = (pa.ArrowException, flight.FlightError, OSError, RefusedError)
SUMS = "SELECT count(*), count(DISTINCT k), sum(v) FROM t"


@pytest.fixture
def process(tmp_path: pathlib.Path) -> Iterator[Process]:
    made = Process(tmp_path, compaction_seconds=0, retention_seconds=0)
    yield made
    assert made.stop() == 0


@pytest.fixture
def client(process: Process) -> Client:
    return process.start()


def keyed() -> dict[str, Any]:
    return table({"k": "bigint!", "v": "bigint"}, ("k",))


def rows(value: int, first: int = 0) -> pa.Table:
    return pa.table({"k": pa.array(range(first, first + ROWS), pa.int64()), "v": pa.array([value] * ROWS, pa.int64())})


def sums(client: Client, of: dict[str, Any], snapshot: int) -> tuple[Any, ...]:
    return tuple(column.to_pylist()[0] for column in client.read(of, snapshot, SUMS).columns)


def killed_during(process: Process, work: Callable[[], object], seconds: float) -> Client:
    """``work`` begins, the shard dies some time in it, and is started again."""
    answers: list[object] = []

    def go() -> None:
        try:
            answers.append(work())
        except BROKEN as error:
            answers.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    time.sleep(seconds)
    process.kill()
    thread.join()
    return process.start()


@pytest.mark.parametrize("place", range(3))
def test_during_the_seal_of_an_upsert(process: Process, client: Client, place: int) -> None:
    of, load = keyed(), str(uuid.uuid4())
    client.load(of, rows(1), 1)
    client.put(of, rows(2, ROWS // 2), load, mode="upsert")

    def seal(at: Client) -> dict[str, int]:
        return at.seal(of, load, [[0, 0, ROWS]], "upsert")

    client = killed_during(process, lambda: seal(client), random.uniform(0, 0.15) * (place + 1))
    assert sums(client, of, 1) == (ROWS, ROWS, ROWS)
    assert seal(client) == {"rows": ROWS, "dead": ROWS // 2}
    client.act("publish", loads=[[load, 2]])
    assert sums(client, of, 1) == (ROWS, ROWS, ROWS)
    assert sums(client, of, 2) == (ROWS * 3 // 2, ROWS * 3 // 2, ROWS // 2 + 2 * ROWS)


@pytest.mark.parametrize("decided", [True, False])
def test_during_a_modify(process: Process, client: Client, decided: bool) -> None:
    of, load = keyed(), str(uuid.uuid4())
    client.load(of, rows(1), 1)
    body = {"load": load, "table": of, "snapshot": 1, "pending": [], "set": {"v": "v + 1"}, "where": "k % 2 = 0", "savepoint": 0}

    def modify(at: Client) -> list[dict[str, Any]]:
        return at.act("modify", **body, statement=1)

    client = killed_during(process, lambda: modify(client), random.uniform(0, 0.3))
    assert modify(client) == [{"rows": ROWS // 2}]
    assert sums(client, of, 1) == (ROWS, ROWS, ROWS)
    client.seal(of, load, [], "modify")
    if decided:
        client.act("publish", loads=[[load, 2]])
    else:
        client.act("abort", load=load)
        client.act("compact")
    assert sums(client, of, 2) == (ROWS, ROWS, ROWS * 3 // 2 if decided else ROWS)


def test_during_compactions(process: Process, client: Client) -> None:
    of = keyed()
    client.load(of, rows(1), 1)
    for version in (2, 3, 4):
        client.load(of, rows(version).slice(0, ROWS // 2), version, "upsert")
        gone = str(uuid.uuid4())
        client.put(of, rows(9, ROWS), gone)
        client.act("abort", load=gone)
        at = client
        client = killed_during(process, lambda at=at: at.act("compact", table=of["id"], full=True), random.uniform(0, 0.4))  # type: ignore[misc]
        assert sums(client, of, version) == (ROWS, ROWS, ROWS // 2 + ROWS // 2 * version)
    client.act("compact", full=True)
    assert sums(client, of, 4) == (ROWS, ROWS, ROWS // 2 * 5)
    stats = client.act("stats", tables=[of["id"]])
    assert [row["rows"] for row in stats] == [ROWS]
