"""Models of Spark ML as ONNX, as a notebook does it; runs in Spark's environment. JSON on standard input, and on the last line."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

from pyspark.ml import Pipeline
from pyspark.ml.classification import DecisionTreeClassifier, GBTClassifier, LogisticRegression, RandomForestClassifier
from pyspark.ml.feature import StandardScaler, StringIndexer, VectorAssembler
from pyspark.ml.regression import DecisionTreeRegressor, GBTRegressor, LinearRegression, RandomForestRegressor
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - everybody's name for it

given = json.load(sys.stdin)
sys.path.insert(0, given["client"])

import bdc  # noqa: E402
from bdc.errors import BdcError  # noqa: E402


def failure(work: Callable[[], object]) -> str:
    try:
        work()
    except BdcError as error:
        return f"{type(error).__name__}: {error}; {error.where}; {error.why}; {error.hint}"
    return "no error"


builder = SparkSession.builder.remote("local[2]") if given["connect"] else SparkSession.builder.master("local[2]")
for name, value in {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2"}.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
folder = Path(given["folder"])
spark.conf.set("ONNX_DFS_PATH", given["aside"])
house = spark.read.csv(given["house"], header=True, inferSchema=True).repartition(2).cache()
house = house.withColumn("dear", (F.col("MEDV") > 25).cast("double")).withColumn(
    "kind", F.when(F.col("CHAS") == 1, "river").otherwise("land")
)
features = [name for name in house.columns if name not in ("MEDV", "B", "dear", "kind")]
vectors = VectorAssembler(inputCols=features, outputCol="features")
about = {"featuresCol": "features", "seed": 1}
MODELS = {
    "linear": LinearRegression(labelCol="MEDV"),
    "tree": DecisionTreeRegressor(labelCol="MEDV", **about),
    "forest": RandomForestRegressor(labelCol="MEDV", numTrees=2, **about),
    "boosted": GBTRegressor(labelCol="MEDV", maxIter=3, **about),
    "logistic": LogisticRegression(labelCol="dear", maxIter=20),
    "tree classifier": DecisionTreeClassifier(labelCol="dear", **about),
    "forest classifier": RandomForestClassifier(labelCol="dear", numTrees=2, **about),
    "boosted classifier": GBTClassifier(labelCol="dear", maxIter=2, **about),
}
reports: dict[str, object] = {}
fitted = {}
for name in given["models"]:
    fitted[name] = Pipeline(stages=[vectors, MODELS[name]]).fit(house)
    report = bdc.export_onnx(fitted[name], house, folder / f"{name.replace(' ', '_')}.onnx")
    reports[name] = [report.max_difference, report.rows, list(report.inputs), list(report.outputs), report.path.stat().st_size > 0]
result: dict[str, object] = {"reports": reports, "features": features}
steps = [
    StringIndexer(inputCol="kind", outputCol="kind_number"),
    VectorAssembler(inputCols=["kind_number", *features], outputCol="raw"),
    StandardScaler(inputCol="raw", outputCol="features", withMean=True),
    LinearRegression(labelCol="MEDV"),
]
mixed = Pipeline(stages=steps).fit(house)
report = bdc.export_onnx(mixed, house.limit(100), folder / "mixed.onnx")
result["mixed"] = [report.max_difference, report.rows, list(report.inputs), str(report)]
alone = fitted["linear"].stages[-1]
report = bdc.export_onnx(alone, vectors.transform(house), str(folder / "alone.onnx"))
result["alone"] = [report.max_difference, report.rows, list(report.inputs)]

boosted, refused = fitted["boosted"], folder / "refused.onnx"


def stock() -> None:
    """The converter as it comes."""
    import bdc.spark.mending as module

    kept, module.mended = module.mended, contextlib.nullcontext
    try:
        bdc.export_onnx(boosted, house, refused)
    finally:
        module.mended = kept


result["failures"] = {
    "stock": failure(stock),
    "tolerance": failure(lambda: bdc.export_onnx(boosted, house, refused, tolerance=0.0)),
    "empty": failure(lambda: bdc.export_onnx(boosted, house.where("CRIM < 0"), refused)),
    "column": failure(lambda: bdc.export_onnx(boosted, house.drop("CRIM"), refused)),
    "null": failure(lambda: bdc.export_onnx(boosted, house.withColumn("CRIM", F.lit(None).cast("double")), refused)),
    "unfitted": failure(lambda: bdc.export_onnx(LinearRegression(), house, refused)),
    "folder": failure(lambda: bdc.export_onnx(boosted, house, folder / "nowhere" / "x.onnx")),
}
result["left"] = sorted(path.name for path in folder.iterdir())
result["left aside"] = [path.name for path in Path(given["aside"]).iterdir()]
result["databases"] = [row[0] for row in spark.sql("SHOW DATABASES").collect()]
spark.stop()
print(json.dumps(result))
