"""Connections to the scratch server: how many, and for how long one is waited for."""

from __future__ import annotations

import pytest

from tests.services.postgresql import PostgresqlServer
from virtualization.errors import CapacityError
from virtualization.executors.scratch.sessions import Sessions
from virtualization.plan import QueryContext


def test_whoever_waits_too_long_for_a_connection_is_told(postgresql: PostgresqlServer) -> None:
    sessions = Sessions(postgresql.dsn(), 1)
    sessions.wait_seconds = 0.2
    taken = sessions.begin(QueryContext())
    with pytest.raises(CapacityError, match=r"within 0\.2 s"):
        sessions.begin(QueryContext())
    taken.close(usable=True)
    sessions.begin(QueryContext()).close(usable=True)
    sessions.close()
