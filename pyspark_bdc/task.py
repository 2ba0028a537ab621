"""What one task of a write does: its rows to their shards, as one attempt that nobody sees unless the driver names it."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pyspark_bdc.load import Load
from pyspark_bdc.sending import Attempt, Sending, Streams, reachable
from pyspark_bdc.spreading import Spreading
from pyspark_bdc.write_options import WriteOptions

_ATTEMPT_BITS = 52
"""An attempt's number must survive JSON."""


@dataclass(frozen=True)
class Account:
    """What was sent, durable on the shards: ``rows`` per shard number."""

    partition: int
    attempt: int
    rows: dict[int, int]


@dataclass(frozen=True)
class Task:
    """Shared by all tasks of a write. ``names``: the table's column for each of the DataFrame's."""

    load: Load
    names: tuple[str, ...]
    options: WriteOptions

    def send(self, partition: int, batches: Iterator[pa.RecordBatch]) -> Account:
        """All of one partition. WriteError; then nothing of it will be there."""
        attempt = secrets.randbits(_ATTEMPT_BITS)
        first = next((batch for batch in batches if batch.num_rows), None)
        if first is None:
            return Account(partition, attempt, {})
        schema = pa.schema([pa.field(name, one.type) for name, one in zip(self.names, first.schema, strict=True)])
        streams = Streams(self.load, Attempt(partition, attempt), schema, Sending(self._relayed(), self.options.piece_rows))
        try:
            self._stream(streams, schema, partition, _with(first, batches))
            return Account(partition, attempt, streams.finish())
        finally:
            streams.close()

    def _relayed(self) -> bool:
        asked = self.options.relay
        return asked == "always" or (asked == "auto" and not all(reachable(shard) for shard in self.load.shards))

    def _stream(self, streams: Streams, schema: pa.Schema, partition: int, batches: Iterator[pa.RecordBatch]) -> None:
        spreading = Spreading(self.load, partition)
        renewed = self.load.begun
        for batch in batches:
            for shard, rows in spreading(pa.RecordBatch.from_arrays(batch.columns, schema=schema)):
                streams.send(shard, rows)
            renewed = self.load.renew_if_due(renewed)


def keep_imports() -> None:
    """Once per Python worker, after its first task: what it has imported by now is garbage never. Spark's daemon collects garbage after
    each task, and going through all of that took two thirds of the time of a small one."""
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()


def _with(first: pa.RecordBatch, rest: Sequence[pa.RecordBatch] | Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest
