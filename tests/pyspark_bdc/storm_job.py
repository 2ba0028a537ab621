"""A Spark driver with two executors, processes of their own, that writes what it is told; runs in Spark's environment.

The executors are on two "machines" (addresses of the loopback): Spark runs no second copy of a task on the machine of the first, so
``local-cluster`` would never speculate. Input: a line ``{"login", "table", "notes"}``, then one per write; output: a line when it is
ready, then ``{"number", "said"}`` for each write. It ends with its input.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark import SparkConf, SparkContext, TaskContext
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - everybody's name for it

HOSTS = ("127.0.0.1", "127.0.0.2")
SETTINGS = {
    "spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.executor.memory": "512m",
    "spark.deploy.maxExecutorRetries": "-1", "spark.speculation": "true", "spark.speculation.interval": "50ms",
    "spark.speculation.multiplier": "1.2", "spark.speculation.quantile": "0.5", "spark.speculation.minTaskRuntime": "100ms",
    "spark.task.maxFailures": "6", "spark.sql.execution.arrow.maxRecordsPerBatch": "20",
}  # fmt: skip


def standalone() -> str:
    """Master and workers in the driver's JVM, as ``local-cluster`` has them; its URL."""
    SparkContext._ensure_initialized()
    jvm, gateway = SparkContext._jvm, SparkContext._gateway
    assert jvm is not None and gateway is not None
    conf = SparkConf(_jvm=jvm)
    for name, value in SETTINGS.items():
        conf.set(name, value)
    deploy = jvm.org.apache.spark.deploy
    url = deploy.master.Master.startRpcEnvAndEndpoint(HOSTS[0], 0, 0, conf._jconf)._1().address().toSparkURL()
    masters = gateway.new_array(jvm.String, 1)
    masters[0] = url
    nothing = jvm.scala.Option.empty()
    for number, host in enumerate(HOSTS):
        folder = str(Path.cwd() / f"work-{number}")
        deploy.worker.Worker.startRpcEnvAndEndpoint(
            host, 0, 0, 1, 1024, masters, folder, jvm.scala.Option.apply(number), conf._jconf, nothing
        )
    return str(url)


def frame(spark: SparkSession, write: dict[str, Any], notes: Path) -> Any:
    """Ids from ``first`` on; slow where and as often broken as the write says. Each attempt at a partition leaves a note of itself."""

    def slowly(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        assert context is not None
        partition, attempt = context.partitionId(), context.attemptNumber()
        (notes / f"{write['number']}-{partition}-{attempt}").touch()
        straggles = partition == write["straggler"] and attempt == 0
        for batch in batches:
            time.sleep(write["straggles"] if straggles else write["pause"])
            yield batch
            if partition == write["broken"] and attempt < write["failures"]:
                raise RuntimeError("this task fails")

    first, rows = write["first"], write["rows"]
    made = spark.range(first, first + rows, 1, write["partitions"]).select("id", F.lit(write["value"]).cast("bigint").alias("value"))
    return made.mapInArrow(slowly, made.schema)


def main() -> None:
    """Until there is no more input."""
    given = json.loads(sys.stdin.readline())
    builder = SparkSession.builder.master(standalone())
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    spark.range(2).repartition(2).count()  # both executors are there
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        write = json.loads(line)
        options = {**given["login"], "dbtable": given["table"], "loadId": write["load_id"], **write["options"]}
        try:
            frame(spark, write, Path(given["notes"])).write.format("bdc").options(**options).mode(write["mode"]).save()
            said = ""
        except Exception as error:  # noqa: BLE001 - its text is the answer
            said = str(error)
        print(json.dumps({"number": write["number"], "said": said}), flush=True)
    spark.stop()


main()
