"""One stand-in for the folder's tests; a module has tables of its own. ``BDC_TEST_ORACLE_DSN``: a real Oracle for those of answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.services.oracle import Oracle, StandIn, live, oracle_stand_in
from tests.services.postgresql import PostgresqlServer


@pytest.fixture(scope="session")
def stand_in(postgresql: PostgresqlServer) -> Iterator[StandIn]:
    """What misbehaves on request."""
    with oracle_stand_in(postgresql, "oracle_stand_in") as made:
        yield made
        assert made.defects == []


@pytest.fixture(scope="session")
def oracle(stand_in: StandIn) -> Iterator[Oracle]:
    """What answers."""
    with live() as real:
        yield real or stand_in
