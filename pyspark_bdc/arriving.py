"""Batches as they arrive, from the master or a shard, as Spark wants them: each value exact, or an error that names its column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pyspark_bdc.columns import Column, decimal_size
from pyspark_bdc.errors import ReadError

# The oldest moments that the server holds (4713 BC), with the integers that hold them and what shards send for "infinity" (its negative
# for the other one). Below the oldest lies only what the database driver makes of the server's "infinity".
_TIMES: dict[pa.DataType, tuple[pa.DataType, int, int]] = {
    pa.date32(): (pa.int32(), -2_440_588, 2**31 - 1),
    pa.timestamp("us"): (pa.int64(), -210_866_803_200_000_000, 2**63 - 1),
    pa.timestamp("us", tz="UTC"): (pa.int64(), -210_866_803_200_000_000, 2**63 - 1),
}


def converted(columns: Sequence[Column], batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch as Spark wants it, of one whose columns are in the same order. ReadError where a value has no exact place in Spark."""
    schema = pa.schema([pa.field(column.name, column.arrow, column.nullable) for column in columns])
    arrays = [_converted(column, array) for column, array in zip(columns, batch.columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _converted(column: Column, array: pa.Array[Any]) -> pa.Array[Any]:
    if not column.nullable and array.null_count:
        raise ReadError(f"column {column.name!r} holds NULL; the schema says it does not", "leave NOT NULL out of the schema")
    if decimal_size(column.spark):
        return _decimal(column, array)
    if array.type != column.arrow:  # another type than the one described: the table was altered since
        raise ReadError(f"column {column.name!r} arrived as {array.type}, not as {column.arrow}", "load the table again")
    _refuse_infinity(column, array)
    return array


def _decimal(column: Column, array: pa.Array[Any]) -> pa.Array[Any]:
    if array.type == column.arrow:
        return array
    texts = array.storage if isinstance(array, pa.ExtensionArray) else array
    try:
        return texts.cast(column.arrow)
    except pa.ArrowInvalid as error:
        raise ReadError(
            f"column {column.name!r}: a value has no exact place in {column.spark}: {error}",
            "cast it in a query, ask for another decimal(p,s) with .schema(…), or read it as string",
        ) from None


def _refuse_infinity(column: Column, array: pa.Array[Any]) -> None:
    time = _TIMES.get(array.type)
    if time is None:
        return
    stored, oldest, infinity = time
    found: Any = pc.min_max(array.view(stored)).as_py()
    if found["min"] is not None and (found["min"] < oldest or found["max"] == infinity):
        raise ReadError(f"column {column.name!r} holds infinity, which Spark has no value for", "use NULLIF(…, 'infinity') in a query")
