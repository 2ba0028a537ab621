"""A process that is killed leaves no statement computing at the source; servers that can't watch their clients are used all the same."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.patience import PATIENCE, SOON
from tests.services.postgresql import PostgresqlServer
from virtualization.catalog import Credential, DataSource
from virtualization.connectors.postgresql import client, sessions
from virtualization.connectors.postgresql.options import settings

KILLED = """
import sys
from virtualization.catalog import Credential, DataSource
from virtualization.connectors.postgresql.client import Client
from virtualization.connectors.postgresql.options import settings
port, password = sys.stdin.readline().split()
source = DataSource("s", "postgresql", f"postgresql://127.0.0.1:{port}/postgres", credential=Credential("postgres", password))
running = Client(settings(source))
running.rows("SELECT 1 AS n", "x")
print("ready", flush=True)
running.rows("SELECT count(*) AS orphan FROM pg_catalog.generate_series(1, 100000000000) AS g", "x")
"""


def _orphans(server: PostgresqlServer) -> int:
    with server.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%orphan%' AND pid <> pg_backend_pid()"
        ).fetchone()
    assert row is not None
    return int(str(row[0]))


def _until(server: PostgresqlServer, wanted: int) -> float:
    start = time.monotonic()
    while _orphans(server) != wanted and time.monotonic() - start < PATIENCE:
        time.sleep(0.05)
    return time.monotonic() - start


def test_a_killed_process_leaves_no_statement_at_the_source(postgresql: PostgresqlServer) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(f"{postgresql.port} {postgresql.password}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "ready\n"
            assert _until(postgresql, 1) < PATIENCE
        finally:
            process.kill()
    assert _until(postgresql, 0) < SOON


def test_a_server_that_cannot_watch_its_clients_is_used_without(postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "WATCH", "no_such_setting_on_an_old_server")
    location = f"postgresql://127.0.0.1:{postgresql.port}/postgres"
    source = DataSource("s", "postgresql", location, credential=Credential(postgresql.user, postgresql.password))
    found = client.Client(settings(source))
    assert found.rows("SELECT 1 AS n", "x") == [{"n": 1}]
    found.close()
