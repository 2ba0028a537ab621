"""Reads shards over Arrow Flight: one connection per shard, kept; one stream is read by whoever asks, several are read side by side."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa
from pyarrow import flight

from virtualization.connectors.datapool.access import ShardAccess
from virtualization.connectors.datapool.faults import ShardError, shard_fault
from virtualization.connectors.datapool.kept import KeptStreams
from virtualization.errors import CancelledError, InternalError, SourceUnreachableError, VirtualizationError
from virtualization.plan import Batches, QueryContext
from virtualization.shard_calls import CHANNEL, MANY

T = TypeVar("T")

_HELLO_SECONDS = 5.0
_ELSEWHERE = frozenset({"08001", "55000"})
"""A shard does not answer, or has lost its folder: another one that has the same rows is asked."""

_AGAIN = (0.1, 0.3)
"""Seconds between tries where nobody else has the rows: a shard that was restarted is there, but gRPC, which was refused before, does not
connect for up to 0.3 s (``CHANNEL``)."""

Choices = Sequence[tuple[int, bytes]]
"""(shard, ticket) of one stream: shards that have the same rows, in the order in which they are to be asked."""

_READ_AHEAD = 4
"""Batches per shard that wait to be asked for; then the shard waits."""


class Client:
    """Thread-safe; connects on its own, again and again."""

    def __init__(self, access: ShardAccess) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._clients: dict[int, flight.FlightClient] = {}
        self._kept: dict[int, KeptStreams] = {}

    def client(self, number: int) -> flight.FlightClient:
        """Of one shard; 55000 for one that this pool does not have."""
        known = self._clients.get(number)
        if known is not None:
            return known
        location = self._access.locations.get(number)
        if location is None:
            raise ShardError("55000", f"the data pool has no shard {number}", hint="The table was made with more shards.")
        with self._lock:
            made = self._clients.get(number)
            if made is None:
                made = self._clients[number] = flight.FlightClient(location, tls_root_certs=self._access.authority, generic_options=CHANNEL)
            return made

    def open(self, streams: Sequence[Choices], context: QueryContext, *, brief: bool) -> Batches:
        """The streams come as they come. ``brief``: the answer is there at once, so that the caller's own thread may wait for it; any
        other wait ends when the query is cancelled."""
        if len(streams) == 1 and brief:
            return opened(streams[0], lambda number, ticket: self._brief(number, ticket, context), context)
        return ShardStreams(self, streams, context)

    def _brief(self, number: int, ticket: bytes, context: QueryContext) -> Batches:
        """All rows if they are few, else a stream of them."""
        if context.cancelled:
            raise CancelledError("canceling statement due to user request")
        kept = self._kept.get(number)
        if kept is None:
            kept = self._kept.setdefault(number, KeptStreams(self.client(number)))
        try:
            answer = kept.ask(numbered(ticket, context), context)
            if answer == MANY:
                return ShardStream(self, number, ticket, context)
            if answer.startswith(b"{"):
                raise flight.FlightServerError(answer.decode())
            return Few(pa.ipc.open_stream(answer).read_all())
        except (pa.ArrowException, OSError) as error:
            raise shard_fault(error, number, context.cancelled) from None

    def hello(self, number: int) -> dict[str, Any]:
        """What a shard says of itself."""
        options = flight.FlightCallOptions(timeout=_HELLO_SECONDS)
        try:
            answer = next(iter(self.client(number).do_action(flight.Action("hello", b"{}"), options)))
        except (pa.ArrowException, OSError) as error:
            raise shard_fault(error, number, False) from None
        said: dict[str, Any] = json.loads(answer.body.to_pybytes())
        return said

    def close(self) -> None:
        """End the connections."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
            kept, self._kept = list(self._kept.values()), {}
        for resting in kept:
            resting.close()
        for client in clients:
            client.close()


class Few:
    """A brief answer: it is here."""

    def __init__(self, rows: pa.Table) -> None:
        self.schema = rows.schema
        self._rows = rows

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return iter(self._rows.to_batches())

    def close(self) -> None:
        """Nothing is open."""


