"""Pushdown never changes an answer: the verifier over MariaDB and SQLite tables full of traps, and what must be one statement there."""

from __future__ import annotations

import os
import random
import secrets
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.services.mariadb import MariadbServer
from tests.services.postgresql import PostgresqlServer
from virtualization.catalog import Column, DataSource, MemoryCatalog, VirtualTable
from virtualization.engine import Engine
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.executors.scratch import ScratchExecutor
from virtualization.verify.verifier import Bounds, verify

pytestmark = pytest.mark.service

TEXTS = (
    "", "a", "A", "a ", " a", "ab", "AB", "b", "ä", "Ä", "é", "e\u0301", "ß", "ss", "日本", "😀", "\uff21", "z%_", "\\", "'q\"", "a\\b",
    "!x", "10", "9", "NULL", None, "i", "I", "ı", "İ", "\ue000", "𝒳", "?", "{x}", ":a", "--", "a\nb",
)  # fmt: skip
DATES = (None, "2024-02-29", "0001-01-01", "9999-12-31", "1969-12-31", "2024-01-01")
TIMES = (None, "2024-02-29 12:30:00.000000", "1969-12-31 23:59:59.999999", "2024-01-01 00:00:00.000000", "2024-01-01 00:00:00.500000")
COLUMNS = (
    Column("id", "bigint"), Column("n", "integer"), Column("b", "bigint"), Column("amount", "numeric(12,2)"),
    Column("ratio", "double precision"), Column("flag", "boolean"), Column("name", "text"), Column("Code", "text"),
    Column("Day Of", "date"), Column("at", "timestamp without time zone"),
)  # fmt: skip
MARIADB = (
    "id bigint PRIMARY KEY, n int, b bigint, amount decimal(12,2), ratio double, flag tinyint, "
    "name varchar(40) COLLATE utf8mb4_general_ci, `Code` varchar(20), `Day Of` date, `at` datetime(6), KEY (name)"
)
SQLITE = (
    'id INTEGER PRIMARY KEY, n INTEGER, b BIGINT, amount NUMERIC(12,2), ratio DOUBLE, flag BOOLEAN, name TEXT COLLATE NOCASE, '
    '"Code" VARCHAR(20) COLLATE RTRIM, "Day Of" DATE, at TIMESTAMP'
)  # fmt: skip

WHOLE = (
    "SELECT id FROM {} WHERE n = 5",
    "SELECT id FROM {} WHERE n <> 5 AND b IS NOT NULL OR n IN (1, 7)",
    "SELECT id FROM {} WHERE NOT (n BETWEEN 0 AND 7)",
    "SELECT id FROM {} WHERE ratio > 0.1",
    "SELECT id FROM {} WHERE name = 'a'",
    "SELECT id FROM {} WHERE name <> 'a'",
    "SELECT id FROM {} WHERE name IN ('ä', '\\', 'a\\b', '''q\"', '?', '{{x}}')",
    "SELECT id FROM {} WHERE name > 'a' AND name <= 'ß'",
    "SELECT id FROM {} WHERE name LIKE 'a%'",
    "SELECT id FROM {} WHERE name LIKE '%\\%\\_' OR \"Code\" LIKE '_'",
    "SELECT id FROM {} WHERE \"Code\" = 'a '",
    "SELECT id FROM {} WHERE \"Day Of\" > DATE '1969-12-31'",
    "SELECT id FROM {} WHERE flag",
    "SELECT id FROM {} WHERE NOT flag OR flag IS NULL",
    "SELECT id, name FROM {} ORDER BY name, id",
    "SELECT id, name FROM {} ORDER BY name DESC NULLS LAST, id LIMIT 7 OFFSET 3",
    "SELECT id, n FROM {} ORDER BY n NULLS FIRST, id LIMIT 9",
    "SELECT id, n FROM {} ORDER BY n DESC, id OFFSET 5",
    "SELECT count(*), count(n), count(DISTINCT name), min(\"Day Of\"), max(b) FROM {}",
    "SELECT name, count(*) AS k FROM {} GROUP BY name HAVING count(*) > 1 ORDER BY k DESC, name",
    "SELECT DISTINCT \"Code\" FROM {}",
    "SELECT sum(n), min(name), max(name) FROM {}",
    "SELECT n, count(*) FROM {} WHERE id < 0 GROUP BY n",
    "SELECT sum(n), count(*) FROM {} WHERE id < 0",
    "SELECT t.id, u.name FROM {} t JOIN {} u ON t.name = u.\"Code\"",
    "SELECT t.id, u.id FROM {} t LEFT JOIN {} u ON t.n = u.n AND u.id < 9 WHERE t.id < 20",
)  # fmt: skip
MARIADB_ONLY = ("SELECT sum(b), sum(amount) FROM {}", "SELECT id FROM {} WHERE amount > 1.49 AND at < '2024-01-01 00:00:00.5'")


