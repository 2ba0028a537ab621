"""Brief questions over streams that stay open: many at once, a shard that was restarted, a query that is cancelled."""

from __future__ import annotations

import pathlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyarrow import flight

from tests.patience import PATIENCE
from tests.pools.data.stand import Client as ShardClient
from tests.pools.data.stand import Process, table
from tests.services.postgresql import free_port
from tests.virtualization.connectors.datapool.shards import SOURCE, Shards, arrow
from virtualization.catalog import Column, MemoryCatalog
from virtualization.connectors.datapool.kept import KEPT, KeptStreams
from virtualization.engine import Engine
from virtualization.errors import DataError
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.plan import QueryContext

COLUMNS = (Column("id", "bigint"), Column("n", "integer"))
BUSY, BUSY_ROWS = 7, 70_000
"""A key with more rows than one message has."""


class Asker:
    """One engine over one table of the pool."""

    def __init__(self, pool: Shards, folder: pathlib.Path) -> None:
        of = pool.table("k", COLUMNS, "HASH(id)")
        pool.load(of, arrow(COLUMNS, [(number, number) for number in range(1000)] + [(BUSY, 1)] * BUSY_ROWS))
        self.connector = pool.connector()
        self._executor = DuckDbExecutor(128 << 20, folder, 1)
        self._engine = Engine([self._executor], {"datapool": lambda source: self.connector})
        self._catalog, self._pool = MemoryCatalog.of([SOURCE], [of]), pool

    def __call__(self, sql: str) -> list[object]:
        result = self._engine.run(self._engine.plan(sql, self._catalog), self._pool.context())
        return [value for batch in result for value in batch.column(0).to_pylist()]

    def resting(self) -> int:
        return sum(len(kept._resting) for kept in self.connector._client._kept.values())

    def close(self) -> None:
        self.connector.close()
        self._executor.close()


@pytest.fixture(scope="module")
def ask(pool: Shards, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    asker = Asker(pool, tmp_path_factory.mktemp("kept"))
    yield asker
    asker.close()


def test_one_stream_serves_one_question_after_the_other(ask: Asker) -> None:
    for number in range(20):
        assert ask(f"SELECT n FROM k WHERE id = {number + 100}") == [number + 100]
    assert 1 <= ask.resting() <= 3  # one per shard


def test_many_at_once(ask: Asker) -> None:
    numbers = [100 + number % 800 for number in range(300)]
    with ThreadPoolExecutor(2 * KEPT) as threads:
        answers = list(threads.map(lambda number: ask(f"SELECT n FROM k WHERE id = {number}"), numbers))
    assert answers == [[number] for number in numbers]
    assert ask.resting() <= 3 * KEPT


def test_many_rows_of_one_key_are_streamed(ask: Asker) -> None:
    assert len(ask(f"SELECT n FROM k WHERE id = {BUSY}")) == BUSY_ROWS + 1


def test_a_refusal_leaves_the_stream_open(ask: Asker) -> None:
    ask("SELECT n FROM k WHERE id = 5")
    before = ask.resting()
    with pytest.raises(DataError) as refused:
        ask("SELECT 1 / (n - n) FROM k WHERE id = 5")
    assert refused.value.code == "22012"
    assert ask.resting() == before


def test_a_restarted_shard_answers_the_next_question(tmp_path: pathlib.Path) -> None:
    process = Process(tmp_path, free_port())
    client = process.start()
    of = table({"a": "bigint"})
    kept = KeptStreams(flight.FlightClient(f"grpc://127.0.0.1:{client.port}"))

    def ask(now: ShardClient) -> bytes:
        return kept.ask(_ticket(now, of), QueryContext())

    try:
        first = ask(client)
        process.kill()
        assert len(kept._resting) == 1
        assert ask(process.start()) == first
    finally:
        kept.close()
        process.kill()


def _ticket(client: ShardClient, of: dict[str, object]) -> bytes:
    claims = {"tables": [of | {"alias": "t"}], "snapshot": 9, "pending": [], "sql": "SELECT 1::BIGINT AS a"}
    return client.ticket("read", **claims).encode()


class Silent(flight.FlightServerBase):
    """A shard that answers ``slow`` when it is told to, everything else at once."""

    def __init__(self) -> None:
        self.asked, self.answer = threading.Event(), threading.Event()
        super().__init__("grpc://127.0.0.1:0")

    def do_exchange(self, context: object, descriptor: object, reader: flight.MetadataRecordBatchReader, writer: object) -> None:
        for message in reader:
            asked = message.app_metadata.to_pybytes()
            if asked == b"slow":
                self.asked.set()
                self.answer.wait(PATIENCE)
            writer.write_metadata(b"answer to " + asked)  # type: ignore[attr-defined]


def test_a_cancelled_question_ends_at_once_and_takes_its_stream_along() -> None:
    server = Silent()
    with flight.FlightClient(f"grpc://127.0.0.1:{server.port}") as client:
        kept, context = KeptStreams(client), QueryContext()
        assert kept.ask(b"one", QueryContext()) == b"answer to one"
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(kept.ask, b"slow", context)
            assert server.asked.wait(PATIENCE)
            context.cancel()
            with pytest.raises(flight.FlightCancelledError):
                waiting.result(PATIENCE)
        assert not kept._resting
        assert kept.ask(b"two", QueryContext()) == b"answer to two"
        server.answer.set()
        kept.close()
    server.shutdown()


def test_the_late_interrupt_of_another_query_is_not_this_ones() -> None:
    """An interrupt may come a moment after its query is over: whoever has the stream then is not cancelled."""
    server = Silent()
    with flight.FlightClient(f"grpc://127.0.0.1:{server.port}") as client:
        kept = KeptStreams(client)
        kept.ask(b"one", QueryContext())
        kept._resting[0].cancel()
        assert kept.ask(b"two", QueryContext()) == b"answer to two"
        kept.close()
    server.shutdown()
