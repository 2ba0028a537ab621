"""The connector ``odbc`` over SQLite does what every connector must do."""

from __future__ import annotations

import pathlib
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlglot import parse_one

from tests.virtualization.connectors.conformance import BIG_ROWS, ROWS, ConnectorConformance, closing_all, ids, table
from virtualization.catalog import Column, Credential, DataSource, VirtualTable
from virtualization.connectors.odbc import OdbcConnector
from virtualization.plan import Connector

pytestmark = pytest.mark.service

DEFINITION = '"id" INTEGER, "n" INTEGER, "amount" NUMERIC(12,2), "ratio" DOUBLE, "flag" BOOLEAN, "name" TEXT, "Day Of" DATE, "at" TIMESTAMP'


def stored(value: Any) -> Any:
    """As SQLite has it: decimals as doubles, dates and timestamps as texts."""
    if isinstance(value, Decimal):
        return float(value)
    return str(value) if hasattr(value, "isoformat") else value


def source(path: pathlib.Path, **options: str) -> DataSource:
    return DataSource("src", "odbc", f"odbc:Driver=SQLite3;Database={path}", options)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("sqlite") / "shop.db"
    with sqlite3.connect(path) as made:
        made.execute(f"CREATE TABLE rows_ ({DEFINITION})")
        made.executemany("INSERT INTO rows_ VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [tuple(map(stored, row)) for row in ROWS])
        made.execute(f"CREATE TABLE empty ({DEFINITION})")
        made.execute("CREATE TABLE big (id INTEGER)")
        made.execute(
            f"INSERT INTO big WITH RECURSIVE g(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM g WHERE i < {BIG_ROWS - 1}) SELECT i FROM g"
        )
    made.close()
    return path


@pytest.fixture(scope="module")
def connector(database: pathlib.Path) -> Iterator[OdbcConnector]:
    made = OdbcConnector(source(database))
    yield made
    made.close()


@pytest.fixture
def broken(tmp_path: pathlib.Path) -> Iterator[list[Connector]]:
    login = Credential("nobody", "planted-secret")
    wrong_file = DataSource("src", "odbc", f"odbc:Driver=SQLite3;Database={tmp_path}/missing.db", {}, login)
    wrong_driver = DataSource("src", "odbc", "odbc:Driver=Nope;Server=127.0.0.1", {}, login)
    with closing_all(OdbcConnector(wrong_file), OdbcConnector(wrong_driver)) as made:
        yield made


class TestConformance(ConnectorConformance):
    """Gaps: see the tests that are written anew."""

    @pytest.fixture
    def tables(self) -> dict[str, VirtualTable]:
        return {
            "rows": table("rows_"),
            "empty": table("empty"),
            "big": table("big", [Column("id", "bigint")]),
            "missing": table("missing"),
        }

    def test_takes_plain_comparisons(self, connector: Connector, tables: dict[str, VirtualTable]) -> None:
        """Never: SQLite has no decimals, so those are compared here."""
        predicates = [parse_one(text, dialect="postgres") for text in ('"id" = 1', '"amount" > 0', "\"name\" = 'alpha'", '"n" IS NOT NULL')]
        scanned = connector.scan(tables["rows"], ["id"], predicates)
        assert scanned.left == (predicates[1],)
        assert [kept.code for kept in scanned.kept] == ["type"]
        assert ids(scanned.fragment) == [1]
