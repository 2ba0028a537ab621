"""Many keys are shared among connections: each row comes once, of one moment, and few keys cost one connection."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.connectors.conformance import read, table
from virtualization.catalog import Column, Credential, DataSource, MemoryCatalog
from virtualization.connectors.postgresql import PostgresqlConnector, key_ranges
from virtualization.connectors.postgresql.fragments import StatementFragment
from virtualization.engine import Engine
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.plan import QueryContext, TakesKeys

pytestmark = pytest.mark.service
DATABASE = "key_ranges_tests"
ROWS = 40_000
COLUMNS = [Column("id", "bigint"), Column("small", "integer"), Column("exact", "numeric(12,0)"), Column("pad", "text")]
BIG = table("public.big", COLUMNS, "big")


@pytest.fixture(scope="module")
def remote(postgresql: PostgresqlServer) -> Iterator[PostgresqlServer]:
    with postgresql.database(DATABASE) as made:
        made.execute(
            "CREATE TABLE big AS SELECT g::bigint AS id, g AS small, g::numeric(12,0) AS exact, repeat('x', 120) || g AS pad"
            f" FROM generate_series(1, {ROWS}) g"
        )
        for column in ("id", "small", "exact", "pad"):
            made.execute(f"CREATE INDEX ON big ({column})".encode())
        made.execute("VACUUM ANALYZE")
        yield postgresql


@pytest.fixture(autouse=True)
def few_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ranges, "FEWEST_KEYS", 20)


def connected(server: PostgresqlServer, **options: str) -> PostgresqlConnector:
    login = Credential("postgres", server.password)
    given = {"scan_pages": "100", "scan_connections": "3", **options}
    return PostgresqlConnector(DataSource("src", "postgresql", f"postgresql://127.0.0.1:{server.port}/{DATABASE}", given, login))


@pytest.fixture
def connector(remote: PostgresqlServer) -> Iterator[PostgresqlConnector]:
    made = connected(remote)
    yield made
    made.close()


def narrowed(connector: PostgresqlConnector, column: str, keys: Any) -> StatementFragment:
    fragment = connector.scan(BIG, ["id", column] if column != "id" else ["id"], []).fragment
    assert isinstance(fragment, TakesKeys)
    made = fragment.with_keys(column, keys)
    assert isinstance(made, StatementFragment)
    return made


def ids(fragment: StatementFragment, trace: str = "") -> list[int]:
    rows: Any = read(fragment, QueryContext(trace=trace))
    return sorted(rows["id"].to_pylist())


def asked(server: PostgresqlServer, trace: str) -> list[str]:
    """The lines of what arrived with keys and gave rows."""
    return [line for line in server.log.splitlines() if f"[bdc {trace}] LOG:" in line and "= ANY" in line and "COPY" in line]


@pytest.mark.parametrize(("column", "count"), [("id", 3), ("small", 3), ("exact", 3), ("pad", 1)])
def test_whole_numbers_are_shared(connector: PostgresqlConnector, remote: PostgresqlServer, column: str, count: int) -> None:
    numbers = [*range(700, 100, -7), -1, ROWS + 1, 2**31 - 1]
    keys = pa.array(["x" * 120 + str(number) for number in numbers]) if column == "pad" else pa.array(numbers, pa.int64())
    trace = f"shares-{column}"
    assert ids(narrowed(connector, column, keys), trace) == list(range(105, 701, 7))
    told = asked(remote, trace)
    assert len(told) == count
    assert all(len(line) < 2000 for line in told) or count == 1


def test_few_keys_cost_one_connection(connector: PostgresqlConnector, remote: PostgresqlServer) -> None:
    fragment = narrowed(connector, "id", pa.array(range(1, 40)))
    assert ids(fragment, "shares-few") == list(range(1, 40))
    assert fragment.keyed is None and len(asked(remote, "shares-few")) == 1


@pytest.mark.parametrize("options", [{"scan_connections": "1"}, {"max_connections": "1"}, {"scan_pages": "100000"}])
def test_where_there_is_one_connection_all_go_along(remote: PostgresqlServer, options: dict[str, str]) -> None:
    own = connected(remote, **options)
    fragment = narrowed(own, "id", pa.array(range(1, 500)))
    assert fragment.keyed is None
    assert ids(fragment) == list(range(1, 500))
    own.close()


def test_keys_of_two_columns(connector: PostgresqlConnector) -> None:
    first = narrowed(connector, "small", pa.array(range(0, 600, 2)))
    both = first.with_keys("id", pa.array(range(0, 600, 3)))
    assert both.keyed is not None and both.keyed.again
    assert ids(both) == list(range(6, 600, 6))


def test_the_answer_and_explain_of_a_query(remote: PostgresqlServer) -> None:
    made = connected(remote)
    few = connected(remote)
    sources = [DataSource("src", "postgresql", ""), DataSource("other", "postgresql", "")]
    keys = replace(table("public.big", COLUMNS, "keys"), source="other", rows=float(ROWS))
    big = replace(BIG, rows=float(ROWS))
    engine = Engine([DuckDbExecutor(1 << 28, "", 2)], {"postgresql": lambda source: made if source.name == "src" else few})
    catalog = MemoryCatalog.of(sources, [big, keys])
    sql = "SELECT b.id FROM big b JOIN keys k ON b.id = k.id WHERE k.small BETWEEN 100 AND 250"
    found = [row for batch in engine.run(engine.plan(sql, catalog)) for row in batch.column(0).to_pylist()]
    assert set(found) == set(range(100, 251)) and len(found) == 151
    text = engine.explain(sql, catalog, analyze=True).text()
    assert "(then each of them looks for its share of the keys)" in text
    engine.close()
