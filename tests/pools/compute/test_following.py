"""One query followed end to end: the master's session, the pool's numbers, its log, the statement at the source.

The page docs/guide/observability.md follows a query in the same steps.
"""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.patience import SOON, eventually
from tests.pools.compute.cluster import Cluster
from tests.services.postgresql import PostgresqlServer


@pytest.fixture
def ada(cluster: Cluster) -> Any:
    with cluster.connect("ada") as connection:
        yield connection


def logged(cluster: Cluster, number: str) -> list[dict[str, Any]]:
    """The lines of the pool's log about a query."""
    lines = [json.loads(line) for line in cluster.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "query" and line["query"] == number]


def test_from_the_master_s_session_to_the_statement_at_the_source(
    cluster: Cluster, postgresql: PostgresqlServer, ada: psycopg.Connection[Any]
) -> None:
    with cluster.connect("alice") as alice:
        pid = str(alice.info.backend_pid)
        alice.execute("SELECT count(*) FROM orders WHERE id <> -8151")
    found = ada.execute("SELECT id FROM bdc.query_history WHERE session = %s AND sql LIKE '%%8151%%'", [pid]).fetchall()
    assert len(found) == 1
    # other pools before this one have numbered their queries too
    arrived = [line for line in postgresql.log.splitlines() if f"/* bdc {found[0][0]} */" in line and "8151" in line]
    assert [(f"[bdc bdc {pid} " in line, "COPY (" in line) for line in arrived] == [(True, True)]


def test_a_query_that_fails_or_takes_long_leaves_a_line(cluster: Cluster, ada: psycopg.Connection[Any]) -> None:
    with cluster.direct("alice") as alice:
        pid = str(alice.info.backend_pid)
        with pytest.raises(errors.DivisionByZero):
            alice.execute("SELECT 10 / (id - 3) FROM orders WHERE id < 9 AND id <> -8152").fetchall()
        alice.execute("SET statement_timeout = '300ms'")
        with pytest.raises(errors.QueryCanceled):
            alice.execute("SELECT t FROM endless")
    rows = ada.execute("SELECT id, code FROM bdc.query_history WHERE session = %s ORDER BY started", [pid]).fetchall()
    assert [code for _, code in rows] == ["22012", "57014"]
    for (number, code), outcome in zip(rows, ("failed", "cancelled"), strict=True):
        eventually(lambda number=number: logged(cluster, number), "the line is written", SOON)  # type: ignore[misc]
        (line,) = logged(cluster, number)
        assert (line["session"], line["user"], line["database"], line["outcome"], line["code"]) == (pid, "alice", "bdc", outcome, code)
        assert "8152" not in json.dumps(line)
        assert outcome == "cancelled" or line["sources"] == ["legacy"]  # it may have been cancelled before it was planned
