"""One big collection read over several connections at once, in ranges of ``_id``.

    the first and the last _id by the index, of one type  → so are all between, and ranges of that type leave nothing out
    $sample of _id                                        → places at which ranges begin
    the first range until its first batch was taken       → then the others beside it: a reader who wants few rows costs one connection

A document keeps its ``_id``, so each that is there all the time is read once. One that is inserted meanwhile is read, or is not, as by one
cursor: MongoDB gives no snapshot of a collection to either.
"""

from __future__ import annotations

import datetime
import itertools
import math
import queue
import threading
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
from bson import Decimal128, ObjectId

from virtualization.connectors.mongodb import rows
from virtualization.connectors.mongodb.client import Client, Stream
from virtualization.connectors.mongodb.pipelines import Document, Pipeline
from virtualization.errors import CancelledError, VirtualizationError
from virtualization.plan import Batches, QueryContext

RANGES_EACH = 4
"""Ranges per connection: one whose documents are longer takes fewer."""
_SAMPLED_EACH = 20
"""Documents that are looked at for the beginning of one range."""


def in_ranges(client: Client, pipeline: Pipeline, context: QueryContext) -> Batches:
    """The pipeline's rows, over several connections where it reads a whole big collection."""
    found = _ranges(client, pipeline) if reads_all(pipeline) and connections(client) > 1 and not context.cancelled else []
    return ParallelRows(client, pipeline, found, context) if len(found) > 1 else client.stream(pipeline, context)


def reads_all(pipeline: Pipeline) -> bool:
    """Is each document looked at, each for itself? A filter at the beginning may know a shorter way, by an index."""
    return pipeline.by_document and not (pipeline.stages and "$match" in pipeline.stages[0])


def connections(client: Client) -> int:
    """At once, at most."""
    return min(client.settings.scan_connections, client.settings.max_connections)


def _ranges(client: Client, pipeline: Pipeline) -> list[Document]:
    """Conditions on ``_id``, of which each document of the collection meets one; none where that can't be said, or is not worth it."""
    total = client.estimated(pipeline.collection)
    count = 0 if total is None else min(connections(client) * RANGES_EACH, int(total / client.settings.scan_documents))
    if count < 2:
        return []
    ends = [_ids(client, pipeline, [{"$sort": {"_id": direction}}, {"$limit": 1}]) for direction in (1, -1)]
    of = {_type(found[0]) if found else None for found in ends}
    if len(of) != 1 or None in of:
        return []
    sampled = _ids(client, pipeline, [{"$sample": {"size": count * _SAMPLED_EACH}}])
    return ranges(sampled, count) if {_type(one) for one in sampled} == of else []


def ranges(sampled: list[Any], count: int) -> list[Document]:
    """``count`` ranges (or fewer) over values of one type, from below the first to beyond the last."""
    ordered = sorted(sampled, key=_comparable)
    places = [ordered[len(ordered) * number // count] for number in range(1, count)]
    starts = [
        place for place, before in zip(places, [None, *places], strict=False) if before is None or _comparable(before) < _comparable(place)
    ]
    if not starts:
        return []
    between = [{"_id": {"$gte": low, "$lt": high}} for low, high in itertools.pairwise(starts)]
    return [{"_id": {"$lt": starts[0]}}, *between, {"_id": {"$gte": starts[-1]}}]


def _ids(client: Client, pipeline: Pipeline, stages: list[Document]) -> list[Any]:
    return [one.get("_id") for one in client.documents(pipeline.collection, [*stages, {"$project": {"_id": 1}}])]


def _type(value: object) -> str | None:
    """The bracket of types within which MongoDB compares; None: of this one nobody makes ranges."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float | Decimal128):
        return None if math.isnan(_number(value)) else "number"  # NaN is in no range
    names: dict[type, str] = {ObjectId: "objectId", str: "string", datetime.datetime: "date"}
    return names.get(type(value))


def _number(value: float | Decimal128) -> Decimal:
    return value.to_decimal() if isinstance(value, Decimal128) else Decimal(value)


def _comparable(value: Any) -> Any:  # noqa: ANN401 values of one type
    """As the server orders: texts by their bytes in UTF-8, which is the order of code points."""
    return _number(value) if isinstance(value, int | float | Decimal128) else value


class ParallelRows:
    """See ``virtualization.plan.Batches``: the streams of all ranges, as they come."""

    def __init__(self, client: Client, pipeline: Pipeline, found: list[Document], context: QueryContext) -> None:
        self._client = client
        self._context = context
        self._waiting = [replace(pipeline, stages=({"$match": one}, *pipeline.stages)) for one in reversed(found)]
        self._schema = rows.schema(pipeline.outputs)
        self._batches: queue.Queue[pa.RecordBatch | VirtualizationError | None] = queue.Queue(connections(client) * 2)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._first = client.stream(self._waiting.pop(), context)
        self._running: list[Stream] = [self._first]

    @property
    def schema(self) -> pa.Schema:
        """As promised by the fragment."""
        return self._schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        begun = iter(self._first)
        try:
            for batch in begun:
                yield batch
                break
            self._start(begun)
            for _ in range(min(connections(self._client) - 1, len(self._waiting))):
                self._start(iter(()))
            yield from self._arriving(len(self._threads))
        finally:
            self.close()

    def close(self) -> None:
        """Stop everywhere; harmless when repeated or after the end."""
        self._over.set()
        with self._lock:
            running = list(self._running)
        for stream in running:
            stream.interrupt()  # it may be waiting for the server
        for thread in self._threads:
            thread.join()
        self._first.close()

    def _start(self, begun: Iterator[pa.RecordBatch]) -> None:
        thread = threading.Thread(target=self._guarded, args=(begun,), name="scan", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _arriving(self, workers: int) -> Iterator[pa.RecordBatch]:
        while workers:
            item = self._batches.get()
            if item is None:
                workers -= 1
            elif isinstance(item, VirtualizationError):
                raise item
            else:
                yield item

    def _guarded(self, begun: Iterator[pa.RecordBatch]) -> None:
        """Whatever happens in a worker reaches the reader."""
        try:
            self._work(begun)
        except VirtualizationError as error:
            self._put(error)
        finally:
            self._put(None)

    def _work(self, begun: Iterator[pa.RecordBatch]) -> None:
        if not all(self._put(batch) for batch in begun):
            return
        while (pipeline := self._next()) is not None:
            stream = self._client.stream(pipeline, self._context)
            with self._lock:
                self._running.append(stream)
            try:
                if not all(self._put(batch) for batch in stream):
                    return
            finally:
                stream.close()
                with self._lock:
                    self._running.remove(stream)

    def _next(self) -> Pipeline | None:
        if self._context.cancelled:
            raise CancelledError("canceling statement due to user request")  # between two ranges nothing else notices
        with self._lock:
            return self._waiting.pop() if self._waiting and not self._over.is_set() else None

    def _put(self, item: pa.RecordBatch | VirtualizationError | None) -> bool:
        """False: nobody reads any more."""
        while not self._over.is_set():
            try:
                self._batches.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False
