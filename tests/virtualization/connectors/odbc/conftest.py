"""What all tests over ODBC need: Debian's packages, and one MariaDB."""

from __future__ import annotations

import pytest

from tests.services import odbc


@pytest.fixture(scope="session", autouse=True)
def packages() -> None:
    reason = odbc.why_not()
    if reason is not None:
        pytest.skip(f"no ODBC here: {reason}")
