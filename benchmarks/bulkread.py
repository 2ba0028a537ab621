"""``bulkread``: all columns of lineitem (6 M rows, two shards) into Spark, which counts them; and into pandas."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd

from benchmarks.loading import KEYS, ROWS, Login, load_tpch
from benchmarks.reading import count_of, table_of
from benchmarks.report import Figure, Report, median
from tests.services import cluster as stage
from tests.services.flight_loads import LoadClient
from tests.services.spark import spark_environment

JOB = Path(__file__).parent / "spark_jobs" / "bulkread.py"
TABLE = "lineitem"


def _arrow(client: LoadClient) -> int:
    return count_of(client, TABLE)


def _pandas(client: LoadClient) -> int:
    """Columns of Arrow's own types: numeric values as Python's Decimal objects would be all that is measured."""
    return len(table_of(client, TABLE).to_pandas(types_mapper=pd.ArrowDtype, split_blocks=True, self_destruct=True))


def measure(rounds: int) -> dict[str, list[float]]:
    """Seconds per reader; the first round does not count."""
    with stage.cluster() as place, spark_environment("") as spark:
        login = Login.at(place)
        load_tpch(login, {TABLE: KEYS[TABLE]})
        found, _ = spark.run(JOB, {"options": login.options(TABLE), "rounds": rounds, "rows": ROWS[TABLE]})
        spent: dict[str, list[float]] = {str(name): list(values) for name, values in found.items()}  # type: ignore[call-overload]
        client = LoadClient(place.endpoint("data-pool"), login.user, login.password)
        for name, read in {"arrow": _arrow, "pandas": _pandas}.items():
            spent[name] = []
            for round_ in range(rounds + 1):
                began = time.perf_counter()
                rows = read(client)
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
        Figure("spark_four_columns_rows_per_s", rate["spark_four_columns"], "rows/s", None, "Spark, four columns"),
        Figure("pandas_rows_per_s", rate["pandas"], "rows/s", None, "pandas, all columns"),
        Figure("arrow_rows_per_s", rate["arrow"], "rows/s", None, "Arrow streams, all columns, nothing kept"),
    )
    return Report("bulkread", figures, more={"rounds": count, "seconds": {name: [round(s, 3) for s in spent[name]] for name in spent}})
