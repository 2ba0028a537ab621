"""Counts a table of the data pool by Spark, several times; runs in Spark's environment, not in ours.

JSON on standard input: ``{"options": {…}, "rounds": n, "rows": expected}``; last line: ``{"spark": [s, …], …}``.
"""

from __future__ import annotations

import json
import sys
import time

from pyspark.sql import SparkSession

FOUR = "l_orderkey, l_partkey, l_quantity, l_shipdate"
given = json.load(sys.stdin)
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "4g")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.execution.arrow.maxRecordsPerBatch", "65536")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
seconds: dict[str, list[float]] = {}
for name, columns in {"spark": "", "spark_four_columns": FOUR}.items():
    frame = spark.read.format("bdc").options(**given["options"], columns=columns).load()
    seconds[name] = []
    for round_ in range(-1, given["rounds"]):
        began = time.perf_counter()
        rows = frame.count()
        took = time.perf_counter() - began
        if rows != given["rows"]:
            raise RuntimeError(f"{name}: {rows} rows")
        print(f"{name} round {round_} {took:.2f} s, {rows / took:,.0f} rows/s", file=sys.stderr, flush=True)
        if round_ >= 0:
            seconds[name].append(round(took, 3))
spark.stop()
print(json.dumps(seconds))
