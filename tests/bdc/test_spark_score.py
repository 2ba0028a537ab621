"""``bdc.spark.score`` with the locked Spark, classic and Connect, on a running cluster: it gives what REST and SQL give, row by row."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bdc import Session
from bdc import contexts as bdc_contexts
from bdc.session import login
from tests.apps.folders import python
from tests.bdc.boston import house_csv
from tests.services.cluster import Stage
from tests.services.spark import SparkEnvironment, SparkScripts

pytestmark = pytest.mark.timeout(900)  # the first run downloads and builds pyspark
ROOT = Path(__file__).parents[2]
JOB = Path(__file__).with_name("score_job.py")
HOUSE = ROOT / "examples" / "apps" / "house"
FEATURES = tuple(json.loads((HOUSE / "first.json").read_text()))
PLAIN = """
    import datetime
    def run(n, name, day, even):
        if n < 0:
            raise ValueError("bad luck")
        return {"text": f"{name} {n}", "twice": n * 2, "next": day + datetime.timedelta(days=1), "parts": [n, even]}
"""
INPUTS, OUTPUTS = "{n: int, name: str, day: date, even: bool}", "{text: str, twice: int, next: date, parts: list}"
OTHER = "ann's very own words"

REFUSED = [
    ("missing", ("UserError", "no column CRIM, which house@v1 takes", "CRIM double")),
    ("type", ("UserError", "input CRIM of house@v1 is double, the DataFrame's column is string", "cast('double')")),
    ("map", ("UserError", "the DataFrame's column is map", "take one value out of the map", "df['crim'][…].cast('double')")),
    ("interval", ("UserError", "column since is interval month, which Spark gives to no Python", "df.drop('since')")),
    ("swapped", ("UserError", "an app is named by a text, not by pyspark.DataFrame")),
    ("pandas", ("UserError", "a DataFrame of Spark is wanted, this is a pandas.DataFrame")),
    ("output", ("UserError", "has a column 'prediction' already", "rename it")),
    ("unknown", ("NotFoundError", "house@v9")),
    ("name", ("UserError", "is no app", "house@v1")),
    ("no frame", ("UserError", "a DataFrame of Spark is wanted, this is a list")),
    ("null", ("input CRIM of house@v1 is NULL", "IS NOT NULL")),
    ("nan", ("input CRIM of house@v1 is NaN or infinite",)),
    ("plain null", ("input n of plain@v1 is NULL",)),
    ("raises", ("plain@v1: ", "bad luck")),
    ("no role", ("ForbiddenError", "app-reader", "bdc user grant")),
]


def houses() -> list[list[float]]:
    """All 506 rows, without the column B, which the example leaves out."""
    return [[float(row[name]) for name in FEATURES] for row in csv.DictReader(house_csv().splitlines())]


@contextmanager
def staged(cluster: Stage, folder: Path) -> Iterator[Stage]:
    """The cluster with two apps, and a user without the role."""
    plain = python(folder / "plain", PLAIN, INPUTS, OUTPUTS, "replicas: 2")
    (plain / "spec.yaml").write_text((plain / "spec.yaml").read_text().replace("name: t", "name: plain"))
    house = folder / "house"
    shutil.copytree(HOUSE, house)  # with time for a batch on a machine ten times slower
    (house / "spec.yaml").write_text((HOUSE / "spec.yaml").read_text().replace("timeout: 5", "timeout: 60"))
    for app in (house, plain):
        cluster.bdc("app", "create", "-s", str(app))
    cluster.bdc("user", "add", "scoreann", "--password-stdin", output=None, secret=OTHER + "\n")
    yield cluster
    cluster.bdc("user", "remove", "scoreann", "--yes", output=None)
    for name in ("house@v1", "plain@v1"):
        cluster.bdc("app", "delete", name, "--live", "--yes")


@contextmanager
def logged_in(stage: Stage) -> Iterator[Session]:
    """As the cluster's admin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BDC_CONFIG", str(stage.folder / "config"))
        with Session(bdc_contexts.load().find(None)) as made:
            yield made


