"""What a notebook that writes would do; runs in Spark's environment. JSON on standard input, JSON on the last line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - everybody's name for it

ROWS = 20_000
given = json.load(sys.stdin)
login, prefix, notes = given["login"], given["prefix"], Path(given["notes"])
master = "local[2, 4]"  # a failed task is tried again
builder = SparkSession.builder.remote(master) if given["connect"] else SparkSession.builder.master(master)
for name, value in {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "1", "spark.python.worker.reuse": "true"}.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()


def write(frame: DataFrame, table: str, mode: str = "append", **options: object) -> None:
    frame.write.format("bdc").options(**login, dbtable=f"{prefix}.{table}", **options).mode(mode).save()


def load(table: str, **options: object) -> DataFrame:
    return spark.read.format("bdc").options(**login, dbtable=f"{prefix}.{table}", **options).load()


def failure(work: Callable[[], object]) -> str:
    try:
        work()
    except Exception as error:  # noqa: BLE001 - its text is the result
        return str(error)
    return "no error"


def dies_once(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The first attempt at each second partition dies when its rows are under way."""
    context = TaskContext.get()
    assert context is not None
    (notes / f"{context.partitionId()}-{context.attemptNumber()}").touch()
    for batch in batches:
        yield batch
        if context.attemptNumber() == 0 and context.partitionId() % 2 == 0:
            raise RuntimeError("this task fails once")


house = spark.read.csv(given["csv"], header=True, schema=given["house"])
write(house, "house_dp", "overwrite", dataPoolDataSource="SqlDataPool")
result: dict[str, object] = {"version": spark.version, "house": [house.count(), load("house_dp").count()]}
many = spark.range(0, ROWS, 1, 3).select(
    "id", (F.col("id") % 10).cast("int").alias("grp"), F.concat(F.lit("n "), F.col("id")).alias("note"),
    (F.col("id") / 100).cast("decimal(12,2)").alias("amount"), F.to_timestamp(F.lit("2026-01-02 03:04:05")).alias("made_at"),
    F.when(F.col("id") % 3 == 0, None).otherwise(F.col("id") / 2).alias("share"),
)  # fmt: skip
write(many.mapInArrow(dies_once, many.schema), "many", distribution="HASH(id)", primaryKey="id")
frame = load("many", readFrom="shards")  # planned once, read again and again
result["many"] = frame.count()
write(many.where("id < 1000").withColumn("note", F.lit("changed")), "many", writeMode="upsert")
result["upserted"] = [frame.count(), frame.where("note = 'changed'").count()]
result["read"] = sorted(str(value) for value in (frame.agg(F.sum("amount"), F.count("share"), F.max("made_at")).first() or ()))
result["duplicate key"] = failure(lambda: write(many.where("id = 7"), "many"))
result["empty"] = failure(lambda: write(many.limit(0), "many"))
result["mode errorifexists"] = failure(lambda: write(many, "many", "errorifexists"))
result["ifExists"] = failure(lambda: write(many, "many", ifExists="error"))
result["wrong type"] = failure(lambda: write(many.select("id", F.col("note").alias("grp")), "many"))
if not given["connect"]:
    result["partitions"] = frame.rdd.getNumPartitions()
    write(spark.range(0, 60, 1, 30), "tiny")
    result["tiny"] = load("tiny").count()
result["after the failures"] = frame.count()
spark.stop()
print(json.dumps(result))
