"""A cluster whose master is Debian's PostgreSQL: older than the one that comes with the product, and it speaks TLS itself."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.patience import PATIENCE, eventually
from tests.services.certificates import laid
from tests.services.cluster import Stage, folder
from tests.services.debian import why_not

SPEC = """apiVersion: openbdc.dev/v1alpha1
kind: BigDataCluster
metadata: {{name: {name}}}
spec:
  security: {{tls: {{enabled: true}}}}
  pools: {{storage: {{enabled: false}}, data: {{shards: 1}}, master: {{postgresql: {{bin: BIN}}}}}}
"""
Session = psycopg.Connection[tuple[object, ...]]


def programs() -> Path:
    """The newest that the system has."""
    if (reason := why_not("postgresql")) is not None:
        pytest.skip(reason)
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    found = programs()
    with folder() as place:
        place.create_from(SPEC.replace("BIN", str(found)))
        yield place


def address(stage: Stage) -> dict[str, str]:
    host, _, port = stage.endpoint("sql-server-master").rpartition("//")[2].partition("/")[0].partition(":")
    return {"host": host, "port": port, "user": "admin", "dbname": "bdc", "sslmode": "verify-full", "sslrootcert": str(stage.authority)}


def verified(stage: Stage) -> Session:
    return psycopg.connect(**address(stage), password=stage.password, autocommit=True)  # type: ignore[arg-type]


def psql(stage: Stage, statement: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Debian's own, on Debian's libpq."""
    target = " ".join(f"{name}={value}" for name, value in (address(stage) | more).items())
    command = [str(programs() / "psql"), "-XAt", "-d", target, "-c", statement]
    environment = {**os.environ, "PGPASSWORD": stage.password}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=PATIENCE, check=False)


def test_who_is_verified_gets_in_and_nobody_in_clear(stage: Stage, tmp_path: Path) -> None:
    done = psql(stage, "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    assert done.stdout.startswith("t|TLSv1."), done.stderr
    version = psql(stage, "SHOW server_version").stdout
    assert version.split(".")[0] == programs().parent.name
    with verified(stage) as session:  # no process stands in front: the server itself sees where its clients are
        assert session.execute("SELECT host(inet_client_addr())").fetchone() == ("127.0.0.1",)
    refused = psql(stage, "SELECT 1", sslrootcert=laid(tmp_path / "other").root)
    assert refused.returncode == 2 and "certificate verify failed" in refused.stderr
    refused = psql(stage, "SELECT 1", sslmode="disable")
    assert refused.returncode == 2 and "no encryption" in refused.stderr
    assert stage.password not in refused.stderr


def test_the_old_server_does_what_the_new_one_does(stage: Stage) -> None:
    stage.bdc("data", "create", "t", "--column", "a bigint", "--column", "name varchar(8)", "--column", "d decimal(9, 2)")
    with verified(stage) as session:
        session.execute("CREATE TABLE here (a bigint); INSERT INTO here SELECT g FROM generate_series(1, 1000) g")
        session.execute("INSERT INTO t SELECT a, 'n' || a % 7, a / 4.0 FROM here")
        types = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 ORDER BY attnum"
        assert session.execute(types).fetchall() == [("bigint",), ("character varying(8)",), ("numeric(9,2)",)]
        joined = "SELECT t.name, count(*), sum(here.a) FROM t JOIN here USING (a) WHERE t.a > 500 GROUP BY 1 ORDER BY 1 LIMIT 1"
        assert session.execute(joined).fetchone() == ("n0", 71, 53179)
        session.execute("CREATE DATABASE more")
    with psycopg.connect(**address(stage) | {"dbname": "more"}, password=stage.password, autocommit=True) as session:  # type: ignore[arg-type]
        assert session.execute("SELECT count(*) FROM bdc.virtual_tables").fetchone() == (0,)


def test_a_certificate_is_exchanged_under_an_open_session(stage: Stage) -> None:
    with verified(stage) as session:
        process, before = session.info.backend_pid, stage.certificates()
        stage.bdc("cert", "rotate")

        def exchanged() -> bool:
            now = stage.certificates()
            return all(now[name][0] == "served" and now[name][1] != before[name][1] for name in before)

        eventually(exchanged, "all servers show their new certificates")
        assert session.execute("SELECT pg_backend_pid(), count(*) FROM t").fetchone() == (process, 1000)
        assert psql(stage, "SELECT count(*) FROM t").stdout == "1000\n"


def test_a_killed_server_comes_back_with_its_extension(stage: Stage) -> None:
    place = stage.folder / "home" / "clusters" / stage.cluster / "workloads" / "master-0"
    running = int((place / "data" / "pgdata" / "postmaster.pid").read_text().split()[0])
    os.kill(running, signal.SIGKILL)

    def again() -> bool:
        try:
            with verified(stage) as session:
                return session.execute("SELECT count(*) FROM t").fetchone() == (1000,)
        except psycopg.OperationalError:
            return False

    eventually(again, "the master answers again")
    with verified(stage) as session:  # it still finds the extension: in a folder that was laid anew
        known = "SELECT installed_version = default_version FROM pg_available_extensions WHERE name = 'bdc'"
        assert session.execute(known).fetchone() == (True,)
