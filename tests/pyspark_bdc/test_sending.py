"""The streams of one task: they end together, so that shards commit side by side."""

from __future__ import annotations

import json
import threading
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

from pyspark_bdc.coordinator import Login
from pyspark_bdc.errors import WriteError
from pyspark_bdc.load import Load, Shard
from pyspark_bdc.sending import Attempt, Sending, Streams
from tests.patience import SOON

ROWS = pa.record_batch({"a": pa.array([1, 2, 3], pa.int64())})


class Waiting(flight.FlightServerBase):
    """Takes a stream in, and answers only when it and its twin have heard the end of theirs."""

    def __init__(self, ended: threading.Barrier) -> None:
        self._ended = ended
        super().__init__("grpc://127.0.0.1:0")

    def do_put(self, context: object, descriptor: object, reader: Any, writer: Any) -> None:
        chunks = list(reader)
        try:
            self._ended.wait(SOON)
        except threading.BrokenBarrierError:
            raise flight.FlightServerError('{"sqlstate": "57014", "message": "the twin has heard nothing"}') from None
        rows = sum(chunk.data.num_rows for chunk in chunks if chunk.data is not None)
        writer.write(json.dumps({"segment": 1, "rows": rows + self.wrong, "bytes": 1}).encode())

    wrong = 0


def test_all_shards_hear_of_the_end_before_the_first_answer_is_waited_for() -> None:
    ended = threading.Barrier(2)
    servers = [Waiting(ended) for _ in range(2)]
    shards = tuple(Shard(number, f"grpc://127.0.0.1:{server.port}", "ticket") for number, server in enumerate(servers))
    load = Load("load", "open", Login("grpc://127.0.0.1:1", ()), shards)
    for wrong in (0, 1):
        servers[1].wrong = wrong
        streams = Streams(load, Attempt(0, 1), ROWS.schema, Sending())
        for number in range(2):
            streams.send(number, ROWS)
        if wrong:
            with pytest.raises(WriteError, match="4 of 3 rows arrived"):
                streams.finish()
        else:
            assert streams.finish() == {0: 3, 1: 3}
        streams.close()
    for server in servers:
        server.shutdown()
