"""kill -9 of a real shard at random moments: what it acknowledged stands, what it did not is there whole or not at all."""

import pathlib
import random
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest
from pyarrow import flight

from pools.data import service
from pools.data.settings import Limits, ShardSettings
from pools.data.store import Store
from tests.patience import PATIENCE
from tests.pools.data.stand import Client, Process, RefusedError, table

ROWS, PARTITIONS = 3000, 3
BROKEN = (pa.ArrowException, flight.FlightError, OSError, RefusedError)


class Facts:
    """Stands for the coordinator and the master: decides after the seal, and remembers what the shard acknowledged."""

    def __init__(self) -> None:
        self.of = table({"k": "bigint!", "load": "text", "filler": "text"}, ("k",))
        self.version = 0
        self.lock = threading.Lock()
        self.decided: dict[str, int] = {}
        self.open: set[str] = set()
        self.staged: dict[str, set[int]] = {}
        self.keys: dict[str, range] = {}

    def decide(self, load: str) -> int:
        with self.lock:
            self.version += 1
            self.decided[load] = self.version
            self.open.discard(load)
            return self.version


def one_load(client: Client, facts: Facts, number: int) -> None:
    load = str(uuid.uuid4())
    first = number * ROWS * PARTITIONS
    with facts.lock:
        facts.open.add(load)
        facts.staged[load] = set()
        facts.keys[load] = range(first, first + ROWS * PARTITIONS)
    for partition in range(PARTITIONS):
        keys = pa.array(range(first + partition * ROWS, first + (partition + 1) * ROWS), pa.int64())
        rows = pa.table({"k": keys, "load": [load] * ROWS, "filler": ["x" * random.randrange(50)] * ROWS})
        client.put(facts.of, rows, load, partition)
        facts.staged[load].add(partition)
    client.seal(facts.of, load, [[partition, 0, ROWS] for partition in range(PARTITIONS)])
    client.act("publish", loads=[[load, facts.decide(load)]])


def writer(client: Client, facts: Facts, numbers: Iterator[int]) -> None:
    """Loads until the shard is gone."""
    try:
        while True:
            with facts.lock:
                number = next(numbers)
            one_load(client, facts, number)
    except BROKEN:
        return


def recover(client: Client, facts: Facts) -> None:
    """What the next coordinator does: acknowledged streams of undecided loads can still be sealed; half of them are, the rest aborted."""
    client.act("publish", loads=[[load, version] for load, version in facts.decided.items()])
    for load in sorted(facts.open):
        if len(facts.staged[load]) == PARTITIONS and random.random() < 0.5:
            client.seal(facts.of, load, [[partition, 0, ROWS] for partition in range(PARTITIONS)])
            client.act("publish", loads=[[load, facts.decide(load)]])
        else:
            client.act("abort", load=load)
            facts.open.discard(load)


def check(client: Client, facts: Facts) -> None:
    """Every decided load whole, once; nothing else; and the same at each older snapshot."""
    found = client.read(facts.of, facts.version, "SELECT load, count(*) AS n, min(k) AS a, max(k) AS b FROM t GROUP BY load").to_pylist()
    expected = {load: (ROWS * PARTITIONS, facts.keys[load][0], facts.keys[load][-1]) for load in facts.decided}
    assert {row["load"]: (row["n"], row["a"], row["b"]) for row in found} == expected
    middle = facts.version // 2
    seen = client.column(facts.of, middle, "SELECT DISTINCT load FROM t")
    assert set(seen) == {load for load, version in facts.decided.items() if version <= middle}
    assert client.act("segments", older_than_seconds=0) == []


def storm(folder: pathlib.Path, rounds: int) -> None:
    facts, numbers = Facts(), iter(range(1 << 40))
    process = Process(folder, compaction_seconds=0.2)
    done = 0
    while done < rounds or not facts.decided:  # on a busy machine the first rounds may end before anything was
        done += 1
        client = process.start()
        recover(client, facts)
        check(client, facts)
        writers = [threading.Thread(target=writer, args=(client, facts, numbers)) for _ in range(3)]
        for one in writers:
            one.start()
        time.sleep(random.uniform(0.05, 1.2))
        process.kill()
        for one in writers:
            one.join()
    client = process.start()
    assert process.opened_seconds < 60  # alone on a machine it is some 0.1
    recover(client, facts)
    check(client, facts)
    assert process.stop() == 0
    client = process.start()
    check(client, facts)
    assert process.stop() == 0


def test_kill_at_random_moments(tmp_path: pathlib.Path) -> None:
    storm(tmp_path, 4)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_kill_storm(tmp_path: pathlib.Path) -> None:
    storm(tmp_path, 60)


class Busy:
    """DuckDB's connection while another thread is in a call of it: it refuses instead of waiting."""

    def refuse(self, *_: object) -> None:
        raise duckdb.Error("connection is busy with another call")

    execute = close = refuse


def test_it_ends_while_a_round_of_compaction_is_in_a_call(tmp_path: pathlib.Path) -> None:
    """It used to end with code 1, and the words that its file can't be opened."""
    store = Store(tmp_path, Limits(reserve_mb=1))
    root, store._root = store._root, Busy()
    store.close()
    root.close()


HANGS = """
import signal, sys, threading, time
from pools.data import service
service.CLOSING_SECONDS = 0.2
service.ShardServer.stop = lambda self, seconds: time.sleep(600)
threading.Timer(0.2, signal.raise_signal, [signal.SIGTERM]).start()
sys.exit(service.main(["--config", sys.argv[1]]))
"""


def test_an_end_that_hangs_is_cut_off_and_says_where(tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path, stop_seconds=0.2)
    command = [sys.executable, "-c", HANGS, str(tmp_path / "data.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert "Timeout" in done.stderr and "in serve" in done.stderr
    process.start()
    assert process.stop() == 0


def test_a_second_process_waits_for_the_end_of_the_first(tmp_path: pathlib.Path) -> None:
    """As a pod's successor may: an error instead would have Kubernetes start it again after 10 s, then 20."""
    first, second = Process(tmp_path), Process(tmp_path)
    first.start()
    ending = threading.Timer(1.0, first.stop)
    ending.start()
    second.start()
    ending.join()
    assert first.process is not None and first.process.returncode == 0
    assert second.stop() == 0


def test_one_that_waits_too_long_says_who_has_the_file(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "OPEN_SECONDS", 0.0)
    first = Process(tmp_path)
    first.start()
    settings = ShardSettings.read(tmp_path / "data.json")
    with pytest.raises(duckdb.IOException, match="set lock"):
        service.serve(settings, threading.Event())
    assert first.stop() == 0
