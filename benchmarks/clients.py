"""``clients``: fifty clients with mixed queries for two minutes: errors, latency, growth of the cluster's memory."""

from __future__ import annotations

import random
import threading
import time

import psycopg

from benchmarks.footprint import measure
from benchmarks.remote import POINTS, add_points, add_rows, remote_postgresql
from benchmarks.report import Figure, Report, median, percentile
from tests.services import cluster as stage

CLIENTS = 50
SECONDS = 120
WARM_UP_SECONDS = 20


def queries(random_: random.Random) -> str:
    """One of the mix: point look-ups, aggregates at the source and over files, a join of both with a local table."""
    key = random_.randrange(1, POINTS)
    return random_.choices(
        (
            f"SELECT * FROM points WHERE id = {key}",
            f"SELECT made_on, count(*), sum(amount) FROM points WHERE id BETWEEN {key} AND {key + 2000} "
            "GROUP BY made_on ORDER BY made_on LIMIT 10",
            f"SELECT grp, count(*), avg(share) FROM rows_parquet WHERE grp = {key % 1000} GROUP BY grp",
            f"SELECT g.grp, p.name FROM groups g JOIN points p ON p.id = g.grp + {key % 100000} WHERE g.grp < 5 ORDER BY 1",
        ),
        weights=(70, 15, 10, 5),
    )[0]


class Client(threading.Thread):
    """One connection, one query after the other."""

    def __init__(self, place: stage.Stage, number: int, until: float) -> None:
        super().__init__(daemon=True)
        self.place, self.random, self.until = place, random.Random(number), until
        self.spent: list[float] = []
        self.errors: list[str] = []

    def run(self) -> None:
        """Until the time is over."""
        with self.place.sql() as session:
            while time.perf_counter() < self.until:
                began = time.perf_counter()
                try:
                    session.execute(queries(self.random)).fetchall()
                except psycopg.Error as error:
                    self.errors.append(str(error))
                self.spent.append((time.perf_counter() - began) * 1000)


def storm(place: stage.Stage, seconds: float) -> list[Client]:
    """All clients for ``seconds``."""
    until = time.perf_counter() + seconds
    clients = [Client(place, number, until) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(seconds + 120)
    return clients


def run(rounds: int | None) -> Report:
    """Warm up (connections, caches), then measure memory before and after the storm."""
    with stage.cluster() as place, remote_postgresql() as server:
        add_points(place, server)
        add_rows(place)
        with place.sql() as session:
            session.execute("CREATE TABLE groups AS SELECT g AS grp FROM generate_series(0, 999) AS g")
        storm(place, WARM_UP_SECONDS)
        before = measure(place)
        clients = storm(place, SECONDS)
        time.sleep(5)
        after = measure(place)
    spent = [value for client in clients for value in client.spent]
    errors = [error for client in clients for error in client.errors]
    grown = {name: after.get(name, 0.0) - before.get(name, 0.0) for name in after}
    lines = [f"{len(spent)} queries, {len(spent) / SECONDS:.0f} a second", *(f"error: {error.splitlines()[0]}" for error in errors[:5])]
    return Report(
        "clients",
        (
            Figure("errors", len(errors), "", "<= 0"),
            Figure("p99_ms", percentile(spent, 0.99), "ms"),
            Figure("p50_ms", median(spent), "ms"),
            Figure("rss_growth_mb", sum(grown.values()), "MiB", "<= 100"),
        ),
        tuple(lines),
        {"queries": len(spent), "growth": {name: round(value, 1) for name, value in grown.items()}},
    )
