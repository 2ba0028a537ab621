"""Issue 5's opening sentence: one SELECT over Oracle, MongoDB, PostgreSQL, an ODBC source, a file in HDFS and the data pool, through the
master of a real cluster. (Oracle and MongoDB are their stand-ins.)"""

from __future__ import annotations

import pathlib
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from decimal import Decimal

import pytest

from tests.cluster.life import connect
from tests.cluster.sources import create_postgresql_source, create_source, create_table
from tests.services import odbc
from tests.services.cluster import Row, Stage
from tests.services.mongodb import mongodb_server
from tests.services.oracle import oracle_stand_in
from tests.services.postgresql import PostgresqlServer, reachable_folder

SCHEMA = "all_kinds"
COUNT = 60
QUERY = f"""
SELECT c.region, count(*) AS orders, sum(o.amount) AS amount, sum(p.weight * o.pieces) AS weight, max(t.name) AS team, sum(b.paid) AS paid,
       sum(r.stars) AS stars
FROM {SCHEMA}.orders AS o
JOIN {SCHEMA}.customers AS c ON c.id = o.customer
JOIN {SCHEMA}.parts AS p ON p.id = o.part
JOIN {SCHEMA}.teams AS t ON t.region = c.region
JOIN {SCHEMA}.bills AS b ON b.order_id = o.id
LEFT JOIN {SCHEMA}.reviews AS r ON r.order_id = o.id
WHERE o.id > 6 AND p.weight < 5
GROUP BY c.region ORDER BY c.region"""


def orders() -> list[tuple[int, int, int, Decimal, int]]:
    """(id, customer, part, amount, pieces): PostgreSQL."""
    return [(n, n % 7, n % 5 + 1, Decimal(n * 125) / 100, n % 3 + 1) for n in range(1, COUNT + 1)]


def customers() -> list[tuple[int, str]]:
    """(id, region): Oracle."""
    return [(n, ("north", "south")[n % 2]) for n in range(7)]


def parts() -> list[tuple[int, int]]:
    """(id, weight): ODBC."""
    return [(n, n + 1) for n in range(1, 6)]


def teams() -> list[tuple[str, str]]:
    """(region, name): the file."""
    return [("north", "Anna, Äsa"), ("south", "Zoë")]


def bills() -> list[tuple[int, Decimal]]:
    """(order, paid): the data pool."""
    return [(n, Decimal(n * 100) / 100) for n in range(1, COUNT + 1) if n % 4]


def reviews() -> list[tuple[int, int]]:
    """(order, stars): MongoDB."""
    return [(n, n % 6) for n in range(1, COUNT + 1, 2)]


def expected() -> list[Row]:
    """By hand."""
    region, weight, paid, stars, team = dict(customers()), dict(parts()), dict(bills()), dict(reviews()), dict(teams())
    found: dict[str, list[tuple[Decimal, int, Decimal, int | None]]] = {}
    for number, customer, part, amount, pieces in orders():
        if number > 6 and weight[part] < 5 and number in paid:
            row = (amount, weight[part] * pieces, paid[number], stars.get(number))
            found.setdefault(region[customer], []).append(row)
    return [
        (key, len(rows), sum(row[0] for row in rows), sum(row[1] for row in rows), team[key], sum(row[2] for row in rows),
         sum(row[3] for row in rows if row[3] is not None))
        for key, rows in sorted(found.items())
    ]  # fmt: skip


