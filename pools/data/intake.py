"""put: one stream of rows becomes a staged segment, in one DuckDB transaction, or leaves nothing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

import duckdb
import pyarrow as pa

from pools.data.batches import BatchForm
from pools.data.errors import ShardError, required
from pools.data.ledger import LoadKey, Place, Segment
from pools.data.store import Store, record, rollback
from pools.data.tables import TableSpec, identifier, table_of

CHUNK_ROWS = 122_880
"""DuckDB's row group."""

WAIT_SECONDS = 30.0
"""How long the same (partition, attempt) may go on in another stream, whose end the network may not have told yet."""

MIN_CHUNK_BYTES = 1 << 20
MODES = ("append", "overwrite", "upsert")

_Message = tuple[pa.RecordBatch | None, dict[str, Any] | None]


class Stream(Protocol):
    """What arrives: batches, and messages without rows."""

    schema: pa.Schema

    def read_chunk(self) -> Any:  # noqa: ANN401 pyarrow.flight.FlightStreamChunk
        """The next; StopIteration at the end."""


@dataclass(frozen=True)
class Put:
    """What a stream says of itself: its ticket and its place in the load."""

    table: TableSpec
    generation: int
    load: str
    mode: str
    partition: int
    attempt: int
    savepoint: int
    announced: int

    @property
    def key(self) -> LoadKey:
        """Of its load."""
        return self.table.db, self.load

    @property
    def place(self) -> Place:
        """Within its load."""
        return self.table.id, self.partition, self.attempt

    @classmethod
    def of(cls, claims: dict[str, Any], command: dict[str, Any]) -> Put:
        """From the ticket's claims and the descriptor's command."""
        db, load, mode, tables = required(claims, "db", "load", "mode", "tables")
        partition, attempt = required(command, "partition", "attempt")
        if len(tables) != 1 or mode not in MODES:
            raise ShardError("08P01", "a put ticket names one table and its mode")
        table = table_of(db, tables[0])
        if table.generation is None:
            raise ShardError("08P01", "a put ticket names the table's generation")
        try:
            numbers = (int(partition), int(attempt), int(command.get("savepoint") or 0), int(command.get("bytes") or 0))
        except (TypeError, ValueError, OverflowError):
            raise ShardError("08P01", "partition, attempt, savepoint and bytes are integers") from None
        return cls(table, table.generation, identifier(load, "load"), mode, *numbers)


class _Feed:
    """What DuckDB reads as ``chunk``. Registered once per stream: DuckDB keeps whatever is registered inside a transaction until that has
    ended, and with an object per chunk a load lay in memory as a whole."""

    def __init__(self, schema: pa.Schema) -> None:
        self._none = self.rows = schema.empty_table()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)  # type: ignore[no-untyped-call]

    def clear(self) -> None:
        """The chunk is in."""
        self.rows = self._none


