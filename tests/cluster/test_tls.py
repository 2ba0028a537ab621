"""A cluster of this machine that speaks TLS everywhere: made, used, its certificates exchanged under a running query."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from tests.patience import PATIENCE, eventually
from tests.services.cluster import Stage, folder

pytestmark = pytest.mark.full
SPEC = """apiVersion: openbdc.dev/v1alpha1
kind: BigDataCluster
metadata: {{name: {name}}}
spec:
  security: {{tls: {{enabled: true}}}}
  pools: {{storage: {{enabled: false}}}}
"""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with folder() as place:
        place.create_from(SPEC)
        yield place


def verified(stage: Stage, endpoint: str) -> psycopg.Connection[tuple[object, ...]]:
    host, _, port = stage.endpoint(endpoint).rpartition("//")[2].partition("/")[0].partition(":")
    root = {"sslmode": "verify-full", "sslrootcert": str(stage.authority)}
    return psycopg.connect(host=host, port=int(port), user="admin", password=stage.password, dbname="bdc", autocommit=True, **root)  # type: ignore[arg-type]


def test_everything_is_encrypted_and_certificates_are_exchanged_under_a_running_query(stage: Stage) -> None:
    assert stage.endpoint("controller").startswith("https://")
    with verified(stage, "sql-server-master") as session:
        stage.bdc("data", "create", "t", "--column", "a bigint")
        session.execute("INSERT INTO t SELECT g FROM generate_series(1, 1000) g")
        assert session.execute("SELECT sum(a) FROM t").fetchone() == (500500,)
        before = stage.certificates()
        assert set(before) == {"compute-0", "control", "data-0", "data-1", "master-0"}
        found: list[object] = []
        running = threading.Thread(
            target=lambda: found.append(
                session.execute("SELECT count(*) FROM (SELECT pg_sleep(0.02) FROM generate_series(1, 500)) s").fetchone()
            )
        )
        running.start()
        stage.bdc("cert", "rotate")
        running.join(PATIENCE)
        assert found == [(500,)]

        def exchanged() -> bool:
            now = stage.certificates()
            return all(now[name][0] == "served" and now[name][1] != before[name][1] for name in before)

        eventually(exchanged, "all servers show their new certificates")
        assert session.execute("SELECT sum(a) FROM t").fetchone() == (500500,)
    for endpoint in ("sql-server-master", "compute-0"):
        with verified(stage, endpoint) as session:
            assert session.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match="encrypted connections only"):
        stage.sql(sslmode="disable")


def test_the_trail_says_from_where_though_all_come_over_the_servers_socket(stage: Stage) -> None:
    with verified(stage, "sql-server-master") as session:
        session.execute("SELECT count(*) FROM t WHERE a > 17").fetchone()
        process = f".{session.info.backend_pid:x}"

    def told() -> list[object]:
        rows = stage.bdc("audit", "query", "--action", "sql.query", "--limit", "1000")
        assert isinstance(rows, list)
        return [row.get("origin") for row in rows if str(row.get("session")).endswith(process)]

    eventually(told, "the query is audited")
    assert told() == ["127.0.0.1"]