def scored(spark: SparkEnvironment | SparkScripts, stage: Stage, session: Session, folder: Path, *, connect: bool) -> dict[str, Any]:
    """What the job said."""
    (folder / "client").mkdir()
    (folder / "client" / "bdc").symlink_to(ROOT / "bdc", target_is_directory=True)
    ann = login("ann", session.context.controller, "scoreann", OTHER, keep_sql=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BDC_CONFIG", str(folder / "config"))
        with bdc_contexts.editing() as box:
            box[0] = box[0].with_session(ann)
    given = {
        "connect": connect, "client": str(folder / "client"), "config": str(stage.folder / "config"),
        "other_config": str(folder / "config"), "names": FEATURES, "rows": houses(),
    }  # fmt: skip
    found, said = spark.run(JOB, given)
    found["said"] = said
    return found


@pytest.fixture(scope="module")
def stage(cluster: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(cluster, tmp_path_factory.mktemp("apps")) as made:
        yield made


@pytest.fixture(scope="module")
def session(stage: Stage) -> Iterator[Session]:
    with logged_in(stage) as made:
        yield made


@pytest.fixture(scope="module", params=[False, True], ids=["classic", "connect"])
def result(request: pytest.FixtureRequest, stage: Stage, session: Session, spark: SparkScripts, tmp_path_factory: Any) -> dict[str, Any]:
    return scored(spark, stage, session, tmp_path_factory.mktemp("driver"), connect=request.param)


def test_spark_rest_and_sql_agree_row_by_row(result: dict[str, Any], stage: Stage, session: Session) -> None:
    rows = houses()
    assert len(rows) == len(result["predictions"]) == 506
    by_rest: list[Any] = [session.apps.run("house", "v1", dict(zip(FEATURES, row, strict=True)))["outputParameters"] for row in rows]
    names = ", ".join(name.lower() for name in FEATURES)
    values = ", ".join(f"({at}, {', '.join(repr(value) + '::float8' for value in row)})" for at, row in enumerate(rows))
    with stage.sql() as master:
        query = f"SELECT * FROM (VALUES {values}) AS t (id, {names})"
        found: list[Any] = [row for (row,) in master.execute("SELECT * FROM bdc.score('house@v1', %s)", [query])]
    by_sql = {row["id"]: row["prediction"] for row in found}
    for at, prediction in result["predictions"]:
        assert prediction == pytest.approx(by_rest[at]["prediction"], rel=1e-6)
        assert prediction == pytest.approx(by_sql[at], rel=1e-6)


def test_outputs_are_further_columns_of_their_types(result: dict[str, Any]) -> None:
    assert result["columns"] == ["id", *(name.lower() for name in FEATURES), "prediction"]
    assert result["types"] == "double"
    assert (result["again"], result["live"], result["none"], result["decimal"]) == (506, 506, 0, 1)


def test_a_python_app_is_called_at_the_proxy(result: dict[str, Any]) -> None:
    assert result["plain_types"] == ["string", "bigint", "date", "string"]
    assert result["plain"] == [
        ["n0 0", "0", "2026-01-02", "[0, true]"], ["n7 70", "140", "2026-01-09", "[70, false]"],
        ["n2499 24990", "49980", "2032-11-05", "[24990, false]"],
    ]  # fmt: skip
    assert result["plain_rows"] == 2500


@pytest.mark.parametrize(("what", "parts"), REFUSED)
def test_what_is_wrong_is_one_error(result: dict[str, Any], what: str, parts: tuple[str, ...]) -> None:
    for part in parts:
        assert part in result["failures"][what]


def test_no_token_is_shown(result: dict[str, Any]) -> None:
    assert "eyJ" not in json.dumps(result)
