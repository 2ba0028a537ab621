"""Random queries over the small tables: whatever sources take, the rows are those of plain PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest

from tests.services.postgresql import PostgresqlServer
from tests.virtualization.conftest import MODES, lab_of
from tests.virtualization.verify.checking import check, limits

QUERIES = 25


@pytest.mark.parametrize("mode", MODES)
def test_random_queries(database: psycopg.Connection, postgresql: PostgresqlServer, mode: str) -> None:
    lab = lab_of(database, mode)
    check(lab.engine, lab.catalog, postgresql.dsn("planner"), limits(MODES.index(mode), QUERIES))
