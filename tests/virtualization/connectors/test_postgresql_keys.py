"""Keys of another source in the statement that the source gets: by its indexes, also twice, also where decimals are cast to text."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
import pytest

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.connectors.conformance import read, table
from virtualization.catalog import Column, Credential, DataSource
from virtualization.connectors.postgresql import PostgresqlConnector
from virtualization.connectors.postgresql.fragments import StatementFragment

pytestmark = pytest.mark.service
DATABASE = "keys_tests"
COLUMNS = {"id": "bigint", "code": "numeric(12,2)", "word": "text", "amount": "numeric(9,3)"}


@pytest.fixture(scope="module")
def connector(postgresql: PostgresqlServer) -> Iterator[PostgresqlConnector]:
    with postgresql.database(DATABASE) as made:
        made.execute(
            "CREATE TABLE t AS SELECT g::bigint AS id, (g + 0.25)::numeric(12,2) AS code, 'w' || g AS word, "
            "(g / 8.0)::numeric(9,3) AS amount FROM generate_series(1, 20000) AS g"
        )
        made.execute("CREATE UNIQUE INDEX ON t (id)")
        made.execute("CREATE UNIQUE INDEX ON t (code)")
        made.execute("VACUUM ANALYZE")
        login = Credential("postgres", postgresql.password)
        opened = PostgresqlConnector(DataSource("src", "postgresql", f"postgresql://127.0.0.1:{postgresql.port}/{DATABASE}", {}, login))
        yield opened
        opened.close()


def fragment(connector: PostgresqlConnector, *names: str) -> StatementFragment:
    of = table("public.t", [Column(name, COLUMNS[name]) for name in names], "t")
    made = connector.scan(of, names, []).fragment
    assert isinstance(made, StatementFragment)
    return made


def rows(asked: StatementFragment) -> list[tuple[object, ...]]:
    return sorted(tuple(row.values()) for row in read(asked).to_pylist())


@pytest.mark.parametrize("names", [("id", "word"), ("id", "amount")])
def test_the_source_looks_keys_up_in_its_index(connector: PostgresqlConnector, names: tuple[str, ...]) -> None:
    asked = fragment(connector, *names).with_keys("id", pa.array([8, 16, 99_999]))
    values = {"word": ["w8", "w16"], "amount": [Decimal("1.000"), Decimal("2.000")]}[names[1]]
    assert rows(asked) == list(zip([8, 16], values, strict=True))
    assert "Index" in asked.client.plan_of(asked.text, "t")


def test_keys_that_are_decimals_use_the_index_too(connector: PostgresqlConnector) -> None:
    asked = fragment(connector, "code", "id").with_keys("code", pa.array([Decimal("7.25"), Decimal("9.50")]))
    assert rows(asked) == [(Decimal("7.25"), 7)]
    assert "Index" in asked.client.plan_of(asked.text, "t")


@pytest.mark.parametrize("names", [("id", "word"), ("id", "word", "amount")])
def test_keys_of_two_others(connector: PostgresqlConnector, names: tuple[str, ...]) -> None:
    asked = fragment(connector, *names).with_keys("id", pa.array([1, 2, 3])).with_keys("word", pa.array(["w3", "w4", "it's"]))
    assert [row[:2] for row in rows(asked)] == [(3, "w3")]
