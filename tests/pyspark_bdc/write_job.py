"""What a notebook that writes would do; runs in Spark's environment. JSON on standard input, JSON on the last line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - everybody's name for it

given = json.load(sys.stdin)
login, prefix = given["login"], given["prefix"]
master = "local[2, 4]"  # a failed task is tried again
builder = SparkSession.builder.remote("local[2]") if given["connect"] else SparkSession.builder.master(master)
settings = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.speculation": "true",
    "spark.speculation.quantile": "0.1",
    "spark.speculation.multiplier": "1.01",
}
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()


def write(frame: DataFrame, table: str, mode: str = "append", **options: object) -> None:
    frame.write.format("bdc").options(**login, dbtable=f"{prefix}.{table}", **options).mode(mode).save()


def count(table: str) -> int:
    return spark.read.format("bdc").options(**login, dbtable=f"{prefix}.{table}").load().count()


def failure(work: Callable[[], object]) -> str:
    try:
        work()
    except Exception as error:  # noqa: BLE001 - its text is the result
        return str(error)
    return "no error"


house = spark.read.csv(given["csv"], header=True, inferSchema=True)
write(house, "house_dp", "overwrite", dataPoolDataSource="SqlDataPool")
result: dict[str, object] = {"house": [house.count(), count("house_dp")]}

many = spark.range(0, 200_000, 1, 6).select(
    "id", (F.col("id") % 10).cast("int").alias("grp"), F.concat(F.lit("n "), F.col("id")).alias("note"),
    (F.col("id") / 100).cast("decimal(12,2)").alias("amount"), F.to_timestamp(F.lit("2026-01-02 03:04:05")).alias("made_at"),
    F.when(F.col("id") % 3 == 0, None).otherwise(F.col("id") / 2).alias("share"),
)  # fmt: skip
write(many, "many", distribution="HASH(id)", primaryKey="id")
result["many"] = count("many")
changed = many.where("id < 1000").withColumn("note", F.lit("changed"))
write(changed, "many", writeMode="upsert")
result["upserted"] = count("many")
result["duplicate key"] = failure(lambda: write(many.where("id = 7"), "many"))
result["empty"] = failure(lambda: write(many.limit(0), "many"))
result["mode errorifexists"] = failure(lambda: write(many, "many", "errorifexists"))
result["ifExists"] = failure(lambda: write(many, "many", ifExists="error"))
result["wrong type"] = failure(lambda: write(many.select("id", F.col("note").alias("grp")), "many"))

if not given["connect"]:
    from pyspark import TaskContext

    def twice(batches: object) -> object:
        """The first attempt of each partition dies half-way; the second is slow, so that speculation starts a rival."""
        context = TaskContext.get()
        for place, batch in enumerate(batches):  # type: ignore[arg-type, var-annotated]
            yield batch
            if place == 0 and context.attemptNumber() == 0 and context.partitionId() % 2 == 0:
                raise RuntimeError("this task fails once")
            if context.partitionId() == 1:
                time.sleep(0.2)

    write(many.mapInArrow(twice, many.schema), "retried")  # type: ignore[arg-type]
    result["retried"] = count("retried")
    write(spark.range(0, 500, 1, 250), "tiny")
    result["tiny"] = count("tiny")
result["after the failures"] = count("many")
spark.stop()
print(json.dumps(result))
