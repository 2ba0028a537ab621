"""The connector ``odbc`` over MariaDB does what every connector must do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.mariadb import MariadbServer
from tests.services.postgresql import free_port
from tests.virtualization.connectors.conformance import BIG_ROWS, ROWS, ConnectorConformance, closing_all, table
from virtualization.catalog import Column, Credential, DataSource, VirtualTable
from virtualization.connectors.odbc import OdbcConnector
from virtualization.plan import Connector

pytestmark = pytest.mark.service

DEFINITION = (
    "`id` bigint, `n` int, `amount` decimal(12,2), `ratio` double, `flag` bit(1), `name` text CHARACTER SET utf8mb4, `Day Of` date, "
    "`at` datetime(6)"
)


@pytest.fixture(scope="module")
def connector(mariadb: MariadbServer) -> Iterator[OdbcConnector]:
    mariadb.run(
        "CREATE DATABASE shop",
        f"CREATE TABLE shop.`rows` ({DEFINITION})",
        f"CREATE TABLE shop.empty ({DEFINITION})",
        "CREATE TABLE shop.big (id bigint)",
        f"INSERT INTO shop.big SELECT seq FROM shop.seq_0_to_{BIG_ROWS - 1}",
    )
    with mariadb.connect("shop") as made:
        texts = [tuple(str(value) if hasattr(value, "isoformat") else value for value in row) for row in ROWS]  # pyodbc cuts microseconds
        made.cursor().executemany("INSERT INTO `rows` VALUES (?, ?, ?, ?, ?, ?, ?, ?)", texts)
    connector = OdbcConnector(mariadb.source("shop"))
    yield connector
    connector.close()


@pytest.fixture
def broken(mariadb: MariadbServer) -> Iterator[list[Connector]]:
    login = Credential("nobody", "planted-secret")
    nowhere = DataSource("src", "odbc", f"odbc:Driver=MariaDB Unicode;Server=127.0.0.1;Port={free_port()};Database=shop", {}, login)
    with closing_all(OdbcConnector(nowhere), OdbcConnector(DataSource("src", "odbc", mariadb.source("shop").location, {}, login))) as made:
        yield made


class TestConformance(ConnectorConformance):
    @pytest.fixture
    def tables(self) -> dict[str, VirtualTable]:
        return {
            "rows": table("shop.rows"),
            "empty": table("empty"),
            "big": table("big", [Column("id", "bigint")]),
            "missing": table("missing"),
        }
