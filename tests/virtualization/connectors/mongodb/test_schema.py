"""Columns from documents with what they are founded on, from JSON Schemas, drift, and values that don't fit as a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from bson import Decimal128
from sqlglot import parse_one

from tests.services.mongodb import MongodbServer
from tests.virtualization.connectors.conformance import read
from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.mongodb import MongodbConnector
from virtualization.connectors.mongodb.json_schema import types_of
from virtualization.errors import DefinitionError
from virtualization.plan import Detected

pytestmark = pytest.mark.service

SCHEMA: dict[str, Any] = {
    "bsonType": "object",
    "properties": {
        "n": {"bsonType": ["int", "long", "null"]},
        "name": {"type": "string", "maxLength": 20},
        "addr": {"bsonType": "object", "properties": {"city": {"bsonType": "string"}, "geo": {"bsonType": "object"}}},
        "price": {"anyOf": [{"bsonType": "decimal"}, {"bsonType": "int"}]},
        "odd": {"bsonType": ["string", "date"]},
        "items": {
            "bsonType": "array",
            "items": {"properties": {"sku": {"type": "string"}, "lots": {"type": "array", "items": {"bsonType": "int"}}}},
        },
    },
}


@pytest.fixture(scope="module")
def connector(mongodb: MongodbServer) -> Iterator[MongodbConnector]:
    made = MongodbConnector(mongodb.source())
    yield made
    made.close()


def declared(found: Detected) -> dict[str, str]:
    return {column.remote_name: column.type for column in found.columns}


def test_detection_tells_what_it_is_founded_on(mongodb: MongodbServer, connector: MongodbConnector) -> None:
    mongodb.client[mongodb.database].shares.insert_many(
        [{"_id": n, "a": {"b": n if n else 1.5}, **({"c": "x"} if n < 3 else {}), "t": [1, 2]} for n in range(4)]
    )
    found = connector.detect("shares", {})
    assert found.seen == {"_id": "int 100 % of 4", "a_b": "int 75 %, double 25 % of 4", "c": "string 75 %, missing 25 % of 4"}
    of_elements = connector.detect("shares[t]", {})
    assert of_elements.seen == {"_id": "int 100 % of 8", "t": "int 100 % of 8"}


def test_drift_is_seen_when_detection_is_repeated(mongodb: MongodbServer, connector: MongodbConnector) -> None:
    drifting = mongodb.client[mongodb.database].drifting
    drifting.insert_many([{"_id": n, "a": n, "gone": 1} for n in range(3)])
    before = declared(connector.detect("drifting", {}))
    drifting.update_many({}, {"$unset": {"gone": 1}, "$set": {"new": "x"}})
    drifting.update_one({"_id": 1}, {"$set": {"a": Decimal128("1.5")}})
    after = declared(connector.detect("drifting", {}))
    assert (before, after) == ({"_id": "bigint", "a": "bigint", "gone": "bigint"}, {"_id": "bigint", "a": "numeric", "new": "text"})


def test_indexes_are_noted(mongodb: MongodbServer, connector: MongodbConnector) -> None:
    indexed = mongodb.client[mongodb.database].indexed
    indexed.insert_one({"_id": 1, "a": 1, "b": {"c": 2}, "d": 3})
    indexed.create_index("a", sparse=True)
    indexed.create_index([("b.c", -1), ("a", 1)])
    indexed.create_index("d", partialFilterExpression={"d": {"$gt": 2}})
    assert connector.detect("indexed", {}).options == {"indexes": "b.c"}
    indexed.drop_indexes()
    assert connector.detect("indexed", {"indexes": "b.c"}).options == {"indexes": ""}


@pytest.mark.parametrize("option", ["validator", json.dumps(SCHEMA), json.dumps({"$jsonSchema": SCHEMA})])
def test_columns_from_a_json_schema(mongodb: MongodbServer, connector: MongodbConnector, option: str) -> None:
    database = mongodb.client[mongodb.database]
    if "told" not in database.list_collection_names():
        database.create_collection("told", validator={"$jsonSchema": SCHEMA})
    found = connector.detect("told", {"json_schema": option})
    assert declared(found) == {
        "_id": "text", "n": "bigint", "name": "text", "addr.city": "text", "addr.geo": "jsonb", "price": "numeric", "odd": "text",
    }  # fmt: skip
    assert found.options["mismatch"] == "text" and not found.seen
    items = connector.detect("told[items]", {"json_schema": option})
    assert declared(items) == {"_id": "text", "items.sku": "text", "items#": "bigint"}
    lots = connector.detect("told[items][items.lots]", {"json_schema": option})
    assert declared(lots) == {"_id": "text", "items.lots": "bigint", "items#": "bigint", "items.lots#": "bigint"}


@pytest.mark.parametrize("option", ["", "[]", "{}", '{"properties": {"a": 5}}', '{"properties": {"a": {"type": "regex"}}}', "validator"])
def test_bad_json_schemas(mongodb: MongodbServer, connector: MongodbConnector, option: str) -> None:
    mongodb.client[mongodb.database].untold.insert_one({"a": 1})
    with pytest.raises(DefinitionError, match=r"schema|Schema"):
        connector.detect("untold", {"json_schema": option})


def test_types_of_a_deep_schema_end() -> None:
    deep: dict[str, Any] = {"type": "object", "properties": {"end": {"type": "integer"}}}
    for _ in range(60):
        deep = {"type": "object", "properties": {"d": deep}}
    assert len(list(types_of(deep))) == 20


def test_what_does_not_fit_is_a_table(mongodb: MongodbServer, connector: MongodbConnector) -> None:
    mongodb.client[mongodb.database].misfits.insert_many([
        {"_id": 1, "n": 5, "a": {"d": "x"}}, {"_id": "k", "n": "five", "a": {"d": [1]}}, {"_id": 3}, {"_id": 4, "n": 5.5, "a": {"d": None}},
    ])  # fmt: skip
    columns = [
        {"name": "n", "type": "integer", "seen": "int"},
        {"name": "d", "type": "text", "remote": "a.d"},
        {"name": "j", "type": "jsonb"},
    ]
    found = connector.detect("misfits", {"rejected_of": json.dumps(columns)})
    assert [column.name for column in found.columns] == ["_id", "column", "declared", "found", "value"]
    table = VirtualTable("public", "t", "src", "misfits", found.columns, found.options)
    scanned = connector.scan(table, ["_id", "column", "found", "value"], [parse_one("\"column\" = 'n'")])  # type: ignore[list-item]
    assert [kept.code for kept in scanned.kept] == ["not_on_list"] and len(scanned.left) == 1
    rows = sorted(tuple(row.values()) for row in read(scanned.fragment).to_pylist())
    assert rows == [("4", "n", "double", "5.5"), ("k", "d", "array", "[1]"), ("k", "n", "string", "five")]
    other = VirtualTable("public", "t", "src", "misfits", (Column("n", "integer"), Column("d", "text", True, "a.d")), {"mismatch": "null"})
    nulls = read(connector.scan(other, ["n", "d"], []).fragment)
    assert nulls["n"].null_count + nulls["d"].null_count == 3 + len(rows)
    for bad in ("5", "{}", "[]", "n int", '[{"name": "n"}]'):
        with pytest.raises(DefinitionError, match="rejected_of"):
            connector.detect("misfits", {"rejected_of": bad})
