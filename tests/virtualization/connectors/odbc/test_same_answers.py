"""Pushdown never changes an answer: MariaDB and SQLite tables full of traps, and what must be one statement there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.services.mariadb import MariadbServer
from tests.services.postgresql import PostgresqlServer
from tests.virtualization.connectors.odbc import expressions, test_postgresql, traps
from virtualization.catalog import MemoryCatalog, VirtualTable
from virtualization.connectors.odbc import OdbcConnector, capabilities, metadata
from virtualization.engine import Engine
from virtualization.errors import RemoteObjectError, SourceError
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.executors.scratch import ScratchExecutor
from virtualization.plan import QueryContext

pytestmark = pytest.mark.service

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
    "SELECT n, count(*) FROM {} WHERE id < 0 GROUP BY n",
    "SELECT sum(n), count(*) FROM {} WHERE id < 0",
    "SELECT t.id, u.name FROM {} t JOIN {} u ON t.name = u.\"Code\"",
    "SELECT t.id, u.id FROM {} t LEFT JOIN {} u ON t.n = u.n AND u.id < 9 WHERE t.id < 20",
)  # fmt: skip
STATEMENTS = {
    "maria": (*WHOLE, *expressions.ALL, *expressions.TEXTS, *expressions.DECIMALS),
    "lite": (*WHOLE, *expressions.ALL, *expressions.UNKNOWN),
    "pg": (*WHOLE, *expressions.ALL, *expressions.UNKNOWN, *expressions.TEXTS, *expressions.DECIMALS),
}
"""By source: what is one statement there."""
APART = {"maria": expressions.UNKNOWN}
"""What would be another answer there."""


@pytest.fixture(scope="module")
def catalog(mariadb: MariadbServer, postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> MemoryCatalog:
    made = traps.catalog(mariadb, tmp_path_factory.mktemp("sqlite"))
    with postgresql.connect() as server:
        server.execute("CREATE DATABASE odbc_traps")
    with postgresql.connect("odbc_traps") as server:
        for name, count in (("va", 60), ("vb", 40)):
            columns = ", ".join(f'"{column.name}" {column.type}' for column in traps.COLUMNS)
            server.execute(f"CREATE TABLE {name} ({columns})".encode())
            server.cursor().executemany(f"INSERT INTO {name} VALUES ({', '.join(['%s'] * 10)})".encode(), traps.rows(count, count))
    tables = [VirtualTable("public", f"pg_{name}", "pg", name, traps.COLUMNS) for name in ("va", "vb")]
    source = replace(test_postgresql.source(postgresql, "odbc_traps"), name="pg")
    return MemoryCatalog.of([*made.sources.values(), source], [*made.virtual_tables.values(), *tables])


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


@pytest.mark.parametrize("source", STATEMENTS)
def test_these_are_one_statement_and_answer_as_postgresql(
    engine: Engine, catalog: MemoryCatalog, postgresql: PostgresqlServer, source: str
) -> None:
    statements = [sql.format(f"{source}_va", f"{source}_vb") for sql in STATEMENTS[source]]
    assert _whole(engine, catalog, statements) == {}
    apart = [sql.format(f"{source}_va", f"{source}_vb") for sql in APART.get(source, ())]
    assert _whole(engine, catalog, apart).keys() == set(apart)
    with postgresql.connect("odbc_scratch") as reference:
        for name in ("va", "vb"):
            copied = [
                tuple(row.values())
                for batch in engine.run(engine.plan(f"SELECT * FROM {source}_{name}", catalog))
                for row in batch.to_pylist()
            ]
            columns = ", ".join(f'"{column.name}" {column.type}' for column in traps.COLUMNS)
            reference.execute(f"CREATE TEMP TABLE {source}_{name} ({columns})")
            with reference.cursor().copy(f"COPY {source}_{name} FROM STDIN") as copy:
                for row in copied:
                    copy.write_row(row)
        for sql in (*statements, *apart):
            expected = [_text(row) for row in reference.execute(sql).fetchall()]
            result = engine.run(engine.plan(sql, catalog))
            found = [_text(row) for batch in result for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]
            ordered = "ORDER BY" in sql.rpartition(")")[2]  # not that of a window
            assert (found if ordered else sorted(found)) == (expected if ordered else sorted(expected)), sql


@pytest.mark.parametrize("source", STATEMENTS)
def test_a_driver_that_no_file_is_for_is_asked_for_columns_only(
    catalog: MemoryCatalog, engine: Engine, postgresql: PostgresqlServer, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real drivers, whose files are not looked at: the same answers, computed here."""
    monkeypatch.setattr(metadata, "capabilities", lambda driver, product: capabilities.UNKNOWN)
    careful = Engine([ScratchExecutor(postgresql.dsn("odbc_scratch"))])
    try:
        for sql in (*WHOLE[::3], *expressions.ALL[::3]):
            statement = sql.format(f"{source}_va", f"{source}_vb")
            plan = careful.plan(statement, catalog)
            assert plan.residual is not None and all(
                re.fullmatch(r"SELECT [^()]* FROM .[tv][ab]. .t0.", str(one.text)) for one in plan.fragments
            )
            assert "WHERE" not in statement or "no_capabilities" in {kept.code for kept in plan.kept}
            assert _sorted(careful, catalog, statement) == _sorted(engine, catalog, statement), statement
    finally:
        careful.close()


def _sorted(engine: Engine, catalog: MemoryCatalog, sql: str) -> list[str]:
    result = engine.run(engine.plan(sql, catalog))
    return sorted(_text(row) for batch in result for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))


@pytest.mark.parametrize("source", STATEMENTS)
def test_a_text_of_the_sources_own_language(catalog: MemoryCatalog, source: str) -> None:
    """``bdc.remote_query``: rows as JSON, numbers as numbers, all of it read only."""
    connector = OdbcConnector(catalog.sources[source])
    try:
        quote = "`" if source == "maria" else '"'
        text = f"SELECT id, n, name, {quote}Day Of{quote} AS d FROM va WHERE id < 40 ORDER BY id -- own words"
        found = [json.loads(row) for row in _rows(connector, text)]
        expected = [(row[0], row[1], row[6], row[8]) for row in traps.rows(60, 60)[:40]]
        assert [tuple(row.values()) for row in found] == expected
        for wrong in (
            "DELETE FROM va",
            "SELECT 1; DELETE FROM va",
            "CREATE TABLE made (id int)",
            "",
            "WITH x AS (SELECT 1) DELETE FROM va",
        ):
            with pytest.raises(SourceError, match=source):
                _rows(connector, wrong)
        with pytest.raises(RemoteObjectError, match="nowhere"):
            _rows(connector, "SELECT * FROM nowhere")
        assert _rows(connector, "SELECT count(*) AS k FROM va") == [
            '{"k":"60"}' if source == "lite" else '{"k":60}'
        ]  # as the driver tells it
    finally:
        connector.close()


def _rows(connector: OdbcConnector, text: str) -> list[str]:
    batches = connector.passthrough(text, QueryContext())
    try:
        return [row for batch in batches for row in batch.column(0).to_pylist()]
    finally:
        batches.close()


def _text(row: tuple[Any, ...]) -> str:
    return "|".join("NULL" if value is None else str(value) for value in row)
