"""Brief questions to a shard go over streams that stay open (DoExchange): a call of its own for each costs a point query 0.2 ms.

A stream serves one question at a time, and is given up with the first thing that goes wrong on it. Reading changes nothing, so what fails
on a stream that was used before (the shard was restarted, the interrupt of an earlier query came late) is asked again on a new one.
"""

from __future__ import annotations

import contextlib
import threading

import pyarrow as pa
from pyarrow import flight

from virtualization.plan import QueryContext

KEPT = 8
"""Streams to a shard that rest, at most: each holds one of its threads."""


class KeptStreams:
    """To one shard. Thread-safe."""

    def __init__(self, client: flight.FlightClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._resting: list[_Stream] = []

    def ask(self, ticket: bytes, context: QueryContext) -> bytes:
        """The shard's message. pa.ArrowException or OSError, also where the query was cancelled."""
        with self._lock:
            resting = self._resting.pop() if self._resting else None
        if resting is not None:
            try:
                return self._asked(resting, ticket, context)
            except (pa.ArrowException, OSError):
                if context.cancelled:
                    raise
        return self._asked(_Stream(self._client), ticket, context)

    def _asked(self, stream: _Stream, ticket: bytes, context: QueryContext) -> bytes:
        withdraw = context.on_cancel(stream.cancel)
        try:
            answer = stream.ask(ticket)
        except BaseException:
            stream.close()
            raise
        finally:
            withdraw()
        with self._lock:
            rests = len(self._resting) < KEPT and not context.cancelled
            if rests:
                self._resting.append(stream)
        if not rests:
            stream.close()
        return answer

    def close(self) -> None:
        """End those that rest."""
        with self._lock:
            resting, self._resting = self._resting, []
        for stream in resting:
            stream.close()


class _Stream:
    def __init__(self, client: flight.FlightClient) -> None:
        self._writer, self._reader = client.do_exchange(flight.FlightDescriptor.for_command(b""))
        self.cancel = self._reader.cancel

    def ask(self, ticket: bytes) -> bytes:
        self._writer.write_metadata(pa.py_buffer(ticket))
        try:
            said = self._reader.read_chunk().app_metadata
        except StopIteration:
            raise flight.FlightUnavailableError("the shard ended the stream") from None
        assert said is not None
        return said.to_pybytes()

    def close(self) -> None:
        self._reader.cancel()
        with contextlib.suppress(pa.ArrowException, OSError):  # that it was cancelled
            self._writer.close()
