"""Which rows of a batch go to which shard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from pyspark_bdc.buckets import bucket_numbers
from pyspark_bdc.load import Load


class Spreading:
    """For one task. ``start`` (the partition's number) decides where round robin begins, so that small partitions don't all begin at
    the same shard."""

    def __init__(self, load: Load, start: int) -> None:
        self._distribution = load.distribution
        self._shards = tuple(shard.number for shard in load.shards)
        types = dict(load.columns)
        self._types = [types[name] for name in load.distribution.columns]
        self._next = start

    def __call__(self, batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
        """(shard's number, its rows), no empty ones; every row once, or with REPLICATED once per shard."""
        kind = self._distribution.kind
        if not batch.num_rows:
            return
        if kind == "replicated":
            yield from ((shard, batch) for shard in self._shards)
        elif kind == "hash":
            yield from self._hashed(batch)
        else:
            yield self._shards[self._next % len(self._shards)], batch
            self._next += 1

    def _hashed(self, batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
        spread = self._distribution
        placed = bucket_numbers([batch.column(name) for name in spread.columns], self._types, spread.version)
        target: np.ndarray[Any, Any] = spread.shard_of_buckets()[placed]
        for shard in self._shards:
            mask = target == shard
            count = int(np.count_nonzero(mask))
            if count == batch.num_rows:
                yield shard, batch
            elif count:
                yield shard, batch.filter(_mask(mask))


def _mask(wanted: np.ndarray[Any, Any]) -> pa.Array[Any]:
    """As ``pa.array`` makes it, which would import pandas where it is installed."""
    return pa.Array.from_buffers(pa.bool_(), len(wanted), [None, pa.py_buffer(np.packbits(wanted, bitorder="little").tobytes())])