def rows(count: int, seed: int) -> list[tuple[Any, ...]]:
    pick = random.Random(seed).choice
    decimals = (None, *map(Decimal, ("0.00", "1.50", "-2.25", "9999999999.99", "0.01", "7.00")))
    return [
        (
            number,
            pick((None, 0, 1, -1, 5, 2**31 - 1, -(2**31), 7, 7, 12)),
            pick((None, 2**62, -(2**63), 2**63 - 1, 0, 3, number)),
            pick(decimals),
            pick((None, 0.0, 0.5, -1.5, 0.1, 1e300, 1 / 3, 5e-324, 2.0)),
            pick((None, True, False)),
            *(pick(values) for values in (TEXTS, TEXTS, DATES, TIMES)),
        )
        for number in range(count)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def catalog(mariadb: MariadbServer, tmp_path_factory: pytest.TempPathFactory) -> MemoryCatalog:
    path = tmp_path_factory.mktemp("sqlite") / "traps.db"
    lite = sqlite3.connect(path)
    mariadb.run("CREATE DATABASE traps CHARACTER SET utf8mb4")
    for name, count in (("va", 60), ("vb", 40)):
        data = rows(count, count)
        lite.execute(f"CREATE TABLE {name} ({SQLITE})")
        lite.executemany(
            f"INSERT INTO {name} VALUES ({', '.join('?' * 10)})",
            [tuple(float(v) if isinstance(v, Decimal) else v for v in row) for row in data],
        )
        mariadb.run(f"CREATE TABLE {name} ({MARIADB})", database="traps")
        with mariadb.connect("traps") as made:
            made.cursor().executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * 10)})", data)
    lite.commit()
    lite.close()
    sources = [mariadb.source("traps", name="maria"), DataSource("lite", "odbc", f"odbc:Driver=SQLite3;Database={path}")]
    return MemoryCatalog.of(sources, [VirtualTable("public", f"{s}_{t}", s, t, COLUMNS) for s in ("maria", "lite") for t in ("va", "vb")])


@pytest.fixture(scope="module")
def engine(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with postgresql.connect() as server:
        server.execute("CREATE DATABASE odbc_scratch")
    executors = [DuckDbExecutor(256 << 20, str(tmp_path_factory.mktemp("duckdb")), 2), ScratchExecutor(postgresql.dsn("odbc_scratch"))]
    made = Engine(executors)
    yield made
    made.close()


def _whole(engine: Engine, catalog: MemoryCatalog, statements: list[str]) -> dict[str, list[str]]:
    """Those that are more than one statement of their source, and why."""
    plans = {sql: engine.plan(sql, catalog) for sql in statements}
    return {sql: [f"{kept.code}: {kept.what}" for kept in plan.kept] for sql, plan in plans.items() if plan.residual is not None}


@pytest.mark.parametrize("source", ["maria", "lite"])
def test_these_are_one_statement_and_answer_as_postgresql(
    engine: Engine, catalog: MemoryCatalog, postgresql: PostgresqlServer, source: str
) -> None:
    statements = [sql.format(f"{source}_va", f"{source}_vb") for sql in WHOLE + (MARIADB_ONLY if source == "maria" else ())]
    assert _whole(engine, catalog, statements) == {}
    with postgresql.connect("odbc_scratch") as reference:
        for name in ("va", "vb"):
            copied = [
                tuple(row.values())
                for batch in engine.run(engine.plan(f"SELECT * FROM {source}_{name}", catalog))
                for row in batch.to_pylist()
            ]
            columns = ", ".join(f'"{column.name}" {column.type}' for column in COLUMNS)
            reference.execute(f"CREATE TEMP TABLE {source}_{name} ({columns})")
            with reference.cursor().copy(f"COPY {source}_{name} FROM STDIN") as copy:
                for row in copied:
                    copy.write_row(row)
        for sql in statements:
            expected = [_text(row) for row in reference.execute(sql).fetchall()]
            result = engine.run(engine.plan(sql, catalog))
            found = [_text(row) for batch in result for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]
            assert (found if "ORDER BY" in sql else sorted(found)) == (expected if "ORDER BY" in sql else sorted(expected)), sql


def _text(row: tuple[Any, ...]) -> str:
    return "|".join("NULL" if value is None else str(value) for value in row)


def test_the_verifier_finds_no_difference(engine: Engine, catalog: MemoryCatalog, postgresql: PostgresqlServer) -> None:
    """A fresh seed each time; thousands by hand: BDC_TEST_QUERIES."""
    bounds = Bounds(secrets.randbelow(10**9), int(os.environ.get("BDC_TEST_QUERIES", "25")), query_seconds=60.0)
    report = verify(engine, catalog, postgresql.dsn("odbc_scratch"), bounds)
    assert report.differences == 0, report.text()
    assert report.queries == bounds.queries