class ShardStream:
    """One shard's answer, read by the caller."""

    def __init__(self, client: Client, number: int, ticket: bytes, context: QueryContext) -> None:
        self._number = number
        self._context = context
        self._reader: Any = None
        self._open = True
        if context.cancelled:
            raise CancelledError("canceling statement due to user request")
        try:
            self._reader = client.client(number).do_get(flight.Ticket(numbered(ticket, context)))
            self.schema: pa.Schema = self._reader.schema
        except VirtualizationError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise shard_fault(error, number, context.cancelled) from None
        self._withdraw = context.on_cancel(self._reader.cancel)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            while self._open:
                batch = self._reader.read_chunk().data
                if batch is not None and batch.num_rows:
                    yield batch
        except StopIteration:
            if self._context.cancelled:
                raise CancelledError("canceling statement due to user request") from None
        except (pa.ArrowException, OSError) as error:
            if self._open or self._context.cancelled:
                raise shard_fault(error, self._number, self._context.cancelled) from None
        finally:
            self._open = False
            self._withdraw()

    def close(self) -> None:
        """The shard stops; harmless when repeated."""
        if self._open:
            self._open = False
            self._withdraw()
            self._reader.cancel()


class ShardStreams:
    """Several shards' answers, a thread per shard: a slow one does not hold up the others, a fast one waits when it is far ahead."""

    def __init__(self, client: Client, streams: Sequence[Choices], context: QueryContext) -> None:
        self._context = context
        self._queue: queue.Queue[pa.RecordBatch | VirtualizationError | _End | pa.Schema] = queue.Queue(_READ_AHEAD * len(streams))
        self._left = len(streams)
        self._lock = threading.Lock()
        self._streams: list[ShardStream] = []
        self._open = True
        self._ready: list[pa.RecordBatch] = []
        self._schema: pa.Schema | None = None
        self._withdraw = context.on_cancel(self._wake)
        for choices in streams:
            opening = partial(opened, choices, partial(ShardStream, client, context=context), context)
            threading.Thread(target=self._read, args=(opening,), name=f"shard {choices[0][0]}", daemon=True).start()

    @property
    def schema(self) -> pa.Schema:
        """Of the first shard that answers; all send the same."""
        while self._schema is None:
            self._take(self._queue.get())
        return self._schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            while self._open and (self._left or self._ready):
                if self._ready:
                    yield self._ready.pop(0)
                else:
                    self._take(self._queue.get())
            if self._open and self._context.cancelled:  # after the last row was read ahead: there was no room to say so
                raise CancelledError("canceling statement due to user request")
        finally:
            self.close()

    def _wake(self) -> None:
        """Cancelled: whoever waits for rows stops waiting (where rows lie ready, nobody waits)."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(CancelledError("canceling statement due to user request"))

    def _take(self, item: pa.RecordBatch | VirtualizationError | _End | pa.Schema) -> None:
        if isinstance(item, pa.RecordBatch):
            self._ready.append(item)
        elif isinstance(item, pa.Schema):
            self._schema = self._schema or item
        elif isinstance(item, _End):
            self._left -= 1
        else:
            self.close()
            raise item

    def _read(self, opening: Callable[[], ShardStream]) -> None:
        """One shard's thread."""
        try:
            stream = opening()
            with self._lock:
                self._streams.append(stream)
            if not self._open:
                stream.close()
                return
            self._put(stream.schema)
            for batch in stream:
                if not self._put(batch):
                    stream.close()
                    return
            self._put(_End())
        except VirtualizationError as error:
            self._put(error)
        except Exception as error:  # noqa: BLE001 a thread's error must reach the query
            self._put(InternalError("reading the data pool failed", detail=f"{type(error).__name__}: {error}"))

    def _put(self, item: pa.RecordBatch | VirtualizationError | _End | pa.Schema) -> bool:
        """False: nobody reads any more."""
        while self._open:
            try:
                self._queue.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def close(self) -> None:
        """All shards stop; harmless when repeated."""
        self._open = False
        self._withdraw()
        with self._lock:
            streams, self._streams = self._streams, []
        for stream in streams:
            stream.close()


def numbered(ticket: bytes, context: QueryContext) -> bytes:
    """With the number of the query behind it, for the shard's log."""
    if not context.number:
        return ticket
    return ticket + (b" " if b" " in ticket else b"  ") + context.number.encode()


class _End:
    """One shard has sent all."""


def opened(choices: Choices, open_: Callable[[int, bytes], T], context: QueryContext) -> T:
    """Of the first that answers and has its rows still; the last one is asked more than once."""
    for number, ticket in choices[:-1]:
        try:
            return open_(number, ticket)
        except (ShardError, SourceUnreachableError) as error:
            if error.code not in _ELSEWHERE:
                raise
    for seconds in _AGAIN:
        try:
            return open_(*choices[-1])
        except SourceUnreachableError:
            context.pause(seconds)
    return open_(*choices[-1])
