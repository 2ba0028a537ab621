"""Writing a DataFrame into the data pool: begun and committed by the driver, sent by the tasks, there whole or not at all.

Spark plans a write in one Python worker (``begin``), runs ``write`` in the executors' workers, and ``commit`` or ``abort`` in another
worker on the driver; what they share is this pickled writer.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql.datasource import DataSourceArrowWriter, WriterCommitMessage

from pyspark_bdc.errors import WriteError
from pyspark_bdc.load import Load
from pyspark_bdc.sending import Attempt, Sending, Streams, reachable
from pyspark_bdc.spreading import Spreading
from pyspark_bdc.write_options import WriteOptions

_ATTEMPT_BITS = 52
"""An attempt's number must survive JSON."""


@dataclass
class Sent(WriterCommitMessage):
    """What one task brought: durable on the shards, visible only if the driver names it."""

    partition: int
    attempt: int
    rows: dict[int, int] = field(default_factory=dict)
    """Per shard."""


def send(load: Load, names: Sequence[str], batches: Iterator[pa.RecordBatch], options: WriteOptions) -> Sent:
    """One task's rows, as one attempt."""
    context = TaskContext.get()
    partition = context.partitionId() if context is not None else 0
    sent = Sent(partition, secrets.randbits(_ATTEMPT_BITS))
    first = next((batch for batch in batches if batch.num_rows), None)
    if first is None:
        return sent
    through = options.relay == "always" or (options.relay == "auto" and not all(reachable(shard) for shard in load.shards))
    schema = pa.schema([pa.field(name, one.type) for name, one in zip(names, first.schema, strict=True)])
    spreading = Spreading(load, partition)
    streams = Streams(load, Attempt(partition, sent.attempt), schema, Sending(through, options.piece_rows))
    renewed = load.begun
    try:
        for batch in _with(first, batches):
            named = pa.RecordBatch.from_arrays(batch.columns, schema=schema)
            for shard, rows in spreading(named):
                streams.send(shard, rows)
            renewed = load.renew_if_due(renewed)
        sent.rows = streams.finish()
    finally:
        streams.close()
    return sent


def _with(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


class LoadWriter(DataSourceArrowWriter):
    """One batch write. A load that was committed before (same ``loadId``), or is to be ignored, sends nothing."""

    def __init__(self, load: Load, names: Sequence[str], options: WriteOptions) -> None:
        self._load = load
        self._names = tuple(names)
        self._options = options

    def write(self, iterator: Iterator[pa.RecordBatch]) -> WriterCommitMessage:
        """In a task."""
        if self._load.state != "open":
            return Sent(-1, 0)
        return send(self._load, self._names, iterator, self._options)

    def commit(self, messages: list[WriterCommitMessage | None]) -> None:
        """On the driver: names the attempts that count; all others are dropped."""
        if self._load.state != "open":
            return
        sent = [message for message in messages if isinstance(message, Sent)]
        if len(sent) != len(messages):
            raise WriteError(f"{len(messages) - len(sent)} of {len(messages)} tasks gave no account of what they wrote")
        self._load.commit([(one.partition, one.attempt, one.rows) for one in sent if one.rows])

    def abort(self, messages: list[WriterCommitMessage | None]) -> None:
        """On the driver."""
        if self._load.state == "open":
            self._load.abort("Spark ended the job")
