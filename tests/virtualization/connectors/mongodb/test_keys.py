"""Joins of a collection with another source's table: the keys of the small side go to the other, both ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bson import Decimal128, ObjectId

from tests.services.mongodb import MongodbServer
from tests.services.postgresql import PostgresqlServer
from virtualization.catalog import Column, Credential, DataSource, MemoryCatalog, VirtualTable
from virtualization.engine import Engine
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.plan import QueryContext

pytestmark = pytest.mark.service
DATABASE = "mongodb_keys"
COLUMNS = (Column("k", "integer"), Column("t", "text"))
IDS = [f"{number:024x}" for number in range(400)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = Engine([DuckDbExecutor(256 << 20, str(tmp_path_factory.mktemp("duckdb")), 1)])
    yield made
    made.close()


@pytest.fixture(scope="module")
def catalog(mongodb: MongodbServer, postgresql: PostgresqlServer) -> MemoryCatalog:
    database = mongodb.client[mongodb.database]
    odd: list[dict[str, Any]] = [{"k": Decimal128("7.0"), "t": ObjectId(IDS[7])}, {"k": None}, {}, {"k": "7", "t": 7}]
    database.keys_many.insert_many([*({"k": float(number), "t": one} for number, one in enumerate(IDS)), *odd])
    database.keys_few.insert_many([{"k": 7, "t": ObjectId(IDS[7])}, {"k": 9.0, "t": IDS[9]}, {"k": None}, {"k": [5], "t": ["x"]}])
    with postgresql.connect() as session:
        session.execute(f"CREATE DATABASE {DATABASE}")
    with postgresql.connect(DATABASE) as session:
        session.execute("CREATE TABLE many AS SELECT g AS k, lpad(to_hex(g), 24, '0') AS t FROM generate_series(0, 399) g")
        session.execute(f"CREATE TABLE few AS SELECT * FROM (VALUES (7, '{IDS[7]}'), (9, '{IDS[9]}'), (NULL, NULL)) AS v(k, t)")
    login = Credential(postgresql.user, postgresql.password)
    other = DataSource("pg", "postgresql", f"postgresql://127.0.0.1:{postgresql.port}/{DATABASE}", {}, login)
    forced = {"pushdown": "forced"}
    tables = [
        VirtualTable("public", f"{source}_{name}", source, location.format(name), COLUMNS, forced | more, rows)
        for source, location, more in (("pg", "public.{}", {}), ("src", "keys_{}", {"mismatch": "null"}))
        for name, rows in (("many", 400.0), ("few", 4.0))
    ]
    return MemoryCatalog.of([mongodb.source(), other], tables)


@pytest.mark.parametrize("column", ["k", "t"])
@pytest.mark.parametrize(
    ("few", "many", "rows", "mark"),
    [("pg_few", "src_many", 3, '"$in": ['), ("src_few", "pg_many", 2, "ANY")],
)
def test_keys_go_to_the_large_side(engine: Engine, catalog: MemoryCatalog, column: str, few: str, many: str, rows: int, mark: str) -> None:
    plan = engine.plan(f"SELECT m.k, f.t FROM {many} m JOIN {few} f ON m.{column} = f.{column}", catalog)
    context = QueryContext()
    result = engine.run(plan, context)
    try:
        assert sum(batch.num_rows for batch in result) == rows
    finally:
        result.close()
    (asked,) = [counts for counts in context.moved if counts.asked is not None and ("public", many) in counts.asked.tables]
    assert asked.rows == rows and asked.asked is not None and mark in asked.asked.text
