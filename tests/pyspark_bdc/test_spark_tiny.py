"""Ten thousand tiny partitions: as many tasks, streams and segments, one load."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.services.data_pool import PASSWORD, DataPool
from tests.services.spark import SparkScripts

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]
JOB = Path(__file__).with_name("tiny_job.py")
PARTITIONS, ROWS = 10_000, 30_000


def test_ten_thousand_partitions_are_one_load(data_pool: DataPool, spark: SparkScripts) -> None:
    schema = f"tiny_{secrets.token_hex(3)}"
    login = {"host": "127.0.0.1", "port": str(data_pool.master.port), "user": "admin", "password": PASSWORD, "database": "bdc"}
    with data_pool.connect("admin") as admin:
        admin.execute(f"CREATE SCHEMA {schema}".encode())
        given: dict[str, object] = {"login": login, "prefix": schema, "partitions": PARTITIONS, "rows": ROWS}
        seconds, _ = spark.run(JOB, given, seconds=1500)
        print(f"seconds: {seconds}")
        counted = admin.execute(f"SELECT count(*), count(DISTINCT id), sum(id) FROM {schema}.tiny_{PARTITIONS}".encode()).fetchone()
        assert counted == (ROWS, ROWS, ROWS * (ROWS - 1) // 2)
        loads = admin.execute(
            "SELECT state, rows FROM bdc.loads WHERE %s = ANY (tables)", [f"{schema}.tiny_{PARTITIONS} append"]
        ).fetchall()
        assert loads == [("committed", ROWS)]
