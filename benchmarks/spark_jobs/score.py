"""Rows of a cached DataFrame through a model, by each way in turn; runs in Spark's environment, not in ours.

JSON on standard input: ``{"client": folder, "config": folder, "parquet": path, "model": path, "inputs": [names], "rounds": n, "rows": n}``;
last line: ``{way: [s, …]}``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.types import DoubleType, StructField, StructType

given = json.load(sys.stdin)
os.environ["BDC_CONFIG"] = given["config"]
sys.path.insert(0, given["client"])

import bdc  # noqa: E402

spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "4g")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.execution.arrow.maxBytesPerBatch", "2147483647")  # no limit: see docs/guide/spark.md, "Speed"
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
model, inputs = given["model"], given["inputs"]


def naive(frames: Iterator[Any]) -> Iterator[Any]:
    """What notebooks do."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for frame in frames:
        predicted = session.run(None, {name: frame[inputs].to_numpy("float32")})[0].reshape(-1)
        yield frame.assign(prediction=predicted.astype("float64"))


def same(batches: Iterator[Any]) -> Iterator[Any]:
    """Nothing."""
    yield from batches


frame = spark.read.parquet(given["parquet"]).repartition(4).cache()
if frame.count() != given["rows"]:
    raise RuntimeError("other rows than were written")
wider = StructType([*frame.schema.fields, StructField("prediction", DoubleType())])
ways = {
    "score": bdc.spark.score(frame, "house@v1"),
    "mapInPandas": frame.mapInPandas(naive, wider),
    "mapInArrow": frame.mapInArrow(same, frame.schema),
}
seconds: dict[str, list[float]] = {name: [] for name in ways}
for round_ in range(-1, given["rounds"]):
    for name, scored in ways.items():
        began = time.perf_counter()
        scored.write.format("noop").mode("overwrite").save()
        took = time.perf_counter() - began
        print(f"{name} round {round_} {took:.2f} s, {given['rows'] / took:,.0f} rows/s", file=sys.stderr, flush=True)
        if round_ >= 0:
            seconds[name].append(round(took, 3))
spark.stop()
print(json.dumps(seconds))
