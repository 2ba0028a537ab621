"""``bdc.export_onnx`` with the locked Spark, classic and Connect: each kind of model says in ONNX what it says in Spark, or there is no
file."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from tests.bdc.boston import house_csv
from tests.services.spark import SparkScripts

pytestmark = pytest.mark.timeout(900)  # the first run downloads and builds pyspark
ROOT = Path(__file__).parents[2]
JOB = Path(__file__).with_name("export_job.py")
REGRESSORS = ("linear", "tree", "forest", "boosted")
CLASSIFIERS = ("logistic", "tree classifier", "forest classifier", "boosted classifier")
BY_CONNECT = ("linear", "boosted", "forest classifier")
"""With the pipeline that has texts: what the converter reads from a model itself, from its trees, and from the session."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx")


@pytest.fixture(scope="module")
def result(spark: SparkScripts, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return exported(spark, folder, tmp_path_factory.mktemp("driver"), connect=False)


@pytest.fixture(scope="module")
def by_connect(spark: SparkScripts, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return exported(spark, tmp_path_factory.mktemp("onnx"), tmp_path_factory.mktemp("driver"), connect=True)


def exported(spark: SparkScripts, folder: Path, driver: Path, *, connect: bool) -> dict[str, Any]:
    (driver / "client").mkdir()
    (driver / "aside").mkdir()
    (driver / "client" / "bdc").symlink_to(ROOT / "bdc", target_is_directory=True)
    (driver / "house.csv").write_text(house_csv())
    given: dict[str, object] = {
        "client": str(driver / "client"), "folder": str(folder), "house": str(driver / "house.csv"), "aside": str(driver / "aside"),
        "models": BY_CONNECT if connect else [*REGRESSORS, *CLASSIFIERS], "connect": connect,
    }  # fmt: skip
    return spark.run(JOB, given)[0]


@pytest.mark.parametrize("name", [*REGRESSORS, *CLASSIFIERS])
def test_each_model_says_what_spark_says(name: str, result: dict[str, Any]) -> None:
    difference, rows, inputs, outputs, there = result["reports"][name]
    assert 0 <= difference < 1e-3
    assert (rows, inputs, there) == (506, result["features"], True)
    assert "prediction" in outputs
    assert ("probability" in outputs) == (name in CLASSIFIERS)


def test_the_file_is_a_model_whose_inputs_are_the_columns(result: dict[str, Any], folder: Path) -> None:
    """As the runtime onnx of apps takes it."""
    session = onnxruntime.InferenceSession(str(folder / "linear.onnx"))
    assert [entry.name for entry in session.get_inputs()] == result["features"]
    first = next(csv.DictReader(house_csv().splitlines()))
    found = session.run(["prediction"], {name: np.array([[float(first[name])]], "float32") for name in result["features"]})
    assert float(np.asarray(found[0]).reshape(-1)[0]) == pytest.approx(30, abs=1.5)


def test_texts_and_scaled_columns_and_a_model_without_a_pipeline(result: dict[str, Any]) -> None:
    difference, rows, inputs, said = result["mixed"]
    assert difference < 1e-3 and rows == 100
    assert inputs == ["kind", *result["features"]]
    assert "differs from Spark by" in said and "100 rows (prediction)" in said
    assert result["alone"][0] < 1e-3
    assert result["alone"][1:] == [506, ["features"]]


def test_the_stock_converter_is_refused_for_a_boosted_regressor(result: dict[str, Any]) -> None:
    """It is silently wrong: it says 0 or 1."""
    said = result["failures"]["stock"]
    assert "says something else than Spark: prediction differs by up to" in said and "in 506 rows" in said
    assert "nothing was written" in said
    assert float(said.split("differs by up to ")[1].split()[0]) > 10


@pytest.mark.parametrize(
    ("what", "parts"),
    [
        ("tolerance", ("says something else than Spark", "more than 0")),
        ("empty", ("the sample has no rows",)),
        ("column", ("the sample has no column 'CRIM', which the model reads",)),
        ("null", ("column 'CRIM' of the sample has NULLs", "dropna")),
        ("unfitted", ("a fitted model of Spark ML is wanted, this is a LinearRegression", "fit()")),
        ("folder", ("nowhere", "can't be written")),
    ],
)
def test_what_is_wrong_is_one_error(result: dict[str, Any], what: str, parts: tuple[str, ...]) -> None:
    for part in ("UserError", *parts):
        assert part in result["failures"][what]


def test_what_was_refused_left_no_file(result: dict[str, Any]) -> None:
    names = [f"{name.replace(' ', '_')}.onnx" for name in (*REGRESSORS, *CLASSIFIERS)]
    assert result["left"] == sorted([*names, "mixed.onnx", "alone.onnx"])
    assert (result["left aside"], result["databases"]) == ([], ["default"])


@pytest.mark.parametrize("name", BY_CONNECT)
def test_over_spark_connect_each_model_says_the_same(name: str, result: dict[str, Any], by_connect: dict[str, Any]) -> None:
    difference, rows, inputs, outputs, there = by_connect["reports"][name]
    assert 0 <= difference < 1e-3
    assert (rows, inputs, there) == (506, by_connect["features"], True)
    assert outputs == result["reports"][name][3]


def test_over_spark_connect_it_is_compared_and_leaves_nothing_too(by_connect: dict[str, Any]) -> None:
    difference, rows, inputs, _ = by_connect["mixed"]
    assert difference < 1e-3 and (rows, inputs) == (100, ["kind", *by_connect["features"]])
    assert by_connect["alone"][1:] == [506, ["features"]]
    assert "differs by up to" in by_connect["failures"]["stock"] and "nothing was written" in by_connect["failures"]["stock"]
    assert "says something else than Spark" in by_connect["failures"]["tolerance"]
    names = [f"{name.replace(' ', '_')}.onnx" for name in BY_CONNECT]
    assert by_connect["left"] == sorted([*names, "mixed.onnx", "alone.onnx"])
    assert (by_connect["left aside"], by_connect["databases"]) == ([], ["default"])
