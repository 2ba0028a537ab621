"""Streams for clients that can't reach the shards: batch by batch, as fast as the slower side, never more than one batch in memory.

The ticket inside is the shard's to judge.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import pyarrow as pa
from pyarrow import flight

from pools.compute.errors import StatementError
from pools.compute.loads.faults import flight_error
from pools.compute.loads.shards import Shards, refused
from virtualization import shard_calls

STREAMS = 64
"""Relayed at once; the next one is refused with 53300."""


class Relay:
    """Of one replica. Everything blocks: called on Flight's threads."""

    def __init__(self, shards: Shards, streams: int = STREAMS) -> None:
        self._shards = shards
        self._places = threading.BoundedSemaphore(streams)

    def put(
        self,
        command: Mapping[str, Any],
        reader: flight.MetadataRecordBatchReader,
        answer: flight.FlightMetadataWriter,
    ) -> None:
        """DoPut with ``{"ticket", "shard", "partition", "attempt"}``: the shard's answer, or its error."""
        number = _number(command)
        forwarded = json.dumps({name: value for name, value in command.items() if name != "shard"}).encode()
        with self._place():
            try:
                writer, answers = self._shards.client(number).do_put(flight.FlightDescriptor.for_command(forwarded), reader.schema)
                self._forward(reader, writer)
                said = answers.read()  # type: ignore[attr-defined]  # pyarrow's stub is wrong
                writer.close()
            except (pa.ArrowException, OSError) as error:
                raise refused(error, number) from None
            if said is None:
                raise StatementError("08006", f"shard {number} of the data pool ended the stream without an answer", hint="Send it again.")
            answer.write(said)

    @staticmethod
    def _forward(reader: flight.MetadataRecordBatchReader, writer: flight.FlightStreamWriter) -> None:
        try:
            for chunk in reader:
                if chunk.data is not None and chunk.app_metadata is not None:
                    writer.write_with_metadata(chunk.data, chunk.app_metadata)
                elif chunk.data is not None:
                    writer.write_batch(chunk.data)
                elif chunk.app_metadata is not None:
                    writer.write_metadata(chunk.app_metadata)
            writer.done_writing()
        except (pa.ArrowException, OSError) as error:
            # The stream only says that it broke; why is what the shard answered.
            try:
                writer.close()
            except (pa.ArrowException, OSError) as why:
                if shard_calls.said(str(why)) is not None:
                    raise why from error
            raise

    def get(self, command: Mapping[str, Any]) -> flight.FlightDataStream:
        """DoGet with ``{"ticket", "shard"}``."""
        number = _number(command)
        ticket = flight.Ticket(str(command.get("ticket", "")).encode())
        with ExitStack() as place:
            place.enter_context(self._place())
            try:
                reader = self._shards.client(number).do_get(ticket)
                schema = reader.schema
            except (pa.ArrowException, OSError) as error:
                raise refused(error, number) from None
            return flight.GeneratorStream(schema, _Batches(reader, number, place.pop_all()))

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise StatementError("53300", "too many streams go through this replica of the compute pool", hint="Try again in a moment.")
        try:
            yield
        finally:
            self._places.release()


class _Batches:
    """A shard's stream; its place is free when it ends, or when nobody holds it any more (a client that left before the first batch)."""

    def __init__(self, reader: flight.FlightStreamReader, number: int, place: ExitStack) -> None:
        self._reader = reader
        self._number = number
        self._place = place

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        try:
            while (batch := self._reader.read_chunk().data) is None:
                pass
        except StopIteration:
            self._place.close()
            raise
        except (pa.ArrowException, OSError) as error:
            self._place.close()
            raise flight_error(refused(error, self._number)) from None
        return batch

    def __del__(self) -> None:
        self._reader.cancel()
        self._place.close()


def _number(command: Mapping[str, Any]) -> int:
    number = command.get("shard")
    if isinstance(number, bool) or not isinstance(number, int):
        raise StatementError("22023", "the stream names no shard", hint='{"ticket": …, "shard": number, …}')
    return number
