"""``bulkread``: all columns of lineitem (6 M rows, two shards) into Spark, which counts them; and into pandas.

``rows_per_s`` is what the plain user gets: ``spark.read.format("bdc")…load().count()``, for which Spark 4.3 makes a row of its own of all
16 columns (it tells Python sources of no columns that it can do without). Beside it the same with the option ``columns``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.loading import KEYS, ROWS, Login, load_tpch
from benchmarks.reading import count_of
from benchmarks.report import Figure, Report, median
from pools.storage.spark_launch import FAST
from pyspark_bdc.frames import read_pandas
from tests.services import cluster as stage
from tests.services.flight_loads import LoadClient
from tests.services.spark import spark_environment

JOB = Path(__file__).parent / "spark_jobs" / "bulkread.py"
TABLE = "lineitem"


def measure(rounds: int) -> dict[str, list[float]]:
    """Seconds per reader; the first round does not count."""
    with stage.cluster() as place, spark_environment(" ".join(FAST)) as spark:
        login = Login.at(place)
        load_tpch(login, {TABLE: KEYS[TABLE]})
        found, _ = spark.run(JOB, {"options": login.options(TABLE), "rounds": rounds, "rows": ROWS[TABLE]})
        spent: dict[str, list[float]] = {str(name): list(values) for name, values in found.items()}  # type: ignore[call-overload]
        client = LoadClient(place.endpoint("data-pool"), login.user, login.password)
        readers: dict[str, Callable[[], int]] = {
            "arrow": lambda: count_of(client, TABLE),
            "pandas": lambda: len(read_pandas(**login.options(TABLE))),
        }
        for name, read in readers.items():
            spent[name] = []
            for round_ in range(rounds + 1):
                began = time.perf_counter()
                rows = read()
                if rows != ROWS[TABLE]:
                    raise RuntimeError(f"{name}: {rows} rows")
                if round_:
                    spent[name].append(time.perf_counter() - began)
        client.close()
    return spent


def run(rounds: int | None) -> Report:
    """Rows per second of each reader's median."""
    count = rounds or 3
    spent = measure(count)
    rate = {name: ROWS[TABLE] / median(values) for name, values in spent.items()}
    figures = (
        Figure("rows_per_s", rate["spark"], "rows/s", ">= 1500000", "Spark counts rows of all 16 columns"),
        Figure("spark_four_columns_rows_per_s", rate["spark_four_columns"], "rows/s", None, "Spark, option columns: four"),
        Figure("pandas_rows_per_s", rate["pandas"], "rows/s", ">= 1500000", "pyspark_bdc.read_pandas, all columns"),
        Figure("arrow_rows_per_s", rate["arrow"], "rows/s", None, "Arrow streams, all columns, nothing kept"),
    )
    return Report("bulkread", figures, more={"rounds": count, "seconds": {name: [round(s, 3) for s in spent[name]] for name in spent}})
