"""Spark streams into a real data pool exactly once, and writes a local table of the master."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

import pytest

from tests.services.data_pool import PASSWORD, DataPool
from tests.services.spark import SparkScripts

pytestmark = pytest.mark.timeout(900)  # the first run downloads and builds pyspark
JOB = Path(__file__).with_name("stream_job.py")


def test_a_stream_is_written_exactly_once(spark: SparkScripts, data_pool: DataPool) -> None:
    schema = f"stream_{secrets.token_hex(3)}"
    with data_pool.connect("admin") as session:
        session.execute(f"CREATE SCHEMA {schema}".encode())
    login = {"host": "127.0.0.1", "port": str(data_pool.master.port), "user": "admin", "password": PASSWORD, "database": "bdc"}
    with tempfile.TemporaryDirectory(dir=spark.environment.folder) as folder:
        given = {"login": login, "table": f"{schema}.events", "local": f"{schema}.local", "folder": folder}
        result, said = spark.run(JOB, given)
    assert PASSWORD not in said
    assert (result["batches"], result["rows"]) == (2, [200, 200])
    assert (result["repeated"], result["after the restart"]) == (1, [200, 200])
    assert (result["more"], result["all"]) == (2, [400, 400])
    assert result["local"] == [600, 600]
    with data_pool.connect("admin") as session:
        left = session.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'bdc_staging_%'").fetchone()
        loads = session.execute(
            f"SELECT count(*) FROM bdc.loads WHERE load_id LIKE '%events\"' AND load_id LIKE '%{schema}%'".encode()
        ).fetchone()
    assert left == (0,)
    assert loads == (4,)
