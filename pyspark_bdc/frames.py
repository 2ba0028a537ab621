"""A table or query as Arrow or pandas without Spark, by the options of ``spark.read``: from the shards, all of them at once, where its
rows lie in the data pool; else through the master."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pyarrow as pa

from pyspark_bdc import session
from pyspark_bdc.columns import Column, named
from pyspark_bdc.errors import OptionError, ReadError
from pyspark_bdc.options import Options, parse
from pyspark_bdc.shards import ShardTable, shard_table

if TYPE_CHECKING:
    import pandas


def read_arrow(**options: str) -> pa.Table:
    """All rows, as one state of the table. OptionError, UnreachableError, ReadError.

    ``read_arrow(host="127.0.0.1", port="31433", user="ann", password=…, dbtable="sales", columns="id, price")``
    """
    given = parse(options)
    if given.range is not None or given.push_filters:
        raise OptionError("options partitionColumn and pushDownPredicate are for Spark", "write the condition into query")
    columns = named(session.describe(given), given.columns)
    return pa.Table.from_batches(_batches(given, columns), schema=pa.schema([(column.name, column.arrow) for column in columns]))


def read_pandas(**options: str) -> pandas.DataFrame:
    """The same with columns of Arrow's types (``pandas.ArrowDtype``): exact, NULL stays NULL, and next to nothing is copied."""
    import pandas

    return read_arrow(**options).to_pandas(types_mapper=pandas.ArrowDtype, split_blocks=True, self_destruct=True)


def _batches(given: Options, columns: tuple[Column, ...]) -> Iterable[pa.RecordBatch]:
    table = shard_table(given, columns)
    shards = table.numbers([]) if table is not None else []
    if table is not None and shards:
        return _of_shards(table, shards)
    if given.read_from == "shards":
        raise ReadError("the shards can't give these columns as they are asked for", "leave the option readFrom away")
    return session.stream(given.address, session.statement(given.relation, columns, []), columns)


def _of_shards(table: ShardTable, shards: list[int]) -> Iterable[pa.RecordBatch]:
    """A stream per shard, side by side; all see one state, that of the first."""
    with ThreadPoolExecutor(len(shards)) as threads:
        found = list(threads.map(lambda shard: list(table.stream(shard, [], "frame")), shards))
    return [batch for batches in found for batch in batches]
