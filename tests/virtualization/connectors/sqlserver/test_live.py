"""The suite of all connectors at a real SQL Server, where somebody has one: BDC_TEST_SQLSERVER_DSN (``sqlserver://host:port/database``),
BDC_TEST_SQLSERVER_USER and _PASSWORD; the user may make tables there. This project never ran it: it has no such server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.virtualization.connectors.conformance import BIG_ROWS, ROWS, ConnectorConformance, closing_all, table
from virtualization.catalog import Column, Credential, DataSource, VirtualTable
from virtualization.connectors.sqlserver import SqlserverConnector
from virtualization.connectors.sqlserver.options import settings
from virtualization.plan import Connector

PLACE = os.environ.get("BDC_TEST_SQLSERVER_DSN")
pytestmark = pytest.mark.service
if PLACE is None:
    pytest.skip("BDC_TEST_SQLSERVER_DSN names no SQL Server", allow_module_level=True)
DEFINITION = (
    "[id] bigint, [n] int, [amount] decimal(12,2), [ratio] float, [flag] bit, [name] nvarchar(100), [Day Of] date, [at] datetime2(6)"
)


@pytest.fixture(scope="module")
def source() -> DataSource:
    login = Credential(os.environ.get("BDC_TEST_SQLSERVER_USER"), os.environ.get("BDC_TEST_SQLSERVER_PASSWORD"))
    return DataSource("src", "sqlserver", PLACE or "", {"trust_server_certificate": "on"}, login)


@pytest.fixture(scope="module")
def connector(source: DataSource) -> Iterator[SqlserverConnector]:
    import pyodbc

    with pyodbc.connect(settings(source).with_login({}), autocommit=True) as made:
        for name in ("bdc_rows", "bdc_empty"):
            made.execute(f"DROP TABLE IF EXISTS dbo.{name}")
            made.execute(f"CREATE TABLE dbo.{name} ({DEFINITION})")
        made.execute("DROP TABLE IF EXISTS dbo.bdc_big")
        made.execute("CREATE TABLE dbo.bdc_big (id bigint)")
        made.execute(
            f"INSERT INTO dbo.bdc_big SELECT TOP {BIG_ROWS} ROW_NUMBER() OVER (ORDER BY (SELECT NULL)) - 1 "
            "FROM sys.all_columns a CROSS JOIN sys.all_columns b"
        )
        made.cursor().executemany("INSERT INTO dbo.bdc_rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)", ROWS)
    connector = SqlserverConnector(source)
    yield connector
    connector.close()


@pytest.fixture
def broken(source: DataSource) -> Iterator[list[Connector]]:
    with closing_all(SqlserverConnector(replace(source, credential=Credential("nobody", "planted-secret")))) as made:
        yield made


class TestConformance(ConnectorConformance):
    @pytest.fixture
    def tables(self) -> dict[str, VirtualTable]:
        return {
            "rows": table("dbo.bdc_rows"),
            "empty": table("dbo.bdc_empty"),
            "big": table("dbo.bdc_big", [Column("id", "bigint")]),
            "missing": table("dbo.missing"),
        }
