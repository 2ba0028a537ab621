"""Pushdown never changes an answer: each statement here and in PostgreSQL, over the same rows."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.services.oracle import Oracle
from tests.services.postgresql import PostgresqlServer
from tests.virtualization.connectors.mongodb.lab import Lab
from tests.virtualization.connectors.oracle import edges
from virtualization.catalog import MemoryCatalog
from virtualization.engine import Engine
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.executors.scratch import ScratchExecutor

pytestmark = pytest.mark.service

STATEMENTS = pathlib.Path(__file__).with_name("statements.sql")


class UnicodeLab(Lab):
    """The reference compares and folds letters as the master does."""

    def copy(self, table: str) -> None:
        columns = ", ".join(f'"{column.name}" {column.type}' for column in self.catalog.table(None, table).columns)
        self.reference.execute(f"CREATE TABLE {table} ({columns})".encode())
        _, rows = self.rows(f"SELECT * FROM {table}")
        with self.reference.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row(row)


def statements() -> list[tuple[str, bool]]:
    lines = [line for line in STATEMENTS.read_text().splitlines() if line and not line.startswith("--")]
    return [(line.removeprefix("whole: "), line.startswith("whole: ")) for line in lines]


@pytest.fixture(scope="module")
def lab(oracle: Oracle, postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    tables = edges.create(oracle)
    with postgresql.connect() as server:
        for name in ("scratch", "reference"):
            server.execute(f"CREATE DATABASE oracle_{name}".encode())
    folder = tmp_path_factory.mktemp("duckdb")
    engine = Engine([DuckDbExecutor(256 << 20, str(folder), 2), ScratchExecutor(postgresql.dsn("oracle_scratch"))])
    with postgresql.connect("oracle_reference") as reference:
        made = UnicodeLab(engine, MemoryCatalog.of([oracle.source()], tables), reference)
        for table in tables:
            made.copy(table.name)
        yield made
    engine.close()


def test_every_statement_answers_as_postgresql(lab: Lab) -> None:
    wrong = [problem for sql, _ in statements() if (problem := lab.difference(sql))]
    assert not wrong, "\n".join(wrong)


def test_what_is_pushed_whole(lab: Lab) -> None:
    here = [sql for sql, whole in statements() if whole != lab.is_whole(sql)]
    assert not here, "\n".join(f"{sql}: {lab.reasons(sql)}" for sql in here)
