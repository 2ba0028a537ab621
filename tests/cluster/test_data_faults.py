"""Faults of a whole cluster that loads don't notice."""

from __future__ import annotations

import os
import secrets
import signal

import pyarrow as pa
import pytest

from tests.cluster.life import connect, green, home_of, pids, until
from tests.services.cluster import Stage
from tests.services.flight_loads import LoadClient

pytestmark = pytest.mark.service


def answers(cluster: Stage) -> bool:
    """Does the controller, which says for a moment that it has just started?"""
    try:
        cluster.bdc("status")
    except RuntimeError:
        return False
    return True


def test_the_controller_is_killed_and_loads_go_on(cluster: Stage) -> None:
    """It has no part in a load: begin, streams, commit and reading do without it."""
    home, table = home_of(cluster), f"t{secrets.token_hex(4)}"
    loads = LoadClient(cluster.endpoint("data-pool"), "admin", cluster.password)
    with connect(cluster) as master:
        master.execute("CALL bdc.create_data_table(%s, %s)", (table, '[{"name": "id", "type": "bigint"}]'))
        os.kill(pids(home)["control"], signal.SIGKILL)
        assert loads.load(f"public.{table}", [pa.table({"id": [1, 2]}), pa.table({"id": [3]})])["rows"] == 3
        assert master.execute(f"SELECT count(*), sum(id) FROM {table}".encode()).fetchone() == (3, 6)
        until(lambda: green(home) and answers(cluster), "all is green again")
        master.execute("CALL bdc.drop_data_table(%s)", (table,))
    loads.close()
