"""What tests of a cluster's life look at: its workloads as the supervisor sees them, and a main query that must be right after a fault."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from controller.errors import ControllerError
from controller.substrates.local.layout import ClusterHome
from controller.supervisor.client import SupervisorClient
from controller.supervisor.errors import SupervisorError
from tests.cluster.sources import create_postgresql_source, create_table
from tests.services.cluster import Row, Stage
from tests.services.postgresql import PostgresqlServer

LINES = 40_000
HURRY_SECONDS, PAUSE_SECONDS = 2.0, 0.3
"""Of an ``Asker``."""

HEAL_SECONDS = 90.0
"""Generous: tests share the machine; ``python -m benchmarks heal`` holds the figure."""


def home_of(stage: Stage, name: str | None = None) -> ClusterHome:
    """The folder of a cluster of this stage."""
    return ClusterHome(stage.folder / "home" / "clusters" / (name or stage.cluster))


def connect(stage: Stage, **more: object) -> psycopg.Connection[Row]:
    """A connection to the master as the first admin, or as ``more`` says. Where: public.json has it, and ``bdc`` costs a process."""
    endpoints = json.loads(home_of(stage).public.read_text())["endpoints"]
    address = next(str(entry["endpoint"]) for entry in endpoints if entry["name"] == "sql-server-master")
    login = {"user": "admin", "password": stage.password, "autocommit": True, **more}
    return psycopg.connect(address, **login)  # type: ignore[arg-type]


def until(condition: Callable[[], bool], what: str, seconds: float = HEAL_SECONDS) -> None:
    """Wait; AssertionError with ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)


def workloads(home: ClusterHome) -> dict[str, dict[str, object]]:
    """Name → entry of the supervisor's list; empty while no supervisor answers."""
    try:
        return {str(entry["name"]): entry for entry in SupervisorClient(home.path, 10).call("list")["workloads"]}
    except SupervisorError:
        return {}


def pids(home: ClusterHome) -> dict[str, int]:
    """Name → pid of what runs."""
    return {name: int(str(entry["pid"])) for name, entry in workloads(home).items() if entry["pid"]}


def supervisor_pid(home: ClusterHome) -> int | None:
    """Of the supervisor that answers."""
    try:
        return int(SupervisorClient(home.path, 10).call("ping")["pid"])
    except SupervisorError:
        return None


def green(home: ClusterHome) -> bool:
    """Every workload ready or done, and the controller's own status says so too."""
    found = workloads(home)
    try:
        status = home.store.read("status.json")
    except ControllerError:
        return False
    settled = bool(found) and all(entry["state"] in ("ready", "done") for entry in found.values())
    return settled and isinstance(status, dict) and status.get("state") == "ready"


def kill_and_heal(home: ClusterHome, *names: str) -> None:
    """kill -9 of the main processes of ``names`` at once; returns when all is green with other pids."""
    before = pids(home)
    for name in names:
        os.kill(before[name], signal.SIGKILL)
    until(lambda: all(pids(home).get(name) not in (None, before[name]) for name in names), f"{names} run again")
    until(lambda: green(home), f"all is green after {names}: {workloads(home)}")


@dataclass(frozen=True)
class MainJob:
    """A file in HDFS, a remote table and a local table in one query, in the schema ``name``."""

    stage: Stage
    name: str

    @property
    def query(self) -> str:
        """Its answer is known from the generator of the data."""
        schema = self.name
        return (
            f"SELECT l.word, count(*), sum(f.amount), max(r.label) FROM {schema}.lines f JOIN {schema}.labels r ON r.id = f.id % 10 "
            f"JOIN {schema}.words l ON l.id = f.id % 3 GROUP BY l.word ORDER BY l.word"
        )

    @property
    def expected(self) -> list[Row]:
        """By plain Python."""
        groups: dict[str, list[int]] = {}
        for number in range(LINES):
            groups.setdefault(f"word {number % 3}", []).append(number)
        return [(word, len(members), sum(n * 7 for n in members), "label 9") for word, members in sorted(groups.items())]

    def ask(self) -> list[Row]:
        """Once, on a connection of its own."""
        with connect(self.stage, connect_timeout=10) as session:
            return session.execute(self.query).fetchall()

    def right(self, seconds: float = HEAL_SECONDS) -> None:
        """Right now, or after clear errors within ``seconds``; a wrong answer is never forgiven."""
        deadline, expected = time.monotonic() + seconds, self.expected
        while True:
            try:
                assert self.ask() == expected
                return
            except psycopg.Error as error:
                assert time.monotonic() < deadline, f"no answer within {seconds:g} s: {error}"
                time.sleep(0.2)


