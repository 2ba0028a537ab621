"""A big collection in ranges of ``_id``: nothing twice, nothing left out, and no ranges where that can't be promised."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import parse_one

from tests.services.mongodb import MongodbServer
from tests.virtualization.connectors.conformance import read
from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.mongodb import MongodbConnector
from virtualization.connectors.mongodb.parallel import ranges
from virtualization.errors import CancelledError, DataError
from virtualization.plan import Fragment, QueryContext

KEY = VirtualTable("public", "t", "src", "", (Column("v", "bigint"),))
_SIGNS = {"$lt": lambda value, bound: value < bound, "$gte": lambda value, bound: value >= bound}


@given(st.lists(st.integers(-9, 9) | st.floats(-9, 9), min_size=1, max_size=40), st.integers(2, 9), st.integers(-20, 20))
def test_every_number_is_in_one_range(sampled: list[Any], count: int, value: int) -> None:
    found = ranges(sampled, count)
    holding = [one for one in found if all(_SIGNS[sign](value, bound) for sign, bound in one["_id"].items())]
    assert len(holding) == (1 if found else 0) and len(found) <= count


@pytest.fixture(scope="module")
def connector(mongodb: MongodbServer) -> Iterator[MongodbConnector]:
    made = MongodbConnector(mongodb.source(scan_documents="50", scan_connections="3", fetch_documents="20"))
    yield made
    made.close()


def filled(mongodb: MongodbServer, name: str, ids: list[Any]) -> VirtualTable:
    mongodb.client[mongodb.database][name].insert_many([{"_id": one, "v": number} for number, one in enumerate(ids)])
    return VirtualTable("public", "t", "src", name, KEY.columns)


def asked(mongodb: MongodbServer, fragment: Fragment) -> tuple[list[int], int]:
    """The rows, and how many ranges arrived at the server."""
    database = mongodb.client[mongodb.database]
    database.command("profile", 0)
    database["system.profile"].drop()
    database.command("profile", 2)
    try:
        rows = sorted(read(fragment)["v"].to_pylist())
    finally:
        database.command("profile", 0)
    pipelines = [one["command"]["pipeline"] for one in database["system.profile"].find({"command.aggregate": {"$exists": True}})]
    return rows, sum(1 for stages in pipelines if "_id" in stages[0].get("$match", {}))


@pytest.mark.service
@pytest.mark.parametrize(
    ("name", "ids", "in_ranges"),
    [
        ("objectids", [ObjectId(f"{n * 7919 % 300:024x}") for n in range(300)], True),
        ("numbers", [n if n % 3 else Decimal128(f"{n}.5") if n % 2 else n + 0.25 for n in range(300)], True),
        ("texts", [f"ä{n}" if n % 2 else f"z{n}" for n in range(300)], True),
        ("moments", [datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=n) for n in range(300)], True),
        ("mixed_ids", [n if n % 2 else str(n) for n in range(300)], False),
        ("not_a_number", [float("nan"), *range(299)], False),
        ("few", list(range(90)), False),
    ],
)
def test_reading_in_ranges(mongodb: MongodbServer, connector: MongodbConnector, name: str, ids: list[Any], in_ranges: bool) -> None:
    table = filled(mongodb, name, ids)
    rows, count = asked(mongodb, connector.scan(table, ["v"], []).fragment)
    assert rows == list(range(len(ids)))
    assert (count > 1) == in_ranges


@pytest.mark.service
def test_filters_by_stored_values_are_one_range(mongodb: MongodbServer, connector: MongodbConnector) -> None:
    table = filled(mongodb, "filtered", list(range(300)))
    rows, count = asked(mongodb, connector.scan(table, ["v"], [parse_one("v < 20")]).fragment)  # type: ignore[list-item]
    assert rows == list(range(20)) and count == 0


@pytest.mark.service
def test_leaving_cancelling_and_failing(mongodb: MongodbServer, connector: MongodbConnector) -> None:
    table = filled(mongodb, "left", list(range(300)))
    fragment = connector.scan(table, ["v"], []).fragment
    assert "ranges of _id" in str(fragment.ranges())  # type: ignore[attr-defined]
    left = fragment.open(QueryContext())
    next(iter(left))
    left.close()
    left.close()
    context = QueryContext()
    batches = fragment.open(context)
    iterator = iter(batches)
    next(iterator)
    context.cancel()
    with pytest.raises(CancelledError):
        list(iterator)
    mongodb.client[mongodb.database].left.update_one({"_id": 290}, {"$set": {"v": "x"}})
    with pytest.raises(DataError, match="_id 290"):
        read(fragment)
