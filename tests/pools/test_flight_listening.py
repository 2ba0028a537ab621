"""A Flight server whose certificate is replaced: what runs goes on, what begins gets the new one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

from pools.flight_listening import Listening, location, pairs
from pools.tls import Loaded, ServerCertificate
from tests.patience import PATIENCE, eventually
from tests.services.certificates import laid


class Counting(flight.FlightServerBase):
    """Rows come when ``go`` is set, but for the first."""

    def __init__(self, go: threading.Event, port: int, loaded: Loaded | None) -> None:
        super().__init__(location("127.0.0.1", port, loaded), tls_certificates=pairs(loaded))
        self._go = go

    def do_get(self, context: Any, ticket: Any) -> flight.FlightDataStream:
        def batches() -> Iterator[pa.RecordBatch]:
            for number in range(3):
                yield pa.record_batch({"n": [number]})
                assert self._go.wait(PATIENCE)

        return flight.GeneratorStream(pa.schema([("n", pa.int64())]), batches())

    def do_action(self, context: Any, action: Any) -> list[bytes]:
        return [b"here"]


def _rows(chunk: flight.FlightStreamChunk) -> dict[str, list[Any]]:
    assert chunk.data is not None
    return chunk.data.to_pydict()


def _asked(client: flight.FlightClient) -> list[bytes] | None:
    """None: the call was on its way when the old server ended, so that a client would ask again."""
    try:
        return [one.body.to_pybytes() for one in client.do_action(flight.Action("x", b""))]
    except (flight.FlightCancelledError, flight.FlightUnavailableError):
        return None


def test_a_stream_goes_on_and_the_next_call_is_made_over_the_new_one(tmp_path: Path) -> None:
    certificates = laid(tmp_path)
    root: Any = Path(certificates.root).read_bytes()
    go = threading.Event()
    listening = Listening(lambda port, loaded: Counting(go, port, loaded), 0, ServerCertificate(certificates.files))
    try:
        client = flight.FlightClient(f"grpc+tls://127.0.0.1:{listening.port}", tls_root_certs=root)
        stream = client.do_get(flight.Ticket(b""))
        assert _rows(stream.read_chunk()) == {"n": [0]}
        assert not listening.look()
        certificates.lay(certificates.issued())
        eventually(listening.look, "the new certificate is seen")
        assert len(listening.all()) == 2
        eventually(lambda: _asked(client) == [b"here"], "the new one answers")
        go.set()
        assert [_rows(chunk) for chunk in stream] == [{"n": [1]}, {"n": [2]}]
        eventually(lambda: (listening.look(), len(listening.all()) == 1)[1], "the old server has ended")
        client.close()
    finally:
        go.set()
        listening.server.shutdown()


def test_neither_plain_nor_other_clients_come_in(tmp_path: Path) -> None:
    certificates, other = laid(tmp_path / "a"), laid(tmp_path / "b")
    listening = Listening(lambda port, loaded: Counting(threading.Event(), port, loaded), 0, ServerCertificate(certificates.files))
    try:
        wrong: Any = Path(other.root).read_bytes()
        for client in (
            flight.FlightClient(f"grpc://127.0.0.1:{listening.port}"),
            flight.FlightClient(f"grpc+tls://127.0.0.1:{listening.port}", tls_root_certs=wrong),
        ):
            with client, pytest.raises(flight.FlightUnavailableError):
                list(client.do_action(flight.Action("x", b""), flight.FlightCallOptions(timeout=20)))
    finally:
        listening.server.shutdown()
