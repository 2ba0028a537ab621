"""kill -9 of everything in a whole cluster: all is green again, and the main query over file, database and local table right after each.

Queries that run meanwhile end with the right answer or one clear error, never with a wrong answer.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path

import psycopg
import pytest

from controller.substrates.local.layout import ClusterHome
from tests.cluster.life import (
    HEAL_SECONDS,
    LINES,
    MainJob,
    asking,
    connect,
    green,
    home_of,
    kill_and_heal,
    main_job,
    pids,
    supervisor_pid,
    until,
)
from tests.cluster.sources import create_table
from tests.services.cluster import Stage
from tests.services.postgresql import PostgresqlServer

pytestmark = pytest.mark.service
SERVICES = (
    "control", "master-0", "compute-0-scratch", "compute-0", "data-0", "data-1", "nmnode-0", "storage-0-0", "storage-0-1", "app-proxy",
)  # fmt: skip


@pytest.fixture(scope="module")
def job(cluster: Stage, postgresql: PostgresqlServer) -> MainJob:
    return main_job(cluster, postgresql, "faults")


@pytest.fixture(scope="module")
def home(cluster: Stage) -> ClusterHome:
    return home_of(cluster)


def test_each_process_in_turn_under_a_running_query(job: MainJob, home: ClusterHome) -> None:
    assert set(SERVICES) == {name for name in pids(home)}
    with asking(job) as asker:
        for name in SERVICES:
            asker.hurry()
            kill_and_heal(home, name)
            before = asker.right
            until(lambda before=before: asker.right >= before + 2, f"right answers after {name}")  # type: ignore[misc]
    assert asker.wrong == []
    job.right()


@pytest.mark.parametrize("names", [("nmnode-0", "storage-0-0"), ("master-0", "compute-0"), ("storage-0-0", "storage-0-1")])
def test_two_at_once(job: MainJob, home: ClusterHome, names: tuple[str, str]) -> None:
    kill_and_heal(home, *names)
    job.right()


def test_supervisor_killed_queries_go_on_and_nothing_restarts(job: MainJob, home: ClusterHome) -> None:
    first, before = supervisor_pid(home), pids(home)
    assert first is not None
    with asking(job) as asker:
        until(lambda: asker.right > 0, "a first answer")
        os.kill(first, signal.SIGKILL)
        until(lambda: supervisor_pid(home) not in (None, first), "the next supervisor")
        now = asker.right
        until(lambda: asker.right >= now + 2, "answers go on")
    assert (asker.failed, asker.wrong, pids(home)) == (0, [], before)


def test_controller_killed_queries_go_on(job: MainJob, home: ClusterHome) -> None:
    with asking(job) as asker:
        until(lambda: asker.right > 0, "a first answer")
        kill_and_heal(home, "control")
    assert (asker.failed, asker.wrong) == (0, [])


def test_postmaster_killed_beside_a_busy_backend(job: MainJob, home: ClusterHome) -> None:
    """The backend, in a session of its own, must be ended: beside it no postmaster would start."""
    failures: list[BaseException] = []
    with connect(job.stage) as session:
        backend = session.info.backend_pid

        def work() -> None:
            try:
                session.execute("DO $$ BEGIN LOOP END LOOP; END $$")
            except psycopg.Error as error:
                failures.append(error)

        busy = threading.Thread(target=work)
        busy.start()
        until(lambda: cpu_ticks(backend) > 5, "the backend is busy")
        kill_and_heal(home, "master-0")
        busy.join(HEAL_SECONDS)
        assert not busy.is_alive() and isinstance(failures[0], psycopg.OperationalError)
    assert not Path(f"/proc/{backend}").exists()
    job.right()


@pytest.mark.parametrize("name", ["storage-0-0", "nmnode-0", "compute-0"])
def test_killed_while_a_result_streams(job: MainJob, home: ClusterHome, name: str) -> None:
    """What was sent is right; the rest comes too, or the statement ends with one clear error: rows are never missing in silence."""
    seen = 0
    try:
        with connect(job.stage) as session, session.transaction(), session.cursor(name="stream") as rows:
            rows.itersize = 1000
            rows.execute(f"SELECT a.id, a.amount FROM {job.name}.lines a, generate_series(1, 20)")
            for identity, amount in rows:
                assert int(str(amount)) == int(str(identity)) * 7
                seen += 1
                if seen == 5000:
                    os.kill(pids(home)[name], signal.SIGKILL)
        assert seen == 20 * LINES
    except psycopg.Error as error:
        assert seen >= 5000 and str(error).strip()
    until(lambda: green(home), f"green after {name}")
    job.right()


def test_both_datanodes_down_is_one_clear_error(job: MainJob, home: ClusterHome) -> None:
    """Nothing to read from: the error comes in time and names the source; afterwards all is well."""
    with connect(job.stage) as session:
        create_table(session, f"{job.name}.again", "hdfs", f"/{job.name}/lines.csv", {"id": "integer", "amount": "integer"})
        session.execute("SET statement_timeout = '60s'")
        before = pids(home)
        for name in ("storage-0-0", "storage-0-1"):
            os.kill(before[name], signal.SIGSTOP)
            os.kill(before[name], signal.SIGKILL)
        try:
            assert session.execute(f"SELECT count(*) FROM {job.name}.again").fetchone() == (LINES,)
        except psycopg.Error as error:
            assert "hdfs" in str(error).lower()
    until(lambda: all(pids(home).get(name) not in (None, before[name]) for name in ("storage-0-0", "storage-0-1")), "they run again")
    until(lambda: green(home), "green")
    job.right()


@pytest.mark.full
def test_storm(job: MainJob, home: ClusterHome) -> None:
    """Two minutes of random kills, the supervisor's included, under a running query."""
    chosen = random.Random(7)
    with asking(job) as asker:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            running = [pid for pid in (*pids(home).values(), supervisor_pid(home)) if pid]
            if not running:  # nobody can say what runs until the next supervisor is there
                until(lambda: supervisor_pid(home) is not None, "the next supervisor")
                continue
            asker.hurry()
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself since: what it required was killed
                os.kill(chosen.choice(running), signal.SIGKILL)
            time.sleep(chosen.uniform(0.5, 8))
        until(lambda: green(home), "all is green after the storm", 120)
        before = asker.right
        until(lambda: asker.right >= before + 2, "right answers again", 120)
    assert asker.wrong == []


def cpu_ticks(pid: int) -> int:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
