"""Rows of one table on their way to its shards. Everything blocks: called on threads, one call at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import flight

from pools.compute.errors import StatementError
from pools.compute.loads.claims import Table, Winner
from pools.compute.loads.shards import Shards, refused
from virtualization import shard_calls
from virtualization.buckets import bucket_numbers

BATCH_ROWS = 65_536


class ShardWriter:
    """One stream to one shard."""

    def __init__(self, shards: Shards, number: int, command: Mapping[str, Any], schema: pa.Schema) -> None:
        self.rows = 0
        self._number = number
        descriptor = flight.FlightDescriptor.for_command(json.dumps(command).encode())
        try:
            self._writer, self._answers = shards.client(number).do_put(descriptor, schema)
        except (pa.ArrowException, OSError) as error:
            raise refused(error, number) from None

    def write(self, batch: pa.RecordBatch) -> None:
        """Wait until the shard takes it."""
        try:
            self._writer.write_batch(batch)
        except (pa.ArrowException, OSError) as error:
            raise self._why(error) from None
        self.rows += batch.num_rows

    def finish(self) -> int:
        """The rows, staged; StatementError when the shard kept nothing."""
        try:
            self._writer.write_metadata(pa.py_buffer(json.dumps({"rows": self.rows}).encode()))
            self._writer.done_writing()
            said = self._answers.read()  # type: ignore[attr-defined]  # pyarrow's stub is wrong
            self._writer.close()
        except (pa.ArrowException, OSError) as error:
            raise self._why(error) from None
        if said is None or json.loads(said.to_pybytes())["rows"] != self.rows:
            raise StatementError("08006", f"shard {self._number} of the data pool did not keep the rows", hint="Try again.")
        return self.rows

    def _why(self, error: Exception) -> StatementError:
        """The stream says only that it broke; why is what the shard answered."""
        try:
            self._writer.close()
        except (pa.ArrowException, OSError) as answer:
            if shard_calls.said(str(answer)) is not None:
                return refused(answer, self._number)
        return refused(error, self._number)


class TableWriter:
    """Streams of one table, all of the same columns: one per shard that gets rows. ``place``: partition (unique in the load), savepoint."""

    def __init__(self, shards: Shards, table: Table, tickets: Mapping[int, str], names: tuple[str, ...], place: tuple[int, int]) -> None:
        self.partition, self.savepoint = place
        self.names = names
        self._shards = shards
        self._table = table
        self._tickets = tickets
        self._numbers = sorted(tickets)
        self._turn = self.partition
        self._writers: dict[int, ShardWriter] = {}

    def write(self, rows: pa.Table) -> None:
        """Spread and send them."""
        for batch in rows.combine_chunks().to_batches(max_chunksize=BATCH_ROWS):
            for number, part in self._spread(batch):
                writer = self._writers.get(number)
                if writer is None:
                    command = {"ticket": self._tickets[number], "partition": self.partition, "attempt": 0, "savepoint": self.savepoint}
                    writer = self._writers[number] = ShardWriter(self._shards, number, command, rows.schema)
                writer.write(part)

    def finish(self) -> Winner:
        """All that was written, staged."""
        return self.partition, 0, {number: writer.finish() for number, writer in self._writers.items()}

    def _spread(self, batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
        distribution = self._table["distribution"]
        if distribution["kind"] == "replicated":
            yield from ((number, batch) for number in self._numbers)
        elif distribution["kind"] == "hash":
            yield from self._hashed(batch, distribution["columns"], int(distribution.get("hash_version") or 1))
        else:
            self._turn += 1
            yield self._numbers[self._turn % len(self._numbers)], batch

    def _hashed(self, batch: pa.RecordBatch, columns: list[str], version: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        types = {column["name"]: column["type"] for column in self._table["columns"]}
        missing = [name for name in columns if name not in batch.schema.names]
        if missing:
            raise StatementError("0A000", f'rows without the distribution column "{missing[0]}" have no place', hint="Name the column.")
        found = bucket_numbers([batch.column(name) for name in columns], [types[name] for name in columns], version)
        target = np.asarray(self._table["buckets"], dtype=np.int64)[found]
        for number in self._numbers:
            mask = target == number
            count = int(np.count_nonzero(mask))
            if count:
                yield number, batch if count == batch.num_rows else batch.filter(pa.array(mask))
