"""A DataFrame of many tiny partitions, written; runs in Spark's environment. JSON on standard input, JSON on the last line."""

from __future__ import annotations

import json
import sys
import time

from pyspark.sql import SparkSession

given = json.load(sys.stdin)
settings = {"spark.ui.enabled": "false", "spark.python.worker.reuse": "true"}
builder = SparkSession.builder.master("local[2]")
for name, value in settings.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
seconds = {}
for partitions in (2, given["partitions"]):  # the first one warms the workers up, too
    table = f"{given['prefix']}.tiny_{partitions}"
    rows = spark.range(0, given["rows"], 1, partitions)
    began = time.monotonic()
    rows.write.format("bdc").options(**given["login"], dbtable=table, distribution="HASH(id)", primaryKey="id").mode("append").save()
    seconds[partitions] = round(time.monotonic() - began, 1)
spark.stop()
print(json.dumps(seconds))
