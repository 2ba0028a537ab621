"""The library as its users have it: the real connector ``postgresql``, DuckDB, and a scratch PostgreSQL, against plain PostgreSQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pyarrow as pa
import pytest

import virtualization
from tests.services.postgresql import PostgresqlServer
from tests.virtualization.conftest import TABLES
from tests.virtualization.postgresql_stand_ins import Rows, fetch_text
from tests.virtualization.test_same_answers import queries
from virtualization.catalog import Column, Credential, DataSource, MemoryCatalog, VirtualTable
from virtualization.errors import UnsupportedError

pytestmark = pytest.mark.service
# Refused by both executors, with the reason: the scratch server's user is not the caller.
REFUSED = {"SELECT count(*) FROM orders WHERE current_user IS NOT NULL"}


@pytest.fixture(scope="module")
def sources(postgresql: PostgresqlServer) -> Iterator[tuple[psycopg.Connection, MemoryCatalog, str]]:
    with postgresql.connect() as server:
        for name in ("e2e_shop", "e2e_web", "e2e_scratch"):
            server.execute(f"CREATE DATABASE {name}")
    for name in ("e2e_shop", "e2e_web"):
        with postgresql.connect(name) as connection:
            fill(connection)
    login = Credential(postgresql.user, postgresql.password)
    found = [DataSource(name, "postgresql", f"postgresql://127.0.0.1:{postgresql.port}/e2e_{name}", {}, login) for name in ("shop", "web")]
    tables = [
        VirtualTable("public", name, source, f"public.{name}", tuple(Column(c, t) for c, t in columns.items()))
        for name, (source, columns, _) in TABLES.items()
    ]
    with postgresql.connect("e2e_shop") as connection:
        yield connection, MemoryCatalog.of(found, tables), postgresql.dsn("e2e_scratch")
    virtualization.default_engine(postgresql.dsn("e2e_scratch")).close()


def fill(connection: psycopg.Connection) -> None:
    for name, (_, columns, rows) in TABLES.items():
        connection.execute(f"CREATE TABLE {name} ({', '.join(f'{chr(34)}{c}{chr(34)} {t}' for c, t in columns.items())})")
        with connection.cursor() as cursor:
            if rows:
                cursor.executemany(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * len(columns))})", rows)


def comparable(rows: Rows) -> Counter[tuple[object, ...]]:
    return Counter(tuple(_value(value) for value in row) for row in rows)


def _value(value: object) -> object:
    if isinstance(value, bool):
        return "t" if value else "f"
    try:
        return None if value is None else Decimal(str(value)).normalize()
    except ArithmeticError:
        return str(value)


def rows_of(table: pa.Table) -> Rows:
    return list(zip(*[column.to_pylist() for column in table.columns], strict=True))


def test_every_query_answers_as_postgresql(sources: tuple[psycopg.Connection, MemoryCatalog, str]) -> None:
    connection, catalog, dsn = sources
    executors: Counter[str | None] = Counter()
    wrong = []
    for sql in queries():
        if sql in REFUSED:
            continue
        actual = virtualization.query(sql, catalog, scratch_dsn=dsn)
        executors[virtualization.explain(sql, catalog, scratch_dsn=dsn).executor] += 1
        if comparable(rows_of(actual)) != comparable(fetch_text(connection, sql)):
            wrong.append(sql)
    assert wrong == []
    assert min(executors[None], executors["duckdb"], executors["scratch"]) > 5  # each way was taken


def test_refused_with_a_reason(sources: tuple[psycopg.Connection, MemoryCatalog, str]) -> None:
    _, catalog, dsn = sources
    for sql in REFUSED:
        with pytest.raises(UnsupportedError, match="no executor takes"):
            virtualization.query(sql, catalog, scratch_dsn=dsn)


def test_what_arrives_at_the_source(sources: tuple[psycopg.Connection, MemoryCatalog, str], postgresql: PostgresqlServer) -> None:
    _, catalog, dsn = sources
    sql = "SELECT c.region, sum(o.amt) FROM orders o JOIN customer c ON c.id = o.cust WHERE o.amt > 1.2345 GROUP BY c.region"
    plan = virtualization.explain(sql, catalog, scratch_dsn=dsn, analyze=True)
    assert plan.residual is None
    assert plan.rows == 1
    assert "1.2345" in plan.fragments[0].text
    assert "GROUP BY" in plan.fragments[0].text
    assert any("GROUP BY" in line and "1.2345" in line for line in postgresql.log.splitlines())