def main_job(stage: Stage, server: PostgresqlServer, name: str) -> MainJob:
    """Make files, tables and sources named ``name``."""
    lines = stage.folder / f"{name}.csv"
    lines.write_text("id,amount\n" + "".join(f"{number},{number * 7}\n" for number in range(LINES)))
    stage.bdc("hdfs", "mkdir", f"hdfs:/{name}", output=None)
    stage.bdc("hdfs", "cp", str(lines), f"hdfs:/{name}/lines.csv", output=None)
    with server.connect() as remote:
        remote.execute(f"CREATE DATABASE {name}")
    with server.connect(name) as remote:
        remote.execute("CREATE TABLE labels AS SELECT i AS id, 'label ' || i AS label FROM generate_series(0, 9) AS i")
    with connect(stage) as master:
        master.execute(f"CREATE SCHEMA {name}")
        master.execute(f"CREATE TABLE {name}.words AS SELECT i AS id, 'word ' || i AS word FROM generate_series(0, 2) AS i")
        create_table(master, f"{name}.lines", "hdfs", f"/{name}/lines.csv")
        create_postgresql_source(master, name, server, name)
        create_table(master, f"{name}.labels", name, "public.labels")
    job = MainJob(stage, name)
    job.right()
    return job


class Asker(threading.Thread):
    """Asks a main job all the time; counts right, failed and wrong answers. At first and when told to hurry it never pauses, so that a kill
    meets a query; soon it pauses between two, since what it takes of the machine lacks those who heal."""

    def __init__(self, job: MainJob) -> None:
        super().__init__(daemon=True)
        self.job = job
        self.right = self.failed = 0
        self.wrong: list[list[Row]] = []
        self.ended = threading.Event()
        self.hurry()

    def hurry(self) -> None:
        """For the next ``HURRY_SECONDS``."""
        self._hurries_until = time.monotonic() + HURRY_SECONDS

    def run(self) -> None:
        """Until told to end."""
        expected = self.job.expected
        while not self.ended.is_set():
            try:
                with connect(self.job.stage, connect_timeout=10) as session:
                    while not self.ended.is_set():
                        rows = session.execute(self.job.query).fetchall()
                        self.right += rows == expected
                        self.wrong += [rows] if rows != expected else []
                        self.ended.wait(PAUSE_SECONDS if time.monotonic() > self._hurries_until else 0)
            except psycopg.Error:
                self.failed += 1
                self.ended.wait(PAUSE_SECONDS)


@contextmanager
def asking(job: MainJob) -> Iterator[Asker]:
    """The job is asked all the time meanwhile."""
    asker = Asker(job)
    asker.start()
    try:
        yield asker
    finally:
        asker.ended.set()
        asker.join(60)


@dataclass
class Local:
    """``python -m controller.local`` in a stage, as the CLI starts it; ``user``: an OS user to be, instead of who runs the test."""

    stage: Stage
    user: str | None = None

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a verb; the password of the first admin is on its standard input."""
        process = subprocess.Popen(
            [sys.executable, "-m", "controller.local", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd="/",
            env={**self.stage.environment, "HOME": str(self.stage.folder), "PYTHONPATH": str(Path(__file__).parents[2])},
            user=self.user, group="nogroup" if self.user else None, extra_groups=[] if self.user else None,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(json.dumps({"username": "admin", "password": self.stage.password}))
        process.stdin.close()
        process.stdin = None
        return process

    def run(self, *arguments: str) -> dict[str, object]:
        """The last event of a verb."""
        return last_event(self.start(*arguments))


def last_event(process: subprocess.Popen[str]) -> dict[str, object]:
    """Wait for the end; ``done`` or ``error``."""
    out, err = process.communicate(timeout=240)
    assert out, err[-2000:]
    event: dict[str, object] = json.loads(out.splitlines()[-1])
    return event
