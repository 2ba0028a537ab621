"""The connector ``mongodb`` does what every connector must do."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from bson import Decimal128, Int64

from tests.services.mongodb import MongodbServer
from tests.services.postgresql import free_port
from tests.virtualization.connectors.conformance import COLUMNS, ROWS, ConnectorConformance, closing_all, ids, read, table
from virtualization.catalog import Credential, DataSource, VirtualTable
from virtualization.connectors.mongodb import MongodbConnector
from virtualization.plan import Connector
from virtualization.types import schema_of

pytestmark = pytest.mark.service


def stored(value: Any) -> Any:
    """As a driver writes it: decimals and dates in BSON's types."""
    if isinstance(value, Decimal):
        return Decimal128(value)
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return datetime.datetime(value.year, value.month, value.day)
    return Int64(value) if type(value) is int and abs(value) >= 2**31 else value


@pytest.fixture(scope="module")
def connector(mongodb: MongodbServer) -> Iterator[MongodbConnector]:
    database = mongodb.client[mongodb.database]
    names = [column.name for column in COLUMNS]
    database["c rows"].insert_many([{name: stored(value) for name, value in zip(names, row, strict=True)} for row in ROWS])
    database.create_collection("c.empty")
    database.big.insert_many([{"_id": number} for number in range(TestConformance.big_rows)])
    made = MongodbConnector(mongodb.source(fetch_documents="150"))
    yield made
    made.close()


@pytest.fixture
def broken(mongodb: MongodbServer) -> Iterator[list[Connector]]:
    login = Credential("nobody", "planted-secret")
    nowhere = DataSource("src", "mongodb", f"mongodb://127.0.0.1:{free_port()}/db", {"connect_timeout": "0.5"}, login)
    stranger = DataSource("src", "mongodb", mongodb.source().location, {"connect_timeout": "60"}, login)
    with closing_all(MongodbConnector(nowhere), MongodbConnector(stranger)) as made:
        yield made


class TestConformance(ConnectorConformance):
    """Gaps: see the tests that are written anew."""

    big_rows = 1000

    @pytest.fixture
    def tables(self) -> dict[str, VirtualTable]:
        return {
            "rows": table("c rows"),
            "empty": table("c.empty"),
            "big": table("big", [COLUMNS[0].__class__("id", "bigint", True, "_id")]),
            "missing": table("missing"),
        }

    def test_all_columns_with_edge_values(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        """Never: dates of MongoDB have milliseconds, so the source itself cut the microseconds."""
        rows = read(connector.scan(tables["rows"], [c.name for c in COLUMNS], []).fragment)
        assert rows.schema.types == schema_of(COLUMNS).types
        cut = [(*row[:7], row[7] and row[7].replace(microsecond=row[7].microsecond // 1000 * 1000)) for row in ROWS]
        assert sorted((tuple(row.values()) for row in rows.to_pylist()), key=lambda row: row[0]) == cut

    def test_missing_remote_column(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        """Never: a collection has no columns. What no document has is NULL."""
        more = (*COLUMNS, COLUMNS[5].__class__("gone", "text"))
        changed = VirtualTable("public", "t", "src", tables["rows"].location, more)
        assert read(connector.scan(changed, ["gone"], []).fragment)["gone"].to_pylist() == [None] * len(ROWS)

    def test_detect(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        """Like every connector, and ``_id``."""
        detected = connector.detect(tables["rows"].location, {})
        assert [column.name for column in detected.columns] == ["_id", *(column.name for column in COLUMNS)]
        types = {column.name: column.type for column in detected.columns}
        assert (types["_id"], types["name"], types["amount"], types["flag"]) == ("text", "text", "numeric", "boolean")
        found = VirtualTable("public", "t", "src", tables["rows"].location, detected.columns, detected.options)
        assert ids(connector.scan(found, ["id"], []).fragment) == sorted(row[0] for row in ROWS)
