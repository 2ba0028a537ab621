"""Two replicas of the compute pool: queries over both, one killed under them, and what a session says about the other one."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest

from pools.compute.queries import REPLICA_SHIFT
from tests.cluster.life import connect, green, home_of, pids, until
from tests.cluster.sources import address, create_postgresql_source, create_table
from tests.patience import PATIENCE
from tests.services.cluster import Row, Stage
from tests.services.cluster import folder as stage_folder
from tests.services.postgresql import PostgresqlServer

pytestmark = pytest.mark.service
SPEC = """\
apiVersion: openbdc.dev/v1alpha1
kind: BigDataCluster
metadata: {{name: {name}}}
spec:
  pools:
    compute: {{replicas: 2}}
    storage: {{enabled: false}}
"""
REPLICAS = ("compute-0", "compute-1")
ROWS = 1000
QUERY = "SELECT count(*), sum(near.worth) FROM far JOIN near ON near.id = far.id % 10"
ANSWER = (ROWS, 45 * ROWS)
SESSIONS = 16
"""Each goes to a replica at random: that all meet the same one happens once in 32,768 runs."""

FEW = 5
"""Errors of a client while the kernel takes a killed process down; on a quiet machine it is one."""

LOCK = 4711
"""Who holds it at the source lets the slow view wait."""


@pytest.fixture(scope="module")
def stage(postgresql: PostgresqlServer) -> Iterator[Stage]:
    with stage_folder() as made, postgresql.connect() as server:
        path = made.folder / "bdc.yaml"
        path.write_text(SPEC.format(name=made.cluster))
        made.bdc("create", "--spec", str(path))
        server.execute(f"CREATE TABLE far AS SELECT i AS id FROM generate_series(1, {ROWS}) AS i")
        server.execute(f"CREATE VIEW slow AS SELECT 1 AS id, pg_advisory_xact_lock_shared({LOCK})::text AS nothing")
        with connect(made) as master:
            create_postgresql_source(master, "other", postgresql, "postgres")
            create_table(master, "far", "other", "public.far")
            create_table(master, "slow", "other", "public.slow", {"id": "integer", "nothing": "text"})
            master.execute("CREATE TABLE near AS SELECT i AS id, i * 10 AS worth FROM generate_series(0, 9) AS i")
        yield made
        server.execute("DROP VIEW slow; DROP TABLE far")


@dataclass
class Client(threading.Thread):
    """Asks on one session all the time; a session that broke is opened again."""

    stage: Stage
    ended: threading.Event
    right: int = 0
    wrong: list[object] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        """Until told to end."""
        with connect(self.stage) as session:
            while not self.ended.is_set():
                try:
                    answer = session.execute(QUERY.encode()).fetchone()
                except psycopg.Error as error:
                    self.errors.append(str(error))
                    time.sleep(0.5)  # a process that was killed takes connections until the kernel has taken it down
                    continue
                self.right += answer == ANSWER
                self.wrong += [answer] if answer != ANSWER else []
                self.ended.wait(0.05)  # of eight clients: the killed one has to come back on the same two processors


@contextmanager
def clients(stage: Stage, number: int) -> Iterator[list[Client]]:
    """So many of them, all of which have had an answer."""
    ended = threading.Event()
    running = [Client(stage, ended) for _ in range(number)]
    for client in running:
        client.start()
    try:
        until(lambda: all(client.right for client in running), "a first answer for each")
        yield running
    finally:
        ended.set()
        for client in running:
            client.join(PATIENCE)


def ask(session: psycopg.Connection[Row]) -> list[Row]:
    """The slow view's row."""
    return session.execute("SELECT id FROM slow").fetchall()


def seen(stage: Stage) -> tuple[set[int], list[str]]:
    """What one more session sees: the replicas whose queries ``bdc.queries()`` lists, and the warnings."""
    said: list[str] = []
    with connect(stage) as session:
        session.add_notice_handler(lambda notice: said.append(f"{notice.severity} {notice.message_primary}"))
        rows = session.execute("SELECT id FROM bdc.queries() WHERE sql LIKE '%slow%'").fetchall()
    return {int(str(number)) >> REPLICA_SHIFT for (number,) in rows}, said


def test_queries_run_on_both_and_a_session_sees_those_of_one(stage: Stage, postgresql: PostgresqlServer) -> None:
    looks: list[tuple[set[int], list[str]]] = []

    def both_seen() -> bool:
        looks.append(seen(stage))
        return set().union(*(replicas for replicas, _ in looks)) == {0, 1}

    with ExitStack() as stack, ThreadPoolExecutor(SESSIONS) as threads:
        sessions = [stack.enter_context(connect(stage)) for _ in range(SESSIONS)]
        with postgresql.connect() as holder:
            holder.execute(f"SELECT pg_advisory_lock({LOCK})".encode())
            answers = [threads.submit(ask, one) for one in sessions]
            until(both_seen, "queries run on both")
        assert [answer.result(PATIENCE) for answer in answers] == [[(1,)]] * SESSIONS
    assert all(len(replicas) <= 1 for replicas, _ in looks)
    assert all(said and said[0].startswith("WARNING the compute pool has several replicas") for _, said in looks)


@pytest.mark.parametrize("name", REPLICAS)
def test_one_replica_is_killed_and_queries_go_on(stage: Stage, name: str) -> None:
    home = home_of(stage)
    before = pids(home)
    with clients(stage, 6) as running:
        os.kill(before[name], signal.SIGKILL)
        rights = [client.right for client in running]
        with clients(stage, 2) as new:  # new sessions find the other one, at once
            pass
        until(lambda: pids(home).get(name) not in (None, before[name]) and green(home), "it is there again")
        until(lambda: all(one.right > right for one, right in zip(running, rights, strict=True)), "answers for each")
    for client in (*running, *new):
        assert client.wrong == [] and len(client.errors) <= FEW, client.errors
        assert all("compute" in error or "connection" in error for error in client.errors), client.errors
    other = next(replica for replica in REPLICAS if replica != name)
    assert pids(home)[other] == before[other]


def test_the_replica_that_came_back_serves(stage: Stage) -> None:
    for name in REPLICAS:
        host, port = address(stage, name)
        with psycopg.connect(host=host, port=port, user="admin", password=stage.password, dbname="bdc", autocommit=True) as direct:
            assert direct.execute("SELECT count(*) FROM public.far").fetchone() == (ROWS,)
