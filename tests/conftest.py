"""Fixtures that several folders of tests share: the real services."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.postgresql import PostgresqlServer, postgresql_server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """One PostgreSQL for the whole run; make databases of your own in it."""
    with postgresql_server() as server:
        yield server
