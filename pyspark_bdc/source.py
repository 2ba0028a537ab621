"""The data source as Spark sees it; the only module that imports Spark (4.1 or newer).

Spark makes a ``DefaultSource`` and its reader in Python workers on the driver, pickles them (with the columns as described then), and
runs ``read`` in the executors' workers. The password travels inside; nothing prints it. What needs the database driver is imported on
use: it brings pandas with it, a quarter of a second of CPU in each of the many worker processes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql.datasource import DataSource, DataSourceReader, Filter, InputPartition
from pyspark.sql.types import StructType

from pyspark_bdc import write_options
from pyspark_bdc.columns import Column, chosen, named
from pyspark_bdc.errors import BdcError, ReadError
from pyspark_bdc.options import Options, parse
from pyspark_bdc.partitions import conditions
from pyspark_bdc.predicates import predicate
from pyspark_bdc.shards import ShardTable, shard_table
from pyspark_bdc.targets import Field

_FILTER_WORKER = "pyspark.sql.worker.data_source_pushdown_filters"


class DefaultSource(DataSource):
    """``spark.read.format("bdc")``."""

    @classmethod
    def name(cls) -> str:
        """The short name."""
        return "bdc"

    def schema(self) -> str:
        """All columns, or those of the option ``columns``, as DDL."""
        return ", ".join(column.field for column in self._columns())

    def reader(self, schema: StructType) -> DataSourceReader:
        """Reads the schema's columns: all of them, or those that the user's own schema names."""
        options = parse(self.options)
        wanted = [(field.name, field.dataType.simpleString(), field.nullable) for field in schema.fields]
        columns = chosen(self._columns(), wanted)
        return FilteringReader(options, columns) if options.push_filters and _filters_are_offered() else Reader(options, columns)

    def writer(self, schema: StructType, overwrite: bool) -> Any:  # noqa: ANN401 - Spark's writer, which only exists where Spark is
        """Begins a load, or a write into a local table; what follows is in ``writer``."""
        from pyspark_bdc import session
        from pyspark_bdc.begin import begin_write
        from pyspark_bdc.local import begin_local
        from pyspark_bdc.writer import LoadWriter, LocalWriter

        fields = _fields(schema)
        place, target = write_options.place(self.options)
        local = target == "local" or (target == "auto" and session.is_local(place.address, place.relation))
        options = write_options.parse(self.options, overwrite=overwrite, local=local)
        return LocalWriter(begin_local(options, fields)) if local else LoadWriter(begin_write(options, fields))

    def streamReader(self, schema: StructType) -> Any:  # noqa: ANN401, N802 - Spark's name; never returns
        """Not there."""
        raise BdcError("the data source bdc can't read streams", "use spark.read")

    def streamWriter(self, schema: StructType, overwrite: bool) -> Any:  # noqa: ANN401, N802 - Spark's name and writer
        """Into the data pool; Spark makes one per micro-batch to plan it, and one to commit it."""
        from pyspark_bdc.logins import logged_in
        from pyspark_bdc.streams import Stream
        from pyspark_bdc.writer import StreamWriter

        options = write_options.parse_stream(self.options, overwrite=overwrite)
        login = logged_in(options.address, options.flight)
        return StreamWriter(Stream(login, write_options.without_password(options), tuple(_fields(schema))))

    def _columns(self) -> tuple[Column, ...]:
        """Described once; the pickled source carries them to the next worker."""
        known: tuple[Column, ...] | None = getattr(self, "_described", None)
        if known is None:
            from pyspark_bdc import session

            options = parse(self.options)
            known = self._described = named(session.describe(options), options.columns)
        return known


def _fields(schema: StructType) -> list[Field]:
    return [Field(field.name, field.dataType.simpleString(), field.nullable) for field in schema.fields]


def _filters_are_offered() -> bool:
    """Is this the worker through which Spark offers filters?

    With ``spark.sql.python.filterPushdown.enabled`` off (Spark's default) Spark refuses a reader that could take filters at all.
    A reader is made where Spark offers none in another worker, so there it needs not be able to: everything reads with Spark's defaults.
    """
    return _FILTER_WORKER in sys.modules or getattr(getattr(sys.modules.get("__main__"), "__spec__", None), "name", None) == _FILTER_WORKER


@dataclass(frozen=True)
class Part:
    """What one task reads: the rows for which all of ``where`` hold, by SQL, or of one shard of a table."""

    where: list[str]
    table: ShardTable | None = None
    shard: int = 0


def _query() -> str:
    """What the tasks of one query have in common, and no other's."""
    context = TaskContext.get()
    if context is None:
        return "alone"
    execution = context.getLocalProperty("spark.sql.execution.id")
    return f"query {execution}" if execution is not None else f"stage {context.stageId()}"


class Reader(DataSourceReader):
    """Reads one table or query, by as many connections or shard streams as there are partitions."""

    def __init__(self, options: Options, columns: tuple[Column, ...]) -> None:
        self._options = options
        self._columns = columns
        self._pushed: list[str] = []

    def partitions(self) -> list[InputPartition]:
        """A WHERE condition each; for a table of the data pool one for each of its shards."""
        by_name = {column.name: column for column in self._columns}
        wheres = [[*self._pushed, *filter(None, [one])] for one in conditions(self._options.range, by_name)]
        table = shard_table(self._options, self._columns)
        if table is not None:
            numbers = [table.numbers(where) for where in wheres]
            if all(numbers):
                return [InputPartition(Part(where, table, shard)) for where, some in zip(wheres, numbers, strict=True) for shard in some]
            if self._options.read_from == "shards":
                raise ReadError("the shards can't give these columns or filters as Spark needs them", "leave the option readFrom away")
        return [InputPartition(Part(where)) for where in wheres]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """The rows of one partition as Arrow batches."""
        part: Part = partition.value
        if part.table is not None:
            return part.table.stream(part.shard, part.where, _query())
        from pyspark_bdc import session

        sql = session.statement(self._options.relation, self._columns, part.where)
        return session.stream(self._options.address, sql, self._columns)


class FilteringReader(Reader):
    """Takes over the filters that the server answers as Spark would."""

    def pushFilters(self, filters: list[Filter]) -> Iterable[Filter]:  # noqa: N802 - Spark's name
        """Gives back what Spark has to look at (again)."""
        by_name = {column.name: column for column in self._columns}
        for offered in filters:
            found = predicate(offered, by_name)
            if found:
                self._pushed.append(found.sql)
            if not (found and found.exact):
                yield offered
