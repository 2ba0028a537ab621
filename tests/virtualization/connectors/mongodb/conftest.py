"""One server for the folder's tests; each module has collections of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.mongodb import MongodbServer, mongodb_server


@pytest.fixture(scope="session")
def mongodb() -> Iterator[MongodbServer]:
    with mongodb_server() as server:
        yield server
