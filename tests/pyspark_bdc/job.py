"""What a notebook would do; runs in Spark's environment, not in ours. JSON on standard input, JSON on the last line."""

from __future__ import annotations

import contextlib
import io
import json
import sys

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - everybody's name for it


def explained(frame: DataFrame) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        frame.explain("extended")
        frame.explain("formatted")
    return said.getvalue()


def failure(work: object) -> str:
    try:
        work()  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001 - its text is the result
        return str(error)
    return "no error"


given = json.load(sys.stdin)
login, table = given["login"], given["table"]
builder = SparkSession.builder.remote("local[2]") if given["connect"] else SparkSession.builder.master("local[2]")
for name, value in {
    "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "1", "spark.sql.session.timeZone": "Asia/Tokyo",
    "spark.sql.python.filterPushdown.enabled": "true",
}.items():  # fmt: skip
    builder = builder.config(name, value)
spark = builder.getOrCreate()


def load(**options: object) -> DataFrame:
    return spark.read.format("bdc").options(**login, **options).load()


frame = load(dbtable=table)
sums = [F.count("*"), F.sum("id"), F.sum("price"), F.sum("ratio"), F.min("sold_at").cast("string"), F.max("name")]
everything = frame.agg(*sums).first()
filtered = load(dbtable=table, pushDownPredicate="true").where(
    "id BETWEEN 200 AND 299 AND name LIKE 'row 2%' AND sold_at >= TIMESTAMP '2024-01-01 09:04:00' AND id IS NOT NULL"
)
result: dict[str, object] = {
    "version": spark.version,
    "schema": {field.name: field.dataType.simpleString() for field in frame.schema.fields},
    "everything": [str(value) for value in everything or ()],
    "filtered": [str(value) for value in filtered.agg(F.count("*"), F.sum("price")).first() or ()],
    "plan": explained(filtered),
    "columns": [str(value) for value in load(dbtable=table, columns="kind, id").where("id = 7").first() or ()],
    "query": [[str(value) for value in row] for row in load(query=given["query"]).orderBy("kind").collect()],
}
if not given["connect"]:
    cut = {"partitionColumn": "id", "lowerBound": 1, "upperBound": 1000, "numPartitions": 2}
    parts = load(dbtable=table, **cut)
    result["partitions"] = [parts.rdd.getNumPartitions(), parts.where("id > 900").count()]
    spark.conf.set("spark.sql.python.filterPushdown.enabled", "false")
    # Spark 4.3 reads a DataFrame again with the filters of the last query over it, if its source took them: ours does not by default
    result["again"] = [frame.where("id <= 10").count(), frame.count()]
    result["not_pushed"] = load(dbtable=table).where("id = 7").count()
    result["failures"] = {
        "write": failure(lambda: frame.write.format("bdc").options(**login, dbtable=table).mode("append").save()),
        "option": failure(lambda: load(dbtable=table, dataPoolDataSource="pool")),
        "table": failure(lambda: load(dbtable="nowhere")),
        "password": failure(lambda: spark.read.format("bdc").options(**{**login, "password": given["wrong"]}, dbtable=table).load()),
        "value": failure(lambda: load(query="SELECT 1/3.0 AS x").collect()),
    }
spark.stop()
print(json.dumps(result))
