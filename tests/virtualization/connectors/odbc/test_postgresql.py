"""The connector ``odbc`` over PostgreSQL's driver does what every connector must do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.postgresql import PostgresqlServer, free_port
from tests.virtualization.connectors.conformance import BIG_ROWS, ROWS, ConnectorConformance, closing_all, table
from virtualization.catalog import Column, Credential, DataSource, VirtualTable
from virtualization.connectors.odbc import OdbcConnector
from virtualization.plan import Connector

pytestmark = pytest.mark.service

DEFINITION = '"id" bigint, "n" int, "amount" numeric(12,2), "ratio" float8, "flag" boolean, "name" text, "Day Of" date, "at" timestamp'


def source(server: PostgresqlServer, database: str, **options: str) -> DataSource:
    place = f"odbc:Driver=PostgreSQL Unicode;Server=127.0.0.1;Port={server.port};Database={database}"
    return DataSource("src", "odbc", place, options, Credential(server.user, server.password))


@pytest.fixture(scope="module")
def connector(postgresql: PostgresqlServer) -> Iterator[OdbcConnector]:
    with postgresql.connect() as server:
        server.execute("CREATE DATABASE odbc_conformance")
    with postgresql.connect("odbc_conformance") as made:
        made.execute(f"CREATE TABLE rows ({DEFINITION})")
        made.cursor().executemany("INSERT INTO rows VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", ROWS)
        made.execute(f"CREATE TABLE empty ({DEFINITION})")
        made.execute(f"CREATE TABLE big AS SELECT g::bigint AS id FROM generate_series(0, {BIG_ROWS - 1}) g")
    connector = OdbcConnector(source(postgresql, "odbc_conformance"))
    yield connector
    connector.close()


@pytest.fixture
def broken(postgresql: PostgresqlServer) -> Iterator[list[Connector]]:
    login = Credential("nobody", "planted-secret")
    nowhere = DataSource("src", "odbc", f"odbc:Driver=PostgreSQL Unicode;Server=127.0.0.1;Port={free_port()};Database=x", {}, login)
    with closing_all(OdbcConnector(nowhere), OdbcConnector(DataSource("src", "odbc", source(postgresql, "x").location, {}, login))) as made:
        yield made


class TestConformance(ConnectorConformance):
    @pytest.fixture
    def tables(self) -> dict[str, VirtualTable]:
        return {
            "rows": table("public.rows"),
            "empty": table("public.empty"),
            "big": table("public.big", [Column("id", "bigint")]),
            "missing": table("public.missing"),
        }
