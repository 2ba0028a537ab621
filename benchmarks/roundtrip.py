"""``roundtrip``: a point query on a remote PostgreSQL table through the master, on an open connection; the same straight at the
remote server and at a local table of the master beside it, alternating."""

from __future__ import annotations

import random
import time

import psycopg

from benchmarks.remote import POINTS, add_points, remote_postgresql
from benchmarks.report import Figure, Report, median, percentile
from tests.services import cluster as stage

WARM_UP = 30


def milliseconds(session: psycopg.Connection[tuple[object, ...]], key: int) -> float:
    """One query with its fetch."""
    began = time.perf_counter()
    row = session.execute(f"SELECT id, name, amount, made_on FROM points WHERE id = {key}").fetchone()
    spent = (time.perf_counter() - began) * 1000
    if row is None or row[0] != key:
        raise RuntimeError(f"wrong answer for {key}: {row}")
    return spent


def run(rounds: int | None) -> Report:
    """Different keys each time, so that no answer is cached anywhere."""
    count = rounds or 1000
    keys = random.Random(1).sample(range(1, POINTS + 1), count + WARM_UP)
    through: list[float] = []
    direct: list[float] = []
    with stage.cluster() as place, remote_postgresql() as server:
        add_points(place, server)
        with place.sql() as master, server.connect() as remote:
            for key in keys:
                through.append(milliseconds(master, key))
                direct.append(milliseconds(remote, key))
    through, direct = through[WARM_UP:], direct[WARM_UP:]
    return Report(
        "roundtrip",
        (
            Figure("p50_ms", median(through), "ms", "<= 5"),
            Figure("p99_ms", percentile(through, 0.99), "ms", "<= 15"),
            Figure("direct_p50_ms", median(direct), "ms", note="straight at the remote server"),
        ),
        more={"rounds": count},
    )
