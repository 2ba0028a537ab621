"""``heal``: kill -9 of each process in turn under a running query, until every probe is green and the main query right again."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

import psycopg

from benchmarks.footprint import workload_of
from benchmarks.remote import add_points, add_rows, remote_postgresql
from benchmarks.report import Figure, Report
from tests.services import cluster as stage

QUERY = """
SELECT r.grp, count(*), sum(r.amount), max(p.name)
FROM rows_parquet r JOIN points p ON p.id = r.id JOIN groups g ON g.grp = r.grp
WHERE r.id BETWEEN 1 AND 200000 GROUP BY r.grp ORDER BY r.grp LIMIT 20"""
LIMIT_SECONDS = 60


class Asker(threading.Thread):
    """Asks the main query all the time; counts right, failed and wrong answers."""

    def __init__(self, place: stage.Stage, expected: list[tuple[object, ...]]) -> None:
        super().__init__(daemon=True)
        self.place, self.expected = place, expected
        self.wrong = self.right = self.failed = 0
        self.ended = threading.Event()

    def run(self) -> None:
        """Until told to end."""
        while not self.ended.is_set():
            try:
                with self.place.sql(connect_timeout=5) as session:
                    while not self.ended.is_set():
                        self.judge(session.execute(QUERY).fetchall())
            except (psycopg.Error, RuntimeError, StopIteration):
                self.failed += 1
                time.sleep(0.1)

    def judge(self, rows: list[tuple[object, ...]]) -> None:
        """A different answer is a wrong one."""
        if rows == self.expected:
            self.right += 1
        else:
            self.wrong += 1


def healed_seconds(place: stage.Stage, asker: Asker, pid: int) -> float:
    """Kill, then wait until the status is healthy and two more answers were right."""
    os.kill(pid, signal.SIGKILL)
    began = time.perf_counter()
    right = asker.right
    while time.perf_counter() - began < LIMIT_SECONDS:
        with contextlib.suppress(RuntimeError):
            status = place.bdc("status", "--all")
            if isinstance(status, dict) and status.get("health") == "healthy" and asker.right >= right + 2:
                return time.perf_counter() - began
        time.sleep(0.2)
    raise RuntimeError(f"not healed within {LIMIT_SECONDS} s")


def main_processes(place: stage.Stage) -> dict[str, int]:
    """Workload → its first process (children of a workload's process are left out)."""
    found: dict[str, int] = {}
    for pid in sorted(place.processes()):
        found.setdefault(workload_of(pid), pid)
    return found


def run(rounds: int | None) -> Report:
    """Each process of the cluster once per round, the supervisor and the controller included."""
    spent: dict[str, list[float]] = {}
    with stage.cluster() as place, remote_postgresql() as server:
        add_points(place, server)
        add_rows(place)
        with place.sql() as session:
            session.execute("CREATE TABLE groups AS SELECT g AS grp FROM generate_series(0, 999) AS g")
            expected = session.execute(QUERY).fetchall()
        asker = Asker(place, expected)
        asker.start()
        for _ in range(rounds or 1):
            for name in sorted(main_processes(place)):
                if name != "supervisor":
                    spent.setdefault(name, []).append(healed_seconds(place, asker, main_processes(place)[name]))
        asker.ended.set()
        asker.join(30)
    lines = tuple(f"{name:<20} {max(values):6.1f} s" for name, values in spent.items())
    worst = max(value for values in spent.values() for value in values)
    return Report(
        "heal",
        (Figure("max_s", worst, "s", "<= 20"), Figure("wrong_answers", asker.wrong, "answers", "<= 0")),
        (*lines, f"{asker.right} right answers, {asker.failed} clear errors while something was down"),
        {"killed": sorted(spent), "right_answers": asker.right},
    )
