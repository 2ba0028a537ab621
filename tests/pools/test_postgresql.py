"""The server's workload: what is refused, what the files say, and that a real PostgreSQL takes it."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import time

import psycopg
import pytest

from pools.postgresql import ListenError, PostgresqlServer, Tls, is_loopback, pg_hba_conf, postgresql_conf, server_workload
from tests.pools.master.substrate import lay, prepare, render, start, started
from tests.services.postgresql import free_port, reachable_folder

SECRETS = {"scratch-password": "the scratch password"}


def scratch(**more: object) -> PostgresqlServer:
    given = {
        "name": "compute-0-scratch", "pool": "compute", "pool_instance": "compute-0", "resource": "compute-0", "superuser": "scratch",
        "superuser_secret": "scratch-password", "port": 5432, "addresses": (), "durable": False, **more,
    }  # fmt: skip
    return PostgresqlServer(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("addresses", [("0.0.0.0",), ("127.0.0.1", "10.0.0.5"), ("*",), ("::",), ("db.example.org",)])
def test_beyond_loopback_needs_tls(addresses: tuple[str, ...]) -> None:
    with pytest.raises(ListenError, match=r"without TLS.*Listen on 127\.0\.0\.1"):
        server_workload(scratch(addresses=addresses))
    workload = server_workload(scratch(addresses=addresses, tls=Tls("/c.pem", "/k.pem"), networks=("10.0.0.0/8", "127.0.0.1/32")))
    files = {file.path: file.content for file in workload.files}
    assert "ssl = on" in files["postgresql.conf"]
    assert "hostssl all all 10.0.0.0/8 scram-sha-256" in files["pg_hba.conf"]
    assert "hostssl all all 127.0.0.1/32 scram-sha-256" in files["pg_hba.conf"]


OUTSIDE = ("*", "0.0.0.0", "::", "localhost.example.org", "10.1.2.3")


@pytest.mark.parametrize(
    ("address", "expected"), [*((a, True) for a in ("127.0.0.1", "127.8.8.8", "::1", "localhost")), *((a, False) for a in OUTSIDE)]
)
def test_is_loopback(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_settings_that_old_servers_do_not_know_are_left_out() -> None:
    assert "io_method" in postgresql_conf(scratch()) and "io_method" not in postgresql_conf(scratch(version=17))
    assert any("--builtin-locale" in part for part in server_workload(scratch()).prepare[0].command)
    assert not any("--builtin-locale" in part for part in server_workload(scratch(version=15)).prepare[0].command)
    with pytest.raises(ValueError, match="too old"):
        server_workload(scratch(version=14))


def test_given_settings_win_and_strings_are_quoted() -> None:
    text = postgresql_conf(scratch(settings={"work_mem": "1GB"}, statement_timeout_ms=1500, tls=Tls("it's", "\\k")))
    assert "work_mem = 1GB\n" in text and "work_mem = 16MB" not in text
    assert "statement_timeout = 1500\n" in text and "'it''s'" in text and "'\\\\k'" in text


def test_every_login_is_scram() -> None:
    lines = pg_hba_conf(scratch(addresses=("127.0.0.1",))).splitlines()
    assert len(lines) == 3 and all(line.endswith(" scram-sha-256") for line in lines)
    assert pg_hba_conf(scratch()).splitlines() == ["local all all scram-sha-256"]


def rss_mb(pid: int) -> float:
    """Proportional share of the memory of a process and its children, MB."""
    pids = [pid, *(int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    texts = []
    for process in pids:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # a backend that just ended
            texts.append(pathlib.Path(f"/proc/{process}/smaps_rollup").read_text())
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith("Pss:")) / 1024


def test_a_scratch_server_runs_on_its_socket_only() -> None:
    with reachable_folder() as folder, started(server_workload(scratch(port=free_port())), folder, SECRETS) as running:
        port = running.workload.ready.command[5]  # type: ignore[union-attr]
        login = {"host": str(folder / "run"), "port": port, "user": "scratch", "dbname": "postgres"}
        with psycopg.connect(**login, password=SECRETS["scratch-password"]) as connection:
            (name,) = connection.execute("SELECT datlocale FROM pg_database WHERE datname = 'postgres'").fetchone()  # type: ignore[misc]
            known = {key: connection.execute(f"SHOW {key}").fetchone()[0] for key in ("fsync", "server_encoding", "listen_addresses")}  # type: ignore[index]
        assert name == "C.UTF-8" and known == {"fsync": "off", "server_encoding": "UTF8", "listen_addresses": ""}
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(**login, password="wrong")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(**{**login, "host": "127.0.0.1"}, password=SECRETS["scratch-password"])
        if os.geteuid() == 0:
            assert rss_mb(running.process.pid) < 60
        assert SECRETS["scratch-password"] not in running.log


def test_initdb_that_died_is_done_again() -> None:
    workload = server_workload(scratch(port=free_port()))
    with reachable_folder() as folder:
        lay(workload, folder, SECRETS)
        half = folder / "data" / "pgdata.new"
        half.mkdir()
        (half / "PG_VERSION").write_text("18\n")
        assert workload.prepare[0].removes is not None and render(workload.prepare[0].removes, workload, folder) == str(half)
        prepare(workload, folder)
        assert (folder / "data" / "pgdata" / "PG_VERSION").exists() and not half.exists()


def test_killed_postmaster_with_a_busy_backend_restarts_once_its_descendants_are_gone() -> None:
    workload = server_workload(scratch(port=free_port()))
    with reachable_folder() as folder:
        running = start(workload, folder, SECRETS)
        port = workload.ready.command[5]  # type: ignore[union-attr]
        connection = psycopg.connect(
            host=str(folder / "run"), port=port, user="scratch", dbname="postgres", password=SECRETS["scratch-password"]
        )
        descendants = [int(p) for p in pathlib.Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()]
        with pytest.raises(psycopg.OperationalError), connection:
            connection.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 100000000000)")
            time.sleep(0.1)
            running.process.send_signal(signal.SIGKILL)
            running.process.wait()
            for pid in descendants:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            connection.pgconn.get_result()
            connection.execute("SELECT 1")
        connection.close()
        again = start(workload, folder, SECRETS)
        again.stop()
