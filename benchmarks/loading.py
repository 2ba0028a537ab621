"""TPC-H tables into the data pool by the load protocol, from this process: several partitions side by side, as Spark's tasks would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.tpch import tables
from pyspark_bdc.begin import begin_write
from pyspark_bdc.targets import Field
from pyspark_bdc.task import Account, Task
from pyspark_bdc.write_options import parse
from tests.services.cluster import Stage

ROWS = {"lineitem": 6_001_215, "orders": 1_500_000}
KEYS = {"lineitem": "l_orderkey", "orders": "o_orderkey"}
STREAMS = 2
"""Partitions sent at a time: as many as the machine has cores."""

_SPARK = {"int64": "bigint", "int32": "int", "date32[day]": "date", "string": "string", "double": "double"}


@dataclass(frozen=True)
class Login:
    """Where the master is, and who loads."""

    host: str
    port: int
    user: str
    password: str

    @classmethod
    def at(cls, place: Stage) -> Login:
        """The first admin of a cluster."""
        host, _, port = place.endpoint("sql-server-master").rpartition("//")[2].partition("/")[0].partition(":")
        return cls(host, int(port), "admin", place.password)

    def options(self, table: str) -> dict[str, str]:
        """As ``pyspark_bdc`` takes them."""
        return {"host": self.host, "port": str(self.port), "user": self.user, "password": self.password, "dbtable": table}


def fields(schema: pa.Schema) -> list[Field]:
    """Columns as Spark calls them."""
    return [Field(field.name, _SPARK.get(str(field.type)) or f"decimal({field.type.precision},{field.type.scale})") for field in schema]


def load_file(login: Login, table: str, file: Path, distribution: str) -> int:
    """Make the table where it is missing and append the file's rows, in one load; the number of rows committed."""
    task = begin_write(parse(login.options(table) | {"distribution": distribution}, overwrite=False), fields(pq.read_schema(file)))
    groups = pq.ParquetFile(file).num_row_groups
    with ThreadPoolExecutor(STREAMS) as pool:
        sent = list(pool.map(lambda part: _sent(task, file, part, groups), range(STREAMS)))
    answer = task.load.commit([(one.partition, one.attempt, one.rows) for one in sent])
    return int(answer["rows"])


def _sent(task: Task, file: Path, part: int, groups: int) -> Account:
    """One partition: a run of neighbouring row groups."""
    wanted = range(groups * part // STREAMS, groups * (part + 1) // STREAMS)

    def batches() -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(file) as opened:
            yield from opened.iter_batches(batch_size=65_536, row_groups=list(wanted))

    return task.send(part, batches())


def load_tpch(login: Login, names: Mapping[str, str] = KEYS) -> dict[str, Path]:
    """lineitem and orders (or those of ``names``: table → the column they are spread by); their Parquet files."""
    files = tables(1, *names)
    for name, key in names.items():
        rows = load_file(login, name, files[name], f"HASH({key})")
        if rows != ROWS[name]:
            raise RuntimeError(f"{rows} rows of {name} were loaded instead of {ROWS[name]}")
    return files
