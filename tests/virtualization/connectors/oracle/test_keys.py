"""Keys of another source go along in what Oracle is asked (semi-join reduction), and change no answer."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from tests.services.oracle import Oracle
from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.oracle import OracleConnector
from virtualization.plan import QueryContext, TakesKeys

pytestmark = pytest.mark.service
COLUMNS = (
    ("ID", "NUMBER(9,0)"), ("NAME", "VARCHAR2(10)"), ("AT", "DATE"), ("PRICE", "NUMBER(8,2)"), ("PLAIN", "NUMBER"), ("CODE", "CHAR(3)"),
)  # fmt: skip
START = datetime.datetime(2024, 1, 1)
ROWS = [(n, f"n{n}", START + datetime.timedelta(hours=12 * n), Decimal(n * 25).scaleb(-2), Decimal(n), "a") for n in range(50)]


@pytest.fixture(scope="module")
def made(oracle: Oracle) -> Iterator[tuple[OracleConnector, VirtualTable]]:
    oracle.database.create("KEYED", COLUMNS, [*ROWS, (None,) * len(COLUMNS)])
    connector = OracleConnector(oracle.source())
    columns = (*connector.detect("SHOP.KEYED", {}).columns, Column("day", "date", True, "AT"))
    yield connector, VirtualTable("public", "keyed", "src", "SHOP.KEYED", columns)
    connector.close()


@pytest.mark.parametrize(
    ("column", "keys", "expected"),
    [
        ("id", pa.array([3, 7, 999], pa.int64()), [3, 7]),
        ("id", pa.array([], pa.int32()), []),
        ("id", pa.array(range(0, 5000, 10), pa.int64()), [0, 10, 20, 30, 40]),
        ("id", pa.array([*range(1500, 4000), 8], pa.int64()), [8]),
        ("name", pa.array(["n1", "", "n2 ", "it's"]), [1]),
        ("at", pa.array([START, START + datetime.timedelta(hours=12)], pa.timestamp("us")), [0, 1]),
        ("day", pa.array([START.date()], pa.date32()), [0, 1]),
        ("price", pa.array([Decimal("0.50"), Decimal("0.25")], pa.decimal128(9, 2)), [1, 2]),
    ],
)
def test_only_those_rows(made: tuple[OracleConnector, VirtualTable], column: str, keys: pa.Array[Any], expected: list[int]) -> None:
    connector, table = made
    fragment = connector.scan(table, list(dict.fromkeys(["id", column])), []).fragment
    assert isinstance(fragment, TakesKeys)
    asked = fragment.with_keys(column, keys)
    assert asked.text != fragment.text
    found: list[Any] = [row for batch in asked.open(QueryContext()) for row in batch["id"].to_pylist()]
    assert sorted(found) == expected


@pytest.mark.parametrize(("column", "keys"), [("plain", pa.array([1])), ("code", pa.array(["a"])), ("at", pa.array([2**62], pa.int64()))])
def test_what_is_not_told(made: tuple[OracleConnector, VirtualTable], column: str, keys: pa.Array[Any]) -> None:
    connector, table = made
    fragment = connector.scan(table, list(dict.fromkeys(["id", column])), []).fragment
    assert isinstance(fragment, TakesKeys)
    assert fragment.with_keys(column, keys) is fragment
