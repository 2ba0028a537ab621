"""Pushdown never changes an answer: each statement here and in PostgreSQL, over the same rows."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.services.mongodb import MongodbServer
from tests.services.postgresql import PostgresqlServer
from tests.virtualization.connectors.mongodb.lab import COLUMNS, Lab, documents
from virtualization.catalog import MemoryCatalog, VirtualTable
from virtualization.engine import Engine
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.executors.scratch import ScratchExecutor

pytestmark = pytest.mark.service

STATEMENTS = pathlib.Path(__file__).with_name("statements.sql")
"""One a line; ``whole:`` before those that must be one pipeline."""


def statements() -> list[tuple[str, bool]]:
    lines = [line for line in STATEMENTS.read_text().splitlines() if line and not line.startswith("--")]
    return [(line.removeprefix("whole: "), line.startswith("whole: ")) for line in lines]


@pytest.fixture(scope="module")
def lab(mongodb: MongodbServer, postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    database = mongodb.client[mongodb.database]
    database.fitting.insert_many(documents(strange=False))
    database.strange.insert_many(documents(strange=True))
    with postgresql.connect() as server:
        for name in ("scratch", "reference"):
            server.execute(f"CREATE DATABASE mongodb_{name}")
    tables = [
        VirtualTable("public", "fitting", "src", "fitting", COLUMNS, {"mismatch": "error"}, rows=50),
        VirtualTable("public", "strange", "src", "strange", COLUMNS, {"mismatch": "null"}, rows=50),
    ]
    folder = tmp_path_factory.mktemp("duckdb")
    engine = Engine([DuckDbExecutor(256 << 20, str(folder), 2), ScratchExecutor(postgresql.dsn("mongodb_scratch"))])
    with postgresql.connect("mongodb_reference") as reference:
        made = Lab(engine, MemoryCatalog.of([mongodb.source()], tables), reference)
        for table in tables:
            made.copy(table.name)
        yield made
    engine.close()


@pytest.mark.parametrize("table", ["fitting", "strange"])
def test_every_statement_answers_as_postgresql(lab: Lab, table: str) -> None:
    wrong = [problem for sql, _ in statements() if (problem := lab.difference(sql.replace("TABLE", table)))]
    assert not wrong, "\n".join(wrong)


def test_what_is_pushed_whole(lab: Lab) -> None:
    here = [sql for sql, whole in statements() if whole and not lab.is_whole(sql.replace("TABLE", "fitting"))]
    assert not here, "\n".join(f"{sql}: {lab.reasons(sql.replace('TABLE', 'fitting'))}" for sql in here)
