"""What all tests over ODBC need: Debian's packages, and one MariaDB."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services import odbc
from tests.services.mariadb import MariadbServer, mariadb_server


@pytest.fixture(scope="session", autouse=True)
def packages() -> None:
    reason = odbc.why_not()
    if reason is not None:
        pytest.skip(f"no ODBC here: {reason}")


@pytest.fixture(scope="session")
def mariadb(packages: None) -> Iterator[MariadbServer]:
    with mariadb_server() as server:
        yield server
