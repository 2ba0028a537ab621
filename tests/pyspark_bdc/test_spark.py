"""Spark 4.3 reads a file in HDFS, as a virtual table of a real cluster, through the data source ``bdc``; classic and Connect."""

from __future__ import annotations

import io
import secrets
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.services.cluster import Stage
from tests.services.postgresql import PostgresqlServer
from tests.services.spark import SparkScripts

pytestmark = pytest.mark.timeout(900)  # the first run downloads and builds pyspark
JOB = Path(__file__).with_name("job.py")
ROWS = 1000
WRONG = "wrong-" + secrets.token_hex(6)
QUERY = "SELECT kind, count(*) AS rows, sum(price) AS price FROM spark_test.files GROUP BY kind -- a whole query"


def rows() -> pa.Table:
    numbers = list(range(1, ROWS + 1))
    return pa.table(
        {
            "id": pa.array(numbers, pa.int32()),
            "kind": pa.array(["even" if i % 2 == 0 else "odd" for i in numbers]),
            "name": pa.array([f"row {i}" if i % 10 else None for i in numbers]),
            "price": pa.array([Decimal(i) / 4 for i in numbers], pa.decimal128(12, 2)),
            "ratio": pa.array([i / 8 for i in numbers], pa.float64()),
            "sold_at": pa.array([1704067200_000000 + i * 1_000000 for i in numbers], pa.timestamp("us", tz="UTC")),
        }
    )


@pytest.fixture(scope="module")
def tables(cluster: Stage, postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """``spark_test.files``: Parquet in HDFS; ``spark_test.remote``: the same rows in another PostgreSQL, whose log can be read."""
    buffer = io.BytesIO()
    pq.write_table(rows(), buffer)
    path = tmp_path_factory.mktemp("spark") / "rows.parquet"
    path.write_bytes(buffer.getvalue())
    cluster.bdc("hdfs", "mkdir", "hdfs:/spark_test", output=None)
    cluster.bdc("hdfs", "cp", str(path), "hdfs:/spark_test/rows.parquet", output=None)
    cluster.bdc("source", "create", "spark_files", "--connector", "hdfs", output=None)
    with cluster.sql() as master:
        master.execute("CREATE SCHEMA spark_test")
    cluster.bdc("table", "create", "spark_test.files", "--source", "spark_files", "--location", "/spark_test/rows.parquet", output=None)
    with postgresql.connect() as remote:
        remote.execute("CREATE DATABASE spark_remote")
    with postgresql.connect("spark_remote") as remote, cluster.sql() as master:
        remote.execute("CREATE TABLE sales (id int, kind text, name text, price numeric(12,2), ratio float8, sold_at timestamptz)")
        with remote.cursor().copy("COPY sales FROM STDIN") as copy:
            for row in master.execute("SELECT * FROM spark_test.files").fetchall():
                copy.write_row(row)
    location = ["--location", f"postgresql://127.0.0.1:{postgresql.port}/spark_remote", "--user", postgresql.user, "--password-stdin"]
    cluster.bdc("source", "create", "spark_remote", *location, output=None, secret=postgresql.password + "\n")
    cluster.bdc("table", "create", "spark_test.remote", "--source", "spark_remote", "--location", "public.sales", output=None)
    return cluster


def job(spark: SparkScripts, stage: Stage, table: str, *, connect: bool) -> tuple[dict[str, Any], str]:
    host, _, port = stage.endpoint("sql-server-master").rpartition("//")[2].partition("/")[0].partition(":")
    login = {"host": host, "port": port, "user": "admin", "password": stage.password, "database": "bdc"}
    return spark.run(JOB, {"login": login, "table": table, "query": QUERY, "wrong": WRONG, "connect": connect})


def check(result: dict[str, Any], said: str, stage: Stage) -> None:
    assert result["version"].startswith("4.3.")
    assert result["schema"] == {
        "id": "int", "kind": "string", "name": "string", "price": "decimal(12,2)", "ratio": "double", "sold_at": "timestamp",
    }  # fmt: skip
    # Tokyo is 9 hours ahead of what the file says
    assert result["everything"] == [str(ROWS), "500500", "125125.00", "62562.5", "2024-01-01 09:00:01", "row 999"]
    # 09:04:00 in Tokyo is row 240; of 240 … 299 every tenth has no name
    expected = [Decimal(i) / 4 for i in range(240, 300) if i % 10]
    assert result["filtered"] == [str(len(expected)), str(sum(expected).quantize(Decimal("0.01")))]
    # a sum's numeric has no precision in PostgreSQL
    assert result["query"] == [["even", "500", "62625.000000000000000000"], ["odd", "500", "62500.000000000000000000"]]
    assert "PythonScan" in result["plan"] or "BatchScan bdc" in result["plan"]
    assert result["columns"] == ["odd", "7"]
    assert stage.password not in said
    assert WRONG not in said


def test_a_virtual_table_a_query_and_every_refusal(spark: SparkScripts, tables: Stage, postgresql: PostgresqlServer) -> None:
    result, said = job(spark, tables, "spark_test.remote", connect=False)
    check(result, said, tables)
    assert result["partitions"] == [2, 100]
    assert result["again"] == [10, ROWS]
    assert result["not_pushed"] == 1
    arrived = [line for line in postgresql.log.splitlines() if '"sales"' in line and "BETWEEN" not in line and "299" in line]
    assert arrived, "the filter reached the remote database, through the master"
    assert any("200" in line for line in arrived)  # the time stays: the pool keeps what depends on a time zone
    failures = result["failures"]
    assert "spark_test.remote is no table of the data pool" in failures["write"]  # it is a virtual table over another source
    assert "option dataPoolDataSource: it is an option of writing" in failures["option"]
    assert 'relation "nowhere" does not exist' in failures["table"]
    assert "password authentication failed" in failures["password"]
    assert "column 'x': a value has no exact place in decimal(38,18)" in failures["value"]


def test_connect_reads_a_parquet_file_in_hdfs(spark: SparkScripts, tables: Stage) -> None:
    result, said = job(spark, tables, "spark_test.files", connect=True)
    check(result, said, tables)
