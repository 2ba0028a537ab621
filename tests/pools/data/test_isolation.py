"""Readers, changes, upserts and compaction at once: each snapshot sees exactly its loads, and no change is lost."""

import pathlib
import random
import threading
import time
import uuid

import pyarrow as pa
import pytest

from pools.data.shard import Shard
from tests.pools.data.stand import Client, RefusedError, served, table

KEYS, SECONDS = 20, 3.0


class Clock:
    """Stands for the master: one decision after the other, and what is decided but not yet published."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.version = 1
        self.pending: dict[str, int] = {}

    def snapshot(self) -> tuple[int, list[tuple[str, int]]]:
        with self.lock:
            return self.version, list(self.pending.items())

    def decide(self, load: str) -> int:
        with self.lock:
            self.version += 1
            self.pending[load] = self.version
            return self.version

    def applied(self, load: str) -> None:
        with self.lock:
            del self.pending[load]


class Storm:
    """Every committed load adds exactly one to the sum over the table, so the sum at S is S - 1."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.of = table({"k": "bigint!", "v": "bigint"}, ("k",))
        self.clock = Clock()
        self.stop = threading.Event()
        self.wrong: list[object] = []
        self.conflicts = 0

    def write(self) -> None:
        client = Client(self.port)
        while not self.stop.is_set():
            load = str(uuid.uuid4())
            try:
                (self.update if random.random() < 0.6 else self.upsert)(client, load)
            except RefusedError as error:
                client.act("abort", load=load)
                if error.code not in ("40001", "72000"):
                    self.wrong.append(error)
                self.conflicts += 1

    def finish(self, client: Client, load: str, mode: str, winners: list[list[int]]) -> None:
        client.seal(self.of, load, winners, mode, pending=self.clock.snapshot()[1])
        version = self.clock.decide(load)
        if random.random() < 0.5:
            time.sleep(0.01)
        client.act("publish", loads=[[load, version]])
        self.clock.applied(load)

    def update(self, client: Client, load: str) -> None:
        number, pending = self.clock.snapshot()
        where = f"k = {random.randrange(KEYS)}"
        body = {"load": load, "table": self.of, "snapshot": number, "pending": pending, "set": {"v": "v + 1"}, "where": where}
        assert client.act("modify", **body) == [{"rows": 1}]
        self.finish(client, load, "modify", [])

    def upsert(self, client: Client, load: str) -> None:
        """The row of a key of its own, which nobody else writes, goes up by one."""
        with self.clock.lock:
            key = self.own = getattr(self, "own", KEYS) + 1
        client.put(self.of, pa.table({"k": [key], "v": [0]}), load, mode="upsert")
        client.put(self.of, pa.table({"k": [key + 1_000_000], "v": [1]}), load, 1, mode="upsert")
        self.finish(client, load, "upsert", [[0, 0, 1], [1, 0, 1]])

    def read(self) -> None:
        client = Client(self.port)
        while not self.stop.is_set():
            number, pending = self.clock.snapshot()
            try:
                (found,) = client.read(
                    self.of, number, "SELECT sum(v) AS s, count(k) - count(DISTINCT k) AS twice FROM t", pending=pending
                ).to_pylist()
            except RefusedError as error:
                if error.code != "72000":  # a slow machine
                    self.wrong.append(error)
                continue
            if found != {"s": number - 1, "twice": 0}:
                self.wrong.append((number, pending, found))

    def compact(self, shard: Shard) -> None:
        while not self.stop.wait(0.05):
            shard.compaction.round(full=random.random() < 0.2)


def storm(folder: pathlib.Path, seconds: float) -> Storm:
    with served(folder, retention_seconds=0.5) as (client, shard):
        one = Storm(client.port)
        client.load(one.of, pa.table({"k": range(KEYS), "v": [0] * KEYS}), 1)
        threads = [threading.Thread(target=work) for work in (one.write, one.write, one.write, one.read, lambda: one.compact(shard))]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        one.stop.set()
        for thread in threads:
            thread.join()
        assert client.column(one.of, one.clock.version, "SELECT sum(v)::BIGINT FROM t") == [one.clock.version - 1]
        return one


def test_each_snapshot_sees_exactly_its_loads(tmp_path: pathlib.Path) -> None:
    one = storm(tmp_path, SECONDS)
    assert one.wrong == []
    assert one.clock.version > 3


@pytest.mark.full
def test_long_storm(tmp_path: pathlib.Path) -> None:
    assert storm(tmp_path, 60).wrong == []
