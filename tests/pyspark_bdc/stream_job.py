"""A stream of files into the data pool, and writes into a local table; runs in Spark's environment. JSON in, JSON on the last line.

With ``die``: the query ends between the sink's commit of its last batch and Spark's own note of it, as if the driver had been killed there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

given = json.load(sys.stdin)
login, folder = given["login"], Path(given["folder"])
builder = SparkSession.builder.master("local[2, 4]").config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", "1")
spark = builder.getOrCreate()
source, checkpoint = folder / "source", folder / "checkpoint"


def deliver(first: int) -> None:
    """Two more files of 100 rows each: a batch each."""
    for number in (first, first + 1):
        rows = spark.range(number * 100, number * 100 + 100, 1, 1)
        rows.write.mode("append").json(str(source))


def run() -> int:
    """All that is there; how many batches that took."""
    stream = spark.readStream.schema("id bigint").option("maxFilesPerTrigger", "1").json(str(source))
    query = (
        stream.writeStream.format("bdc").options(**login, dbtable=given["table"]).option("checkpointLocation", str(checkpoint))
        .trigger(availableNow=True).start()
    )  # fmt: skip
    query.awaitTermination()
    return len([progress for progress in query.recentProgress if progress["numInputRows"]])


def count(table: str) -> list[int]:
    frame = spark.read.format("bdc").options(**login, dbtable=table).load()
    return [frame.count(), frame.distinct().count()]


result: dict[str, object] = {}
deliver(0)
result["batches"], result["rows"] = run(), count(given["table"])
last = max((path for path in (checkpoint / "commits").iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
last.unlink()  # the driver died before it noted its last batch
(checkpoint / "commits" / f".{last.name}.crc").unlink(missing_ok=True)
result["repeated"], result["after the restart"] = run(), count(given["table"])
deliver(2)
result["more"], result["all"] = run(), count(given["table"])

local = given["local"]
spark.range(0, 500, 1, 3).write.format("bdc").options(**login, dbtable=local, target="local", primaryKey="id").mode("append").save()
upsert = spark.range(400, 600, 1, 2).write.format("bdc").options(**login, dbtable=local, writeMode="upsert", tableLock="true")
upsert.mode("append").save()
result["local"] = count(local)
spark.stop()
print(json.dumps(result))
