"""One Spark application that writes the same cached DataFrames by each writer in turn; runs in Spark's environment, not in ours.

JSON on standard input: ``{"parquet": {table: path}, "login": {…}, "jdbc": {url, user, password, jar}, "hdfs": folder, "rounds": n,
"writers": [names]}``. A line per write on standard error, the seconds as JSON on the last line: ``{"seconds": {table: {writer: [s, …]}},
"waited": {writer: [s, …]}}``, where ``waited`` is how long the machine was busy after a write.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

PARTITIONS = 4
SETTLE_SECONDS, QUIET = 60, 0.15
"""At most so long, until less than this share of the processors is used."""
given = json.load(sys.stdin)
jdbc = given["jdbc"]
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "6g")
    .config("spark.jars", jdbc["jar"])
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.execution.arrow.maxRecordsPerBatch", "16384")
    .config("spark.sql.execution.arrow.maxBytesPerBatch", "2147483647")  # no limit: see docs/guide/spark.md, "Speed"
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")


def pool(frame: DataFrame, table: str) -> None:
    """Append to the data pool."""
    frame.write.format("bdc").options(**given["login"], dbtable=f"bulk_{table}").mode("append").save()


def pool_overwrite(frame: DataFrame, table: str) -> None:
    """Overwrite it."""
    frame.write.format("bdc").options(**given["login"], dbtable=f"bulk_{table}").mode("overwrite").save()


def by_jdbc(more: str) -> Callable[[DataFrame, str], None]:
    """Spark's own JDBC writer; ``more`` goes to the end of the URL."""

    def write(frame: DataFrame, table: str) -> None:
        url = jdbc["url"] + more
        options = {"url": url, "driver": "org.postgresql.Driver", "dbtable": table, "user": jdbc["user"], "password": jdbc["password"]}
        frame.write.format("jdbc").options(**options).mode("append").save()

    return write


def copy_partitions(frame: DataFrame, table: str) -> None:
    """A COPY per partition, each in a transaction of its own: what people write by hand. Fast, and not atomic."""
    login = f"{jdbc['libpq']} user={jdbc['user']} password={jdbc['password']}"

    def copy(batches: Iterator[object]) -> Iterator[object]:
        import adbc_driver_postgresql.dbapi as adbc
        import pyarrow as pa

        first = next(batches, None)
        if first is not None:

            def rest() -> Iterator[object]:
                yield first
                yield from batches

            with adbc.connect(login) as connection, connection.cursor() as cursor:
                reader = pa.RecordBatchReader.from_batches(first.schema, rest())  # type: ignore[attr-defined, arg-type]
                cursor.adbc_ingest(table, reader, mode="append")
                connection.commit()
        yield from ()

    frame.mapInArrow(copy, "done int").write.format("noop").mode("overwrite").save()


def parquet(frame: DataFrame, table: str) -> None:
    """What Spark itself is fastest at."""
    frame.write.mode("overwrite").parquet(f"{given['hdfs']}/{table}.parquet")


WRITERS: dict[str, Callable[[DataFrame, str], None]] = {
    "pool": pool,
    "pool_overwrite": pool_overwrite,
    "jdbc": by_jdbc(""),
    "jdbc_rewrite": by_jdbc("?reWriteBatchedInserts=true"),
    "copy": copy_partitions,
    "parquet": parquet,
}


def cleared(writer: str, table: str) -> None:
    """The JDBC and COPY targets are emptied before each round; the pool's table grows, as an append does."""
    if writer.startswith(("jdbc", "copy")):
        import adbc_driver_postgresql.dbapi as adbc

        login = f"{jdbc['libpq']} user={jdbc['user']} password={jdbc['password']}"
        with adbc.connect(login, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {table}")


def busy() -> tuple[int, int]:
    """(busy, all) ticks of the machine's processors since it was started."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def settle() -> float:
    """Wait until what the writer before has left behind is done (a checkpoint, vacuum, statistics, compaction): else the next one pays for
    it. Seconds waited."""
    began = time.perf_counter()
    while time.perf_counter() - began < SETTLE_SECONDS:
        before = busy()
        time.sleep(0.5)
        used, passed = (now - then for now, then in zip(busy(), before, strict=True))
        if used < QUIET * passed:
            break
    return time.perf_counter() - began


seconds: dict[str, dict[str, list[float]]] = {}
waited: dict[str, list[float]] = {name: [] for name in given["writers"]}
dice = random.Random(3)
for table, path in given["parquet"].items():
    frame = spark.read.parquet(path).repartition(PARTITIONS).cache()
    rows = frame.count()
    settle()
    spent = seconds[table] = {name: [] for name in given["writers"]}
    for round_ in range(-1, given["rounds"]):
        order = list(given["writers"])
        dice.shuffle(order)
        for name in order:
            cleared(name, table)
            began = time.perf_counter()
            WRITERS[name](frame, table)
            took = time.perf_counter() - began
            left = settle()
            if round_ >= 0:
                waited[name].append(round(left, 1))
                spent[name].append(round(took, 3))
            print(f"{table} round {round_} {name} {took:.2f} s, {rows / took:,.0f} rows/s", file=sys.stderr, flush=True)
    frame.unpersist(blocking=True)
spark.stop()
print(json.dumps({"seconds": seconds, "waited": waited}))
