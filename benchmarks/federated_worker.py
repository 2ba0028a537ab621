"""One peer in one process, in an environment of its own (nothing of this project is imported): JSON lines in, JSON lines out.

``python federated_worker.py ENGINE``; first line in: ``{"postgresql": {host, port, user, password, database}, "files": {table: path},
"remote": [tables], "threads": n, "jar": path, "trino": port}``, then ``{"sql"}`` with the tables' places open. Out:
``{"ready": true}``, then ``{"seconds", "rows": [[texts]]}`` or ``{"error"}``. The engine's call and the fetch of all rows are timed.
"""

from __future__ import annotations

import csv
import decimal
import io
import json
import os
import sys
import time
from importlib import import_module
from typing import Any


class DuckDb:
    """DuckDB with its PostgreSQL scanner."""

    def __init__(self, given: dict[str, Any]) -> None:
        duckdb = import_module("duckdb")
        import_module("duckdb_extensions").import_extension("postgres_scanner")
        login = given["postgresql"]
        self.connection = duckdb.connect()
        self.connection.execute(f"LOAD postgres_scanner; SET threads={given['threads']}")
        target = " ".join(f"{name}={login[key]}" for name, key in _LIBPQ)
        self.connection.execute(f"ATTACH '{target}' AS a (TYPE postgres, READ_ONLY)")
        self.tables = {table: f"a.public.{table}" for table in given["remote"]} | {t: f"'{path}'" for t, path in given["files"].items()}

    def run(self, sql: str) -> list[Any]:
        """All rows."""
        return list(self.connection.execute(sql).fetchall())


_LIBPQ = (("host", "host"), ("port", "port"), ("user", "user"), ("password", "password"), ("dbname", "database"))


class ChDb:
    """ClickHouse in this process."""

    def __init__(self, given: dict[str, Any]) -> None:
        login = given["postgresql"]
        self.session = import_module("chdb.session").Session()
        self.threads = given["threads"]
        engine = f"PostgreSQL('{login['host']}:{login['port']}','{login['database']}','{login['user']}','{login['password']}')"
        self.session.query(f"CREATE DATABASE a ENGINE = {engine}")
        self.tables = {table: f"a.{table}" for table in given["remote"]} | {t: f"file('{path}')" for t, path in given["files"].items()}

    def run(self, sql: str) -> list[Any]:
        """All rows."""
        answer = self.session.query(f"{sql} SETTINGS max_threads={self.threads}", "CSV").bytes().decode()
        return [tuple(row) for row in csv.reader(io.StringIO(answer))]


class Spark:
    """Spark with its JDBC catalog; joins of one source are pushed too."""

    def __init__(self, given: dict[str, Any]) -> None:
        login = given["postgresql"]
        catalog = {
            "": "org.apache.spark.sql.execution.datasources.v2.jdbc.JDBCTableCatalog",
            ".url": f"jdbc:postgresql://{login['host']}:{login['port']}/{login['database']}",
            ".user": login["user"],
            ".password": login["password"],
            ".driver": "org.postgresql.Driver",
        }
        builder = import_module("pyspark.sql").SparkSession.builder.master(f"local[{given['threads']}]").config("spark.jars", given["jar"])
        for name, value in {
            "spark.ui.enabled": "false",
            "spark.driver.memory": "4g",
            "spark.sql.shuffle.partitions": "4",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.optimizer.datasourceV2JoinPushdown": "true",
            **{f"spark.sql.catalog.a{name}": value for name, value in catalog.items()},
        }.items():
            builder = builder.config(name, value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")
        self.tables = {table: f"a.public.{table}" for table in given["remote"]} | {t: f"parquet.`{p}`" for t, p in given["files"].items()}

    def run(self, sql: str) -> list[Any]:
        """All rows."""
        return [tuple(row) for row in self.session.sql(sql).collect()]


class Trino:
    """A Trino that runs already, with catalogs ``pg`` and ``hive``."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.connection = import_module("trino").dbapi.connect(host="127.0.0.1", port=given["trino"], user="bench")
        self.tables = {table: f"pg.public.{table}" for table in given["remote"]} | {table: f"hive.d.{table}" for table in given["files"]}

    def run(self, sql: str) -> list[Any]:
        """All rows."""
        cursor = self.connection.cursor()
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]


ENGINES: dict[str, Any] = {"duckdb": DuckDb, "chdb": ChDb, "spark": Spark, "trino": Trino}


def cell(value: object) -> str:
    """Numbers with two decimals, everything else as it prints: one form for all engines."""
    if isinstance(value, str):
        try:
            value = decimal.Decimal(value)
        except decimal.InvalidOperation:
            return str(value).strip()
    if isinstance(value, (int, float, decimal.Decimal)):
        return str(decimal.Decimal(str(value)).quantize(decimal.Decimal("0.01")).normalize() + 0)
    return str(value).strip()


def main() -> None:
    """Until standard input ends."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    engine = ENGINES[sys.argv[1]](json.loads(sys.stdin.readline()))
    engine.run("select n_name from {nation} nation where n_nationkey = 3".format(**engine.tables))
    print(json.dumps({"ready": True}), file=out)
    for line in sys.stdin:
        sql = json.loads(line)["sql"].format(**engine.tables)
        began = time.perf_counter()
        try:
            rows = engine.run(sql)
            answer: dict[str, object] = {"seconds": time.perf_counter() - began, "rows": sorted([cell(v) for v in row] for row in rows)}
        except Exception as error:  # noqa: BLE001 a peer's limits are a result
            answer = {"error": str(error)[:300]}
        print(json.dumps(answer), file=out)
    out.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
