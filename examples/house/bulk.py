"""Step 17: a million rows of 13 numbers into the data pool by the connector, and into a table of the master by Spark's own JDBC.

A Spark of its own in the environment of Spark, without the cluster's: the connector is there for any. JSON on standard input: ``{"host",
"port", "user", "password", "jar"}``, the last one PostgreSQL's JDBC driver.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col
from steps import check, measure

ROWS = 1_000_000
COLUMNS = 13
PARTITIONS = 4
LEAST_RATIO = 2.5
KILLED = Path("killed").resolve()
"""Tells that it happened."""
given = json.load(sys.stdin)
login = {name: str(given[name]) for name in ("host", "port", "user", "password")}


def session() -> SparkSession:
    """Two cores; a task that fails is tried again."""
    conf = {
        "spark.jars": given["jar"],
        "spark.driver.memory": "2g",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.execution.arrow.maxBytesPerBatch": "2147483647",  # docs/guide/spark.md, "Speed"
    }
    builder = SparkSession.builder.master("local[2,4]")
    for name, value in conf.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")  # the task that is killed would fill pages
    return spark


def synthetic(spark: SparkSession, rows: int) -> DataFrame:
    """Doubles whose sums are exact: eighths below a thousand."""
    numbers = spark.range(0, rows, 1, PARTITIONS)
    return numbers.select(*((col("id") * (7 * at + 3) % 7993 / 8).alias(f"c{at}") for at in range(COLUMNS)))


def by_connector(frame: DataFrame, table: str) -> None:
    """Into the data pool, once and whole."""
    options = {**login, "dbtable": table, "dataPoolDataSource": "SqlDataPool", "reliabilityLevel": "NO_DUPLICATES"}
    frame.write.format("bdc").options(**options).mode("overwrite").save()


def by_jdbc(frame: DataFrame, table: str) -> None:
    """As Spark does it with any database."""
    options = {
        "url": f"jdbc:postgresql://{given['host']}:{given['port']}/bdc",
        "driver": "org.postgresql.Driver",
        "dbtable": table,
        "user": given["user"],
        "password": given["password"],
    }
    frame.write.format("jdbc").options(**options).mode("overwrite").save()


def timed(write: Callable[[DataFrame, str], None], frame: DataFrame, table: str) -> float:
    """Seconds."""
    begun = time.perf_counter()
    write(frame, table)
    spent = time.perf_counter() - begun
    print(f"{write.__name__}: {spent:.1f} s, {ROWS / spent:,.0f} rows/s", flush=True)
    return spent


def found(table: str) -> tuple[object, ...]:
    """The number of rows and each column's sum."""
    sums = ", ".join(f"sum(c{at})::numeric(20,3)" for at in range(COLUMNS))
    with psycopg.connect(**login, dbname="bdc") as master:  # type: ignore[arg-type] # its port is a text
        row = master.execute(f"SELECT count(*), {sums} FROM {table}").fetchone()  # type: ignore[arg-type] # made here
    assert row is not None
    return row


def dying(batches: Iterator[object]) -> Iterator[object]:
    """One task's first attempt ends in the middle, as if somebody had killed it."""
    context = TaskContext.get()
    for number, batch in enumerate(batches):
        if number and context is not None and (context.partitionId(), context.attemptNumber()) == (1, 0):
            KILLED.touch()
            os._exit(137)
        yield batch


def main() -> None:
    """Both ways, and the killed task."""
    spark = session()
    for write, table in ((by_connector, "bulk"), (by_jdbc, "bulk_jdbc")):  # what each needs the first time
        write(synthetic(spark, 20_000), table)
    frame = synthetic(spark, ROWS).cache()
    frame.count()
    rounds = [(timed(by_connector, frame, "bulk"), timed(by_jdbc, frame, "bulk_jdbc")) for _ in range(2)]
    connector, jdbc = map(min, zip(*rounds, strict=True))
    loaded, expected = found("bulk"), found("bulk_jdbc")
    check(17, "rows by JDBC", ROWS, expected[0])
    check(17, "rows by the connector", ROWS, loaded[0])
    check(17, "columns with equal sums", COLUMNS, sum(ours == theirs for ours, theirs in zip(loaded[1:], expected[1:], strict=True)))
    measure(17, "times as fast as JDBC", LEAST_RATIO, jdbc / connector, least=True)
    by_connector(frame.mapInArrow(dying, frame.schema), "bulk")
    check(17, "a task was killed", True, KILLED.exists())
    check(17, "rows and sums after a task was killed under way", True, found("bulk") == expected)
    spark.stop()


if __name__ == "__main__":
    main()
