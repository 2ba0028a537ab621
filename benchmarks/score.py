"""``bdc.spark.score``: 2 M rows × 13 columns through the house example (a model with twelve inputs), classic Spark with two cores.

``rows_per_s``: the cached DataFrame with its predictions, each row made and none kept (Spark's ``noop``). Beside it the naive peer: the
same model in ``mapInPandas``, loaded in each task, as notebooks do it; and both without a model, rows that go to Python and back.
"""

from __future__ import annotations

import os
import pathlib
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.predict import FIRST, HOUSE
from benchmarks.report import Figure, Report, median
from pools.storage.spark_launch import FAST
from tests.services.cluster import cluster
from tests.services.spark import spark_environment

ROWS, ROUNDS = 2_000_000, 3
ROOT = pathlib.Path(__file__).parent.parent
JOB = pathlib.Path(__file__).parent / "spark_jobs" / "score.py"


def write_houses(path: pathlib.Path) -> None:
    """Rows around the example's first one; ``ID`` beside the inputs, so that there are 13 columns."""
    drawn = np.random.default_rng(1)
    columns = {name: pa.array(value * drawn.uniform(0.5, 1.5, ROWS)) for name, value in FIRST.items()}
    pq.write_table(pa.table({"ID": pa.array(range(ROWS), pa.int64()), **columns}), path, row_group_size=131_072)


def run(rounds: int | None) -> Report:
    """The first round warms up and does not count."""
    with (
        cluster() as place,
        spark_environment(" ".join(FAST)) as spark,
        tempfile.TemporaryDirectory(prefix="openbdc-", dir="/var/tmp") as name,
    ):
        folder = pathlib.Path(name)
        write_houses(folder / "houses.parquet")
        place.bdc("app", "create", "-s", str(HOUSE))
        (folder / "client").mkdir()
        (folder / "client" / "bdc").symlink_to(ROOT / "bdc", target_is_directory=True)
        given: dict[str, object] = {
            "client": str(folder / "client"), "config": str(place.folder / "config"), "parquet": str(folder / "houses.parquet"),
            "model": str(HOUSE / "model.onnx"), "inputs": list(FIRST), "rounds": rounds or ROUNDS, "rows": ROWS,
        }  # fmt: skip
        found, _ = spark.run(JOB, given)
    spent = {str(key): list(values) for key, values in found.items()}  # type: ignore[call-overload]
    rate = {key: ROWS / median(values) for key, values in spent.items()}
    return Report(
        "score",
        (
            Figure("rows_per_s", rate["score"], "rows/s", ">= 400000", f"{ROWS:,} rows of 13 columns, two cores"),
            Figure("peer_rows_per_s", rate["mapInPandas"], "rows/s", None, "the same model in mapInPandas, loaded in each task"),
            Figure("no_model_rows_per_s", rate["mapInArrow"], "rows/s", None, "mapInArrow that only passes rows on"),
        ),
        (f"load average at the end {os.getloadavg()[0]:.1f}",),
        {"rounds": rounds or ROUNDS, "seconds": spent},
    )