@pytest.fixture
def tables(cluster: Stage, postgresql: PostgresqlServer) -> Iterator[Stage]:
    """Each kind with one table of it; what they stand on ends with the test."""
    if (why := odbc.why_not()) is not None:
        pytest.skip(why)
    with ExitStack() as stack:
        folder = stack.enter_context(reachable_folder())
        master = stack.enter_context(connect(cluster, dbname="bdc"))
        master.execute(f"CREATE SCHEMA {SCHEMA}".encode())
        for kind in ("postgresql", "oracle", "mongodb", "odbc", "file"):
            stack.callback(master.execute, f"CALL bdc.drop_data_source('kind_{kind}')".encode())
        stack.callback(master.execute, f"DROP SCHEMA {SCHEMA} CASCADE".encode())
        remote = stack.enter_context(postgresql.connect())
        remote.execute(f"CREATE DATABASE {SCHEMA}".encode())
        with postgresql.connect(SCHEMA) as made:
            made.execute("CREATE TABLE orders (id integer, customer integer, part integer, amount numeric(10,2), pieces integer)")
            made.cursor().executemany("INSERT INTO orders VALUES (%s, %s, %s, %s, %s)", orders())
        create_postgresql_source(master, "kind_postgresql", postgresql, SCHEMA)
        create_table(master, f"{SCHEMA}.orders", "kind_postgresql", "public.orders")
        oracle = stack.enter_context(oracle_stand_in(postgresql, f"{SCHEMA}_oracle"))
        oracle.database.create("CUSTOMERS", (("ID", "NUMBER(9,0) NOT NULL"), ("REGION", "VARCHAR2(10)")), customers())
        create_source(master, "kind_oracle", oracle.source().location, user=oracle.user, password=oracle.password, connect_timeout="60")
        create_table(master, f"{SCHEMA}.customers", "kind_oracle", "SHOP.CUSTOMERS")  # detected: names are in capitals there
        mongodb = stack.enter_context(mongodb_server())
        mongodb.client[mongodb.database].reviews.insert_many([{"order_id": order, "stars": stars} for order, stars in reviews()])
        create_source(master, "kind_mongodb", mongodb.source().location, connect_timeout="60")
        create_table(master, f"{SCHEMA}.reviews", "kind_mongodb", "reviews", {"order_id": "integer", "stars": "integer"})
        create_source(master, "kind_odbc", f"odbc:Driver=SQLite3;Database={_sqlite(folder)}")
        create_table(master, f"{SCHEMA}.parts", "kind_odbc", "parts", {"id": "integer", "weight": "integer"})
        _file(cluster, folder)
        stack.callback(cluster.bdc, "hdfs", "rm", "-r", f"hdfs:/{SCHEMA}", output=None)
        create_source(master, "kind_file", cluster.endpoint("hdfs"))
        create_table(master, f"{SCHEMA}.teams", "kind_file", f"/{SCHEMA}/teams.csv", {"region": "text", "name": "text"})
        columns = '[{"name": "order_id", "type": "integer"}, {"name": "paid", "type": "numeric(10,2)"}]'
        master.execute("CALL bdc.create_data_table(%s, %s, 'HASH(order_id)')", (f"{SCHEMA}.bills", columns))
        given = ", ".join(f"({order}, {paid})" for order, paid in bills())
        master.execute(f"INSERT INTO {SCHEMA}.bills VALUES {given}".encode())
        yield cluster


def _sqlite(folder: pathlib.Path) -> pathlib.Path:
    path = folder / "parts.db"
    with closing(sqlite3.connect(path)) as made, made:
        made.execute("CREATE TABLE parts (id INTEGER, weight INTEGER)")
        made.executemany("INSERT INTO parts VALUES (?, ?)", parts())
    path.chmod(0o644)
    return path


def _file(cluster: Stage, folder: pathlib.Path) -> None:
    path = folder / "teams.csv"
    path.write_text("region,name\n" + "".join(f'{region},"{name}"\n' for region, name in teams()))
    cluster.bdc("hdfs", "mkdir", f"hdfs:/{SCHEMA}", output=None)
    cluster.bdc("hdfs", "cp", str(path), f"hdfs:/{SCHEMA}/teams.csv", output=None)


@pytest.mark.full  # .ci/run asks for it by name
def test_one_select_over_all_kinds(tables: Stage) -> None:
    with connect(tables, dbname="bdc") as master:
        assert master.execute(QUERY.encode()).fetchall() == expected()
        asked = master.execute(
            "SELECT DISTINCT fragment ->> 'source' FROM bdc.query_history, jsonb_array_elements(fragments) AS fragment WHERE session = %s",
            [str(master.info.backend_pid)],
        ).fetchall()
        kinds = {"kind_postgresql", "kind_oracle", "kind_mongodb", "kind_odbc", "kind_file", "data_pool"}
        assert {source for (source,) in asked} == kinds
