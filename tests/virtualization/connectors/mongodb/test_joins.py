"""Joins by ``$lookup``: what arrives, when it is not sent, and keys that are missing, null, of other types, or in arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId

from tests.services.mongodb import MongodbServer
from virtualization.catalog import Column, MemoryCatalog, VirtualTable
from virtualization.connectors.mongodb.pipelines import Pipeline
from virtualization.connectors.mongodb.queries import query_pipeline
from virtualization.engine import Engine
from virtualization.errors import DataError, RemoteObjectError
from virtualization.plan import QueryContext
from virtualization.refusal import RefusedError

pytestmark = pytest.mark.service

ID = ObjectId("0123456789abcdef01234567")
LEFT: list[dict[str, Any]] = [
    {"_id": 1, "k": 5, "t": str(ID)}, {"_id": 2, "k": None, "t": None}, {"_id": 3}, {"_id": 4, "k": Decimal128("5.0"), "t": "b"},
    {"_id": 5, "k": "5", "t": 5}, {"_id": 6, "k": [5], "t": ["b"]}, {"_id": 7, "k": 9, "t": "c"},
]  # fmt: skip
RIGHT: list[dict[str, Any]] = [
    {"_id": 10, "k": 5.0, "t": ID, "c": "x"},
    {"_id": 11, "k": Int64(7), "t": "b", "c": 1},
    {"_id": 12, "k": [5, 9], "t": ["c"], "c": "y"},
]
NULL_BESIDE = [*RIGHT, {"_id": 13, "k": None, "t": None}, {"_id": 14, "c": "z"}]


@pytest.fixture(scope="module")
def engine(mongodb: MongodbServer) -> Iterator[Engine]:
    database = mongodb.client[mongodb.database]
    database.join_left.insert_many(LEFT)
    database.join_right.insert_many(RIGHT)
    database.join_nulls.insert_many(NULL_BESIDE)
    made = Engine([])
    yield made
    made.close()


def table(name: str, location: str, rows: float | None = 10, mismatch: str = "null", **options: str) -> VirtualTable:
    columns = (Column("id", "bigint", True, "_id"), Column("k", "integer"), Column("t", "text"), Column("c", "text"))
    return VirtualTable("public", name, "src", location, columns, {"mismatch": mismatch, **options}, rows)


def rows(engine: Engine, mongodb: MongodbServer, sql: str, **options: str) -> list[tuple[Any, ...]]:
    """The answer of one pipeline."""
    tables = [table("l", "join_left", **options), table("r", "join_right", **options), table("n", "join_nulls", **options)]
    plan = engine.plan(sql, MemoryCatalog.of([mongodb.source()], [*tables, table("gone", "join_gone")]))
    assert plan.residual is None, plan.kept
    result = engine.run(plan, QueryContext())
    try:
        return sorted((tuple(row.values()) for batch in result for row in batch.to_pylist()), key=str)
    finally:
        result.close()


@pytest.mark.parametrize("options", [{}, {"indexes": "k,t"}])
@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # an integer 5 is 5.0 and Decimal 5.0; "5", [5] and [5, 9] are none: NULL by the policy, equal to nothing
        ("SELECT l.id, r.id AS o FROM l JOIN r ON l.k = r.k", [(1, 10), (4, 10)]),
        # the text of an ObjectId finds the ObjectId
        ("SELECT l.id, r.id AS o FROM l JOIN r ON l.t = r.t", [(1, 10), (4, 11)]),
        ("SELECT l.id, n.id AS o FROM l JOIN n ON l.k = n.k AND l.t = n.t", [(1, 10)]),
        ("SELECT l.id, n.id AS o FROM l LEFT JOIN n ON l.k = n.k",
         [(1, 10), (2, None), (3, None), (4, 10), (5, None), (6, None), (7, None)]),
        ("SELECT l.id FROM l LEFT JOIN r ON l.k = r.k WHERE r.c IS NULL", [(2,), (3,), (5,), (6,), (7,)]),
        ("SELECT l.id FROM l WHERE EXISTS (SELECT 1 FROM n WHERE n.k = l.k)", [(1,), (4,)]),
        ("SELECT l.id FROM l WHERE NOT EXISTS (SELECT 1 FROM n WHERE n.k = l.k)", [(2,), (3,), (5,), (6,), (7,)]),
        ("SELECT l.id FROM l WHERE l.k IN (SELECT n.k FROM n)", [(1,), (4,)]),
        # NOT IN: never true beside a NULL; without one where the value is known and not there; over no row always
        ("SELECT l.id FROM l WHERE l.k NOT IN (SELECT n.k FROM n)", []),
        ("SELECT l.id FROM l WHERE l.k NOT IN (SELECT r.k FROM r WHERE r.k IS NOT NULL)", [(7,)]),
        ("SELECT l.id FROM l WHERE l.k NOT IN (SELECT r.k FROM r WHERE r.id > 99)", [(n,) for n in range(1, 8)]),
        ("SELECT count(*) AS a, count(n.k) AS b, count(n.id) AS c FROM l LEFT JOIN n ON l.k = n.k", [(7, 2, 2)]),
    ],
)  # fmt: skip
def test_missing_null_and_mixed_keys(
    engine: Engine, mongodb: MongodbServer, sql: str, expected: list[tuple[Any, ...]], options: dict[str, str]
) -> None:
    assert rows(engine, mongodb, sql, **options) == expected


def made(mongodb: MongodbServer, sql: str, **tables: VirtualTable) -> Pipeline:
    from virtualization.bind import bind
    from virtualization.parse import parse

    catalog = MemoryCatalog.of([mongodb.source()], [table for table in tables.values()])
    bound = bind(parse(sql), catalog)
    return query_pipeline(bound.query, bound.tables)


def test_an_index_serves_the_join(mongodb: MongodbServer) -> None:
    sql = "SELECT a.id FROM a JOIN b ON a.k = b.k WHERE b.c = 'x'"
    big = {"a": table("a", "a", 1e6), "b": table("b", "b", 1e6, indexes="k")}
    pipeline = made(mongodb, sql, **big)
    lookup = next(stage["$lookup"] for stage in pipeline.stages if "$lookup" in stage)
    assert (lookup["from"], lookup["foreignField"], pipeline.joined) == ("b", "k", ("b",))
    turned = made(mongodb, sql, a=table("a", "a", 1e6, indexes="k"), b=table("b", "b", 1e6))
    assert (turned.collection, turned.joined) == ("b", ("a",))


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT a.id FROM a JOIN b ON a.k = b.k", "no_index"),
        ("SELECT a.id FROM a LEFT JOIN b ON a.k = b.k", "no_index"),
        ("SELECT a.id FROM a WHERE a.id NOT IN (SELECT b.id FROM b)", "no_index"),
        ("SELECT a.id FROM a JOIN b ON a.k > b.k", "join"),
        ("SELECT a.id FROM a FULL JOIN b ON a.id = b.id", "join"),
        ("SELECT a.id FROM a LEFT JOIN b ON a.id = b.id AND a.k = 1", "join"),
        ("SELECT a.id FROM a JOIN (SELECT id FROM b) x ON a.id = x.id", "not_a_table"),
        ("SELECT a.id FROM a JOIN b ON a.c = b.k", "type"),
    ],
)
def test_joins_that_stay_here(mongodb: MongodbServer, sql: str, code: str) -> None:
    for rows_known in (1e6, None):
        with pytest.raises(RefusedError) as caught:
            made(mongodb, sql, a=table("a", "a", rows_known), b=table("b", "b", rows_known))
        assert caught.value.kept.code == code
    if code == "no_index":
        assert made(mongodb, sql, a=table("a", "a", None, pushdown="forced"), b=table("b", "b", None, pushdown="forced"))


def test_a_joined_collection_is_named_in_errors(engine: Engine, mongodb: MongodbServer) -> None:
    with pytest.raises(DataError, match=r'"join_right": column "c" is text, the document with _id 11 .*int'):
        rows(engine, mongodb, "SELECT l.id, r.c FROM l JOIN r ON l.id + 4 = r.id", mismatch="error")
    with pytest.raises(RemoteObjectError, match="join_gone"):
        rows(engine, mongodb, "SELECT l.id FROM l JOIN gone ON l.k = gone.k")


def test_a_number_that_leaves_its_type_is_an_error(engine: Engine, mongodb: MongodbServer) -> None:
    assert rows(engine, mongodb, "SELECT id * 2000000000 AS x FROM l WHERE id = 7") == [(14_000_000_000,)]
    for wrong in ("k * 2000000000", "id * 9000000000000000000", "id + 9223372036854775807", "-(id + 9223372036854775806) - 3"):
        with pytest.raises(DataError, match="out of range") as caught:
            rows(engine, mongodb, f"SELECT {wrong} AS x FROM l WHERE k > 3")
        assert caught.value.code == "22003"
