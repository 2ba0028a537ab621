"""One stand-in for the folder's tests; each module has tables of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.oracle import StandIn, oracle_stand_in
from tests.services.postgresql import PostgresqlServer


@pytest.fixture(scope="session")
def oracle(postgresql: PostgresqlServer) -> Iterator[StandIn]:
    with oracle_stand_in(postgresql, "oracle_stand_in") as made:
        yield made
        assert made.defects == []