class Intake:
    """Takes streams in. Any number at once, also into one table."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._streams = 0

    def put(self, put: Put, stream: Stream) -> dict[str, int]:
        """The answer of a put; sent again it is the same, and nothing is added."""
        self._store.check_disk(put.announced)
        self._store.memory.admit()
        try:
            return self._put(put, stream)
        finally:
            self._store.memory.leave()

    def _put(self, put: Put, stream: Stream) -> dict[str, int]:
        segment, first = self._enter(put)
        if not first:
            _drain(stream)
            return _answer(segment)
        try:
            self._receive(put, segment, stream)
        except BaseException:
            self._store.ledger.forget(segment)
            raise
        return _answer(segment)

    def _enter(self, put: Put) -> tuple[Segment, bool]:
        """The stream's segment, and whether it is a new one."""
        ledger, store = self._store.ledger, self._store
        number = store.next_segment()
        with ledger.lock:
            self._refuse_late(put)
            if not ledger.changed.wait_for(lambda: not _under_way(ledger.stream(put.key, put.place)), WAIT_SECONDS):
                raise ShardError(
                    "55006", "the same partition and attempt is being sent in another stream", hint="Use a new attempt number."
                )
            found = ledger.stream(put.key, put.place)
            if found is not None:
                return found, False
            self._refuse_late(put)
            segment = Segment(
                *(number, put.table.db, put.load, put.table.id, put.generation, put.mode, put.partition, put.attempt, put.savepoint)
            )
            ledger.enter(segment)
            return segment, True

    def _refuse_late(self, put: Put) -> None:
        """40001 for a load that was aborted, 55000 for a stream that comes after the seal; the same one sent again is let through."""
        ledger = self._store.ledger
        if put.key in ledger.aborted:
            raise ShardError("40001", "the load was aborted", hint="Begin it again.")
        same = ledger.stream(put.key, put.place)
        if (put.key in ledger.sealed and same is None) or (same is not None and same.state in ("aborted", "gone")):
            raise ShardError("55000", "the load is sealed: this stream is not one of those that its commit named")

    def _receive(self, put: Put, segment: Segment, stream: Stream) -> None:
        store = self._store
        load = put.load if put.mode == "overwrite" else ""
        form = BatchForm(put.table, stream.schema)
        messages = _messages(stream)
        first = _first(messages)
        prose = form.prose(first[0][0]) if first and first[0][0] is not None else frozenset[str]()
        store.ensure_generation(put.table, put.generation, load, prose)
        state = store.ledger.table((put.table.db, put.table.id))
        with state.schema.shared(), store.cursor() as cursor, self._counted():
            cursor.execute("BEGIN TRANSACTION")
            try:
                self._insert(cursor, put, segment, form, chain(first, messages))
                record(cursor, dataclasses.replace(segment, state="staged"))
                with store.ledger.load_lock(put.key):
                    self._refuse_late_commit(put)
                    cursor.execute("COMMIT")
                    with store.ledger.lock:
                        segment.state = "staged"
                        store.ledger.changed.notify_all()
            except BaseException:
                rollback(cursor)
                raise

    def _refuse_late_commit(self, put: Put) -> None:
        ledger = self._store.ledger
        with ledger.lock:
            if put.key in ledger.sealed or put.key in ledger.aborted:
                raise ShardError("55000", "the load was sealed or aborted before the stream ended")
            ledger.refuse_rolled_back(put.key, put.savepoint, put.partition)

    def _insert(self, cursor: duckdb.DuckDBPyConnection, put: Put, segment: Segment, form: BatchForm, messages: Iterable[_Message]) -> None:
        columns = ", ".join((*form.columns, "seg", "dead"))
        values = ", ".join((*form.expressions, str(segment.number), "0"))
        insert = f"INSERT INTO {put.table.physical(put.generation)} ({columns}) SELECT {values} FROM chunk"
        feed = _Feed(form.schema)
        cursor.register("chunk", feed)
        told: int | None = None
        waiting: list[pa.RecordBatch] = []
        rows = size = 0
        for batch, message in messages:
            if message is not None:
                told = int(message.get("rows", -1))
            if batch is None or not batch.num_rows:
                continue
            waiting.append(form.fit(batch))
            rows, size = rows + batch.num_rows, size + batch.nbytes
            if rows >= CHUNK_ROWS or size >= self._chunk_bytes():
                self._flush(cursor, insert, feed, waiting)
                segment.rows, segment.bytes = segment.rows + rows, segment.bytes + size
                waiting, rows, size = [], 0, 0
        if waiting:
            self._flush(cursor, insert, feed, waiting)
        segment.rows, segment.bytes = segment.rows + rows, segment.bytes + size
        if told != segment.rows:
            sent = "the stream ended without its count" if told is None else f"{told} rows were announced, {segment.rows} arrived"
            raise ShardError("08P01", f"{sent}: nothing was kept")

    def _flush(self, cursor: duckdb.DuckDBPyConnection, insert: str, feed: _Feed, batches: list[pa.RecordBatch]) -> None:
        self._store.check_disk()
        feed.rows = pa.Table.from_batches(batches)
        with self._store.memory.flushing():
            cursor.execute(insert)
        feed.clear()

    def _chunk_bytes(self) -> int:
        """What one stream may hold back in memory: its part of a fifth of the shard's."""
        return max(MIN_CHUNK_BYTES, self._store.memory.streams // max(1, self._streams))

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._store.ledger.lock:
            self._streams += 1
        try:
            yield
        finally:
            with self._store.ledger.lock:
                self._streams -= 1


def _under_way(stream: Segment | None) -> bool:
    return stream is not None and stream.state == "staging"


def _answer(segment: Segment) -> dict[str, int]:
    return {"segment": segment.number, "rows": segment.rows, "bytes": segment.bytes}


def _messages(stream: Stream) -> Iterator[_Message]:
    """Batches and the messages beside them."""
    while True:
        try:
            chunk = stream.read_chunk()
        except StopIteration:
            return
        message = None
        if chunk.app_metadata is not None:
            try:
                message = json.loads(chunk.app_metadata.to_pybytes())
            except ValueError as error:
                raise ShardError("08P01", "a message in the stream is not JSON") from error
        yield chunk.data, message


def _first(messages: Iterator[_Message]) -> list[_Message]:
    """The first that says something, taken off ``messages``; empty at the end."""
    return next(([one] for one in messages if one[1] is not None or (one[0] is not None and one[0].num_rows)), [])


def _drain(stream: Stream) -> None:
    """Take what was sent again off the connection."""
    for _ in _messages(stream):
        pass
