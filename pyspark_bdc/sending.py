"""A task's streams: one per shard that gets rows, each answered only when its rows are durable there."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from pyspark_bdc.coordinator import connect, refused
from pyspark_bdc.errors import WriteError
from pyspark_bdc.load import Load, Shard

PIECE_ROWS = 8192
"""Small batches are joined up to this many rows before they are sent. About a megabyte: what is larger than eight, a shard's
C library maps and unmaps anew for each piece, a third of the kernel's part of a load (docs/decisions/2026-11-21-put-path.md)."""

REACHABLE_SECONDS = 60.0
_ANSWERED: dict[str, float] = {}
"""When each location has answered last, in this process."""


@dataclass(frozen=True)
class Attempt:
    """Whose rows: ``number`` is unique among all attempts ever made for this load, so that a repeated task is never taken for the first."""

    partition: int
    number: int


@dataclass(frozen=True)
class Sending:
    """How: ``relay`` through the coordinator, for shards that this machine can't reach; so many rows at a time."""

    relay: bool = False
    piece_rows: int = PIECE_ROWS


class Streams:
    """Of one attempt."""

    def __init__(self, load: Load, attempt: Attempt, schema: pa.Schema, sending: Sending) -> None:
        self._load = load
        self._attempt = attempt
        self._schema = schema
        self._sending = sending
        self._open: dict[int, _Stream] = {}

    def send(self, shard: int, batch: pa.RecordBatch) -> None:
        """Waits while the shard is busy. WriteError."""
        stream = self._open.get(shard)
        if stream is None:
            stream = self._open[shard] = self._start(next(one for one in self._load.shards if one.number == shard))
        stream.send(batch)

    def _start(self, shard: Shard) -> _Stream:
        command: dict[str, Any] = {"ticket": shard.ticket, "partition": self._attempt.partition, "attempt": self._attempt.number}
        location, options = shard.location, flight.FlightCallOptions()
        if self._sending.relay:
            command["shard"] = shard.number
            location, options = self._load.login.location, self._load.login.stream()
        return _Stream(location, json.dumps(command).encode(), self._schema, options, self._sending.piece_rows)

    def finish(self) -> dict[int, int]:
        """Rows per shard, all of them durable there. WriteError. Each shard hears of the end before the first one's answer is waited for:
        the shards commit side by side."""
        for stream in self._open.values():
            stream.end()
        return {shard: stream.finish() for shard, stream in self._open.items()}

    def close(self) -> None:
        """Harmless when repeated; what was not finished leaves nothing on the shards."""
        for stream in self._open.values():
            stream.close()


class _Stream:
    def __init__(self, location: str, command: bytes, schema: pa.Schema, options: flight.FlightCallOptions, piece: int) -> None:
        self._location = location
        self._client = connect(location)
        self._piece = piece
        self._finished = False
        self._rows = 0
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        descriptor = flight.FlightDescriptor.for_command(command)
        self._writer, self._answers = self._told(lambda: self._client.do_put(descriptor, schema, options))

    def send(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        if self._waiting_rows >= self._piece:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        piece = self._waiting[0] if len(self._waiting) == 1 else pa.Table.from_batches(self._waiting).combine_chunks().to_batches()[0]
        self._waiting, self._waiting_rows = [], 0
        self._rows += piece.num_rows
        self._told(lambda: self._writer.write_batch(piece))

    def end(self) -> None:
        self._flush()
        self._told(self._write_end)

    def _write_end(self) -> None:
        self._writer.write_metadata(json.dumps({"rows": self._rows}).encode())
        self._writer.done_writing()

    def finish(self) -> int:
        answer = self._told(self._answered)
        if answer["rows"] != self._rows:
            raise WriteError(f"{self._location} says that {answer['rows']} of {self._rows} rows arrived")
        self._finished = True
        return self._rows

    def _answered(self) -> dict[str, Any]:
        said = self._answers.read()
        self._writer.close()
        if said is None:
            raise WriteError(f"{self._location} ended the stream without an answer", "the task is tried again")
        answer: dict[str, Any] = json.loads(said.to_pybytes())
        return answer

    def _told(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the call gives
        """An error while writing is only "the stream is closed"; why, is known to whoever reads the end of the stream."""
        try:
            return call()
        except (flight.FlightError, pa.ArrowException, OSError) as error:
            raise refused(self._cause(error), self._location) from None

    def _cause(self, error: Exception) -> Exception:
        if "{" in str(error):
            return error
        try:
            self._writer.close()
        except (flight.FlightError, pa.ArrowException, OSError) as said:
            return said
        except AttributeError:  # the stream was never open
            return error
        return error

    def close(self) -> None:
        if not self._finished and hasattr(self, "_writer"):
            with contextlib.suppress(flight.FlightError, pa.ArrowException, OSError):  # the shard drops what was not finished, and says so
                self._writer.close()
        self._client.close()


def reachable(shard: Shard, seconds: float = 3.0) -> bool:
    """Does the shard answer from here? (Its tickets are for shards only: ``hello`` needs none.) One that did a moment ago is not asked:
    a Python worker has many tasks."""
    if time.monotonic() - _ANSWERED.get(shard.location, -REACHABLE_SECONDS) < REACHABLE_SECONDS:
        return True
    try:
        with connect(shard.location) as client:
            list(client.do_action(flight.Action("hello", b"{}"), flight.FlightCallOptions(timeout=seconds)))
    except (flight.FlightUnavailableError, flight.FlightTimedOutError, OSError):
        return False
    except flight.FlightError:
        pass  # it did answer
    _ANSWERED[shard.location] = time.monotonic()
    return True
