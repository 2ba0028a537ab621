"""``heal``: kill -9 of each process in turn under a running query, until every probe is green and the main query right again."""

from __future__ import annotations

import os
import signal
import threading
import time

import psycopg

from benchmarks.remote import add_points, add_rows, remote_postgresql
from benchmarks.report import Figure, Report
from controller.substrates.local.layout import ClusterHome
from tests.cluster.life import connect, green, home_of, pids, supervisor_pid
from tests.services import cluster as stage

QUERY = """
SELECT r.grp, count(*), sum(r.amount), max(p.name)
FROM rows_parquet r JOIN points p ON p.id = r.id JOIN groups g ON g.grp = r.grp
WHERE r.id BETWEEN 1 AND 200000 GROUP BY r.grp ORDER BY r.grp LIMIT 20"""
SUPERVISOR = "supervisor"
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
                with connect(self.place, connect_timeout=5) as session:
                    while not self.ended.is_set():
                        self.judge(session.execute(QUERY).fetchall())
            except psycopg.Error:
                self.failed += 1
                time.sleep(0.1)

    def judge(self, rows: list[tuple[object, ...]]) -> None:
        """A different answer is a wrong one."""
        if rows == self.expected:
            self.right += 1
        else:
            self.wrong += 1


def running(home: ClusterHome) -> dict[str, int]:
    """Every process that the cluster is made of: name → pid, the supervisor's included."""
    first = supervisor_pid(home)
    return {**pids(home), **({SUPERVISOR: first} if first is not None else {})}


def healed_seconds(home: ClusterHome, asker: Asker, name: str) -> float:
    """Kill, then wait until it runs again, every probe is green, and two answers that began after that were right."""
    before = running(home)[name]
    os.kill(before, signal.SIGKILL)
    began, right = time.perf_counter(), None
    while time.perf_counter() - began < LIMIT_SECONDS:
        now = asker.right
        if running(home).get(name) in (None, before) or not green(home):
            right = None  # not before all is green: what is right by then may have begun before the kill
        elif right is None:
            right = now
        elif now >= right + 2:
            return time.perf_counter() - began
        time.sleep(0.05)
    raise RuntimeError(f"{name}: not healed within {LIMIT_SECONDS} s")


def run(rounds: int | None) -> Report:
    """Each process of the cluster once per round, the supervisor and the controller included."""
    spent: dict[str, list[float]] = {}
    with stage.cluster() as place, remote_postgresql() as server:
        add_points(place, server)
        add_rows(place)
        home = home_of(place)
        with connect(place) as session:
            session.execute("CREATE TABLE groups AS SELECT g AS grp FROM generate_series(0, 999) AS g")
            expected = session.execute(QUERY).fetchall()
        asker = Asker(place, expected)
        asker.start()
        for _ in range(rounds or 1):
            for name in sorted(running(home)):
                spent.setdefault(name, []).append(healed_seconds(home, asker, name))
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
