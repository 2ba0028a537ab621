"""The connector ``oracle`` does what every connector must do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.services.oracle import Oracle
from tests.services.postgresql import free_port
from tests.virtualization.connectors.conformance import COLUMNS, FILTERS, ROWS, ConnectorConformance, closing_all, ids, read, table
from virtualization.catalog import Credential, DataSource, VirtualTable
from virtualization.connectors.oracle import OracleConnector
from virtualization.errors import RemoteObjectError
from virtualization.plan import Connector
from virtualization.types import schema_of

pytestmark = pytest.mark.service
TYPES = ("NUMBER(19,0)", "NUMBER(10,0)", "NUMBER(12,2)", "BINARY_DOUBLE", "NUMBER(1,0)", "VARCHAR2(100)", "DATE", "TIMESTAMP(6)")


def stored(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


@pytest.fixture(scope="module")
def connector(oracle: Oracle) -> Iterator[OracleConnector]:
    columns = [(column.name, of) for column, of in zip(COLUMNS, TYPES, strict=True)]
    oracle.database.create("c rows", columns, [tuple(map(stored, row)) for row in ROWS])
    oracle.database.create("C_EMPTY", columns, [])
    oracle.database.create("BIG", [("id", "NUMBER(9,0)")], [(number,) for number in range(TestConformance.big_rows)])
    made = OracleConnector(oracle.source(fetch_rows="150"))
    yield made
    made.close()


@pytest.fixture
def broken(oracle: Oracle) -> Iterator[list[Connector]]:
    login = Credential("nobody", "planted-secret")
    nowhere = DataSource("src", "oracle", f"oracle://127.0.0.1:{free_port()}/standin", {}, login)
    with closing_all(OracleConnector(nowhere), OracleConnector(DataSource("src", "oracle", oracle.source().location, {}, login))) as made:
        yield made


class TestConformance(ConnectorConformance):
    """Gaps: see the tests that are written anew."""

    big_rows = 1000

    @pytest.fixture
    def tables(self) -> dict[str, VirtualTable]:
        return {
            "rows": table('SHOP."c rows"'),
            "empty": table("shop.c_empty"),
            "big": table("SHOP.BIG", [COLUMNS[0]]),
            "missing": table("SHOP.missing"),
        }

    def test_all_columns_with_edge_values(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        """Never: Oracle has no empty text, so the source itself holds NULL."""
        rows = read(connector.scan(tables["rows"], [c.name for c in COLUMNS], []).fragment)
        assert rows.schema.types == schema_of(COLUMNS).types
        held = [tuple(None if value == "" else value for value in row) for row in ROWS]
        assert sorted((tuple(row.values()) for row in rows.to_pylist()), key=lambda row: row[0]) == held

    @pytest.mark.parametrize(("predicate", "expected"), FILTERS, ids=[text for text, _ in FILTERS])
    def test_filter(self, connector: Connector, tables: dict[str, VirtualTable], predicate: str, expected: list[int]) -> None:
        """As everywhere, with the row whose name is empty as one that has none."""
        without = {"\"name\" < 'a'": [2], '"n" = 10 OR "name" IS NULL': [1, 3, 4]}
        super().test_filter(connector, tables, predicate, without.get(predicate, expected))

    def test_missing_object(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        """As everywhere; the name is folded to upper case."""
        with pytest.raises(RemoteObjectError, match="MISSING") as caught:
            read(connector.scan(tables["missing"], ["id"], []).fragment)
        assert "src" in str(caught.value)

    def test_detect(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        """As everywhere; NUMBER(1) is a number, and DATE has a time."""
        detected = connector.detect(tables["rows"].location, {})
        assert [column.name for column in detected.columns] == [column.name for column in COLUMNS]
        types = [column.type for column in detected.columns]
        numbers = ["numeric(19,0)", "bigint", "numeric(12,2)", "double precision", "smallint"]
        assert types == [*numbers, "text", "timestamp without time zone", "timestamp without time zone"]
        found = VirtualTable("public", "t", "src", tables["rows"].location, detected.columns, detected.options)
        assert [int(one) for one in ids(connector.scan(found, ["id"], []).fragment)] == sorted(row[0] for row in ROWS)

    def test_detect_of_nothing(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        with pytest.raises(RemoteObjectError, match="MISSING"):
            connector.detect(tables["missing"].location, {})
