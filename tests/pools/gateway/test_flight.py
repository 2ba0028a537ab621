"""Loads and reads of the data pool through the gateway: real Flight on both sides, with a login's token."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import flight

from pools.gateway import http2
from tests.controller.api.service import USER
from tests.matrix.test_flight import table
from tests.patience import eventually
from tests.pools.gateway.flights import LoggedIn, flights
from tests.pools.gateway.running import Running, gateway
from tests.services.data_pool import DataPool

BATCH = pa.record_batch([pa.array(range(131_072), pa.int64())], names=["x"])
"""A megabyte."""
MANY = 64


@pytest.fixture(scope="module")
def running(data_pool: DataPool, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with flights(data_pool, tmp_path_factory.mktemp("flights")) as found:
        yield found


def test_a_load_and_a_read_as_who_logged_in(running: Running, data_pool: DataPool) -> None:
    with table(data_pool, "by_gateway"), closing(LoggedIn(running, running.token(USER))) as alice:
        begun = alice.ask("begin", {"table": "by_gateway.t", "mode": "append"})
        row = pa.table({"id": pa.array([7], pa.int64())})
        of = begun["buckets"]
        assert set(of) == {0, 1}
        with data_pool.connect("alice") as master:
            bucket = master.execute("SELECT count(*) FROM by_gateway.t").fetchone()
        assert bucket == (0,)
        # whichever shard it belongs to takes it, the other one refuses it
        for shard in (0, 1):
            try:
                winner = alice.put(begun, {shard: row}, attempt=shard, relay=True)
                break
            except flight.FlightError:
                continue
        alice.ask("commit", {"load": begun["load"], "winners": [winner]})
        with data_pool.connect("alice") as master:
            assert master.execute("SELECT id FROM by_gateway.t").fetchall() == [(7,)]
        lines = [line for line in running.lines if line.get("path", "").endswith("/DoPut")]
        assert lines and {line["user"] for line in lines} == {USER}


def test_errors_are_what_the_service_said(running: Running) -> None:
    with closing(LoggedIn(running, running.token(USER))) as alice, pytest.raises(flight.FlightError) as raised:
        alice.ask("begin", {"table": "nowhere.t", "mode": "append"})
    assert '"sqlstate"' in str(raised.value)


def test_who_can_not_be_at_the_master_is_nobody(running: Running) -> None:
    with closing(LoggedIn(running, running.changed(sub="mallory"))) as mallory, pytest.raises(flight.FlightUnauthenticatedError) as raised:
        mallory.ask("status", {})
    assert "may not log in" in str(raised.value)


class Large(flight.FlightServerBase):
    """Gives ``MANY`` megabytes, and counts what it was asked to make; takes as many as come."""

    def __init__(self) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self.made = self.took = 0

    def do_get(self, context: flight.ServerCallContext, ticket: flight.Ticket) -> flight.FlightDataStream:
        def batches() -> Iterator[pa.RecordBatch]:
            for _ in range(int(ticket.ticket)):
                self.made += 1
                yield BATCH

        return flight.GeneratorStream(BATCH.schema, batches())

    def do_put(
        self,
        context: flight.ServerCallContext,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.FlightMetadataWriter,
    ) -> None:
        for chunk in reader:
            self.took += chunk.data.num_rows
        writer.write(json.dumps(self.took).encode())


@pytest.fixture(scope="module")
def large() -> Iterator[Large]:
    with Large() as server:
        yield server


@pytest.fixture(scope="module")
def before_large(large: Large, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with gateway(tmp_path_factory.mktemp("large"), flight=(f"127.0.0.1:{large.port}",)) as found:
        yield found


def test_who_does_not_read_stops_the_sender_and_nothing_is_heaped_up(before_large: Running, large: Large) -> None:
    with closing(LoggedIn(before_large, before_large.token(USER))) as client:
        tracemalloc.start()
        try:
            reader = client.flight.do_get(flight.Ticket(str(MANY).encode()), client.options)
            seen: list[int] = []

            def still() -> bool:
                seen.append(large.made)
                return len(seen) > 20 and len(set(seen[-20:])) == 1

            eventually(still, "the sender has stopped")
            assert large.made < MANY
            rows = sum(chunk.data.num_rows for chunk in reader)
            assert rows == MANY * BATCH.num_rows
            assert tracemalloc.get_traced_memory()[1] < 4 * http2.STREAM_BYTES + (8 << 20)
        finally:
            tracemalloc.stop()


def test_megabytes_go_up(before_large: Running, large: Large) -> None:
    with closing(LoggedIn(before_large, before_large.token(USER))) as client:
        writer, reader = client.flight.do_put(flight.FlightDescriptor.for_command(b"{}"), BATCH.schema, client.options)
        for _ in range(MANY):
            writer.write_batch(BATCH)
        writer.done_writing()
        answer = reader.read()
        writer.close()
        assert answer is not None and json.loads(answer.to_pybytes()) == MANY * BATCH.num_rows


def test_what_the_client_breaks_off_is_broken_off_behind(before_large: Running, large: Large) -> None:
    with closing(LoggedIn(before_large, before_large.token(USER))) as client:
        reader = client.flight.do_get(flight.Ticket(b"1000000"), client.options)
        reader.read_chunk()
        reader.cancel()
        eventually(lambda: any(line.get("path", "").endswith("/DoGet") and line["status"] == 200 for line in before_large.lines), "its end")
        assert len(list(client.flight.do_get(flight.Ticket(b"2"), client.options))) == 2  # the connection goes on


def test_without_a_pool_it_says_so(tmp_path: Path) -> None:
    with gateway(tmp_path) as bare, closing(LoggedIn(bare, bare.token(USER))) as client:
        with pytest.raises((NotImplementedError, flight.FlightError)) as raised:
            client.ask("status", {})
        assert "no data pool" in str(raised.value)


def test_a_service_that_is_down_is_told(tmp_path: Path) -> None:
    with gateway(tmp_path, flight=("127.0.0.1:1",)) as bare, closing(LoggedIn(bare, bare.token(USER))) as client:
        with pytest.raises(flight.FlightUnavailableError) as raised:
            client.ask("status", {})
        assert "can't be reached" in str(raised.value)
