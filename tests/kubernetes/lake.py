"""What tests and benchmarks put into a cluster on Kubernetes, and ask it: a file in HDFS, a table of a PostgreSQL outside, a table of the
data pool and a local one, in one SELECT."""

from __future__ import annotations

import json

import psycopg

from tests.cluster.sources import create_source, create_table
from tests.services.kubernetes.product import Product, Row
from tests.services.postgresql import PostgresqlServer

SALES = 3000
LOADED = 20_000
QUERY = """
SELECT n.name, f.houses, s.turnover, d.points, round(s.turnover * r.rate, 2) AS tax
FROM lake.neighbourhoods AS n
JOIN (SELECT id, count(*) AS houses FROM lake.houses GROUP BY id) AS f ON f.id = n.id
JOIN (SELECT id, sum(price) AS turnover FROM lake.sales WHERE sold_on >= DATE '2024-01-01' GROUP BY id) AS s ON s.id = n.id
JOIN (SELECT id, count(*) AS points FROM lake.points GROUP BY id) AS d ON d.id = n.id
JOIN lake.rates AS r ON r.id = n.id
ORDER BY tax DESC"""
HOUSES = "id,rooms\n" + "".join(f"{1 + i % 3},{i % 7}\n" for i in range(300))


def fill_source(server: PostgresqlServer) -> None:
    """The database outside."""
    with server.connect() as session:
        session.execute("CREATE DATABASE lake")
    names = "VALUES (1, 'Harbour'), (2, 'Station'), (3, 'Ring Road')"
    sale = "1 + i % 3 AS id, date '2023-12-01' + i % 100 AS sold_on, (1000 + i * 0.25)::numeric(12,2) AS price"
    with server.connect("lake") as session:
        session.execute(f"CREATE TABLE neighbourhoods AS SELECT * FROM ({names}) AS t(id, name)")
        session.execute(f"CREATE TABLE sales AS SELECT {sale} FROM generate_series(1, {SALES}) AS i")


def fill(place: Product, server: PostgresqlServer) -> None:
    """Sources, virtual tables, a file, a table of the data pool with ``LOADED`` rows, a local table."""
    host, port = place.node.expose(server.port)
    houses = place.node.folder / "houses.csv"
    houses.write_text(HOUSES)
    place.bdc("hdfs", "mkdir", "hdfs:/lake", output=None)
    place.bdc("hdfs", "cp", str(houses), "hdfs:/lake/houses.csv", output=None)
    with place.sql() as master:
        master.execute("CREATE SCHEMA lake")
        create_source(master, "outside", f"postgresql://{host}:{port}/lake", user=server.user, password=server.password)
        for name in ("neighbourhoods", "sales"):
            create_table(master, f"lake.{name}", "outside", f"public.{name}")
        create_table(master, "lake.houses", "hdfs", "/lake/houses.csv")
        master.execute("CREATE TABLE lake.rates AS SELECT * FROM (VALUES (1, 0.011), (2, 0.012), (3, 0.014)) AS t(id, rate)")
        load_points(master)


def load_points(master: psycopg.Connection[Row]) -> None:
    """Rows of the data pool, by hash over its shards."""
    columns = [{"name": "id", "type": "integer"}, {"name": "number", "type": "integer"}]
    master.execute("CALL bdc.create_data_table('lake.points', %s, 'HASH(number)')", [json.dumps(columns)])
    master.execute(f"INSERT INTO lake.points SELECT 1 + i % 3, i FROM generate_series(1, {LOADED}) AS i")


def answer(place: Product) -> list[Row]:
    """The main query's, over a new connection from outside."""
    with place.sql() as master:
        return master.execute(QUERY).fetchall()


def answers(place: Product, expected: list[Row]) -> bool:
    """Is the main query right now? A clear error means not yet; a different answer is a failure."""
    try:
        rows = answer(place)
    except psycopg.Error:
        return False
    assert rows == expected
    return True


def points(place: Product) -> Row | None:
    """How many rows the data pool holds, and a sum that tells rows apart."""
    with place.sql() as master:
        return master.execute("SELECT count(*), sum(number), count(DISTINCT number) FROM lake.points").fetchone()
