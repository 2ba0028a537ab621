"""DataFrames through apps, as a notebook does it; runs in Spark's environment. JSON on standard input, and on the last line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - everybody's name for it

given = json.load(sys.stdin)
os.environ["BDC_CONFIG"] = given["config"]
sys.path.insert(0, given["client"])  # the driver has the client; workers have pyspark_bdc alone

import bdc  # noqa: E402


def failure(work: Callable[[], object]) -> str:
    try:
        work()
    except Exception as error:  # noqa: BLE001 - its text is the result
        return f"{type(error).__name__}: {error} {getattr(error, 'hint', '')}"
    return "no error"


def values(frame: DataFrame, *names: str) -> list[list[object]]:
    return [list(row) for row in frame.orderBy("id").select(*names).collect()]


builder = SparkSession.builder.remote("local[2]") if given["connect"] else SparkSession.builder.master("local[2]")
for name, value in {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2"}.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
names = given["names"]
rows = spark.createDataFrame([[at, *row] for at, row in enumerate(given["rows"])], ["id", *(name.lower() for name in names)]).repartition(3)

scored = bdc.spark.score(rows, "house@v1")
live = bdc.spark.score(rows.drop("id"), "house")
result: dict[str, object] = {
    "version": spark.version,
    "columns": scored.columns,
    "types": [field.dataType.simpleString() for field in scored.schema.fields][-1],
    "predictions": values(scored, "id", "prediction"),
    "again": bdc.spark.score(scored.withColumnRenamed("prediction", "first"), "house@live").where("prediction = first").count(),
    "live": live.count(),
    "none": bdc.spark.score(rows.where("id < 0"), "house@v1").count(),
    "decimal": bdc.spark.score(rows.limit(1).withColumn("rm", F.lit(6).cast("decimal(9,2)")), "house@v1").count(),
}
things = spark.createDataFrame([[at, at * 10, f"n{at}", at % 2 == 0] for at in range(2500)], "id int, n bigint, name string, even boolean")
things = things.withColumn("day", F.expr("date_add(DATE '2026-01-01', id)"))
plain = bdc.spark.score(things, "plain@v1")
result["plain_types"] = [field.dataType.simpleString() for field in plain.schema.fields][len(things.columns) :]
result["plain"] = [[str(value) for value in row] for row in values(plain.where("id IN (0, 7, 2499)"), "text", "twice", "next", "parts")]
result["plain_rows"] = plain.count()
result["plan"] = plain._jdf.queryExecution().toString() if not given["connect"] else ""
result["failures"] = {
    "missing": failure(lambda: bdc.spark.score(rows.drop("crim"), "house@v1")),
    "type": failure(lambda: bdc.spark.score(rows.withColumn("crim", F.lit("a")), "house@v1")),
    "map": failure(lambda: bdc.spark.score(rows.withColumn("crim", F.create_map(F.lit("a"), F.lit(1))), "house@v1")),
    "interval": failure(lambda: bdc.spark.score(rows.withColumn("since", F.expr("INTERVAL 1 MONTH")), "house@v1")),
    "swapped": failure(lambda: bdc.spark.score(rows, rows)),  # type: ignore[arg-type]
    "pandas": failure(lambda: bdc.spark.score(rows.limit(1).toPandas(), "house@v1")),  # type: ignore[arg-type]
    "output": failure(lambda: bdc.spark.score(scored, "house@v1")),
    "unknown": failure(lambda: bdc.spark.score(rows, "house@v9")),
    "name": failure(lambda: bdc.spark.score(rows, "")),
    "no frame": failure(lambda: bdc.spark.score([1], "house@v1")),  # type: ignore[arg-type]
    "null": failure(lambda: bdc.spark.score(rows.withColumn("crim", F.lit(None).cast("double")), "house@v1").collect()),
    "nan": failure(lambda: bdc.spark.score(rows.withColumn("crim", F.lit(float("nan"))), "house@v1").collect()),
    "plain null": failure(lambda: bdc.spark.score(things.withColumn("n", F.lit(None).cast("bigint")), "plain@v1").collect()),
    "raises": failure(lambda: bdc.spark.score(things.where("id = 3").withColumn("n", F.lit(-1)), "plain@v1").collect()),
}
os.environ["BDC_CONFIG"] = given["other_config"]
result["failures"]["no role"] = failure(lambda: bdc.spark.score(rows, "house@v1"))  # type: ignore[index]
spark.stop()
print(json.dumps(result))
