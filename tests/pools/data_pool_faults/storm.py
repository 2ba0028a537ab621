"""Rounds of operations with kill -9 of a participant at a random moment, while readers look all the time.

Each round has a seed of its own, so that its operations, its victim and the moment are the same again; what the machine does between
them is not.
"""

from __future__ import annotations

import contextlib
import pathlib
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import kill
from random import Random

from pools.data.settings import Limits
from tests.pools.data_pool_faults.lanes import Lane, Wrong
from tests.pools.data_pool_faults.loads import Loader, random_load
from tests.pools.data_pool_faults.resizes import Resize
from tests.pools.data_pool_faults.stage import BROKEN, SHARED, USERS, make_tables, own, patiently, sqlstate, tables_of
from tests.pools.data_pool_faults.transactions import Connection, Transaction
from tests.services.data_pool import DataPool, Service, data_pool
from tests.services.forkserver import fork_servers

VICTIMS = {"shard": 6, "compute": 5, "master": 2, "nobody": 2}
"""And how often. Drivers, executors and SQL clients die inside of their operations; the master takes longest to come back."""

OPERATIONS = 2
"""Of each lane in a round."""

LATEST_SECONDS = 0.35
"""The kill comes at a random moment up to here."""

LIMITS = Limits(memory_mb=1024, compaction_seconds=0.7, retention_seconds=8.0)
"""Compaction is at work in every round."""

RESIZES = 0.05
"""In so many of the rounds a table is moved to other shards meanwhile."""

RESIZE_SECONDS = 2.0
"""So long a round waits for a move; one whose replica was killed goes on when the replica is found to be silent, rounds later."""

PAUSE_SECONDS = 0.1
"""Of readers: what they compute, the operations lack."""

JOIN_SECONDS = 240.0


@dataclass
class Storm:
    """Over a pool with its tables made. ``seed``: of all rounds."""

    pool: DataPool
    seed: int
    lanes: list[Lane] = field(default_factory=lambda: [Lane.empty(number, tables_of(number)) for number in range(len(USERS))])
    kills: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    """Of operations: its kind, then ``done`` or the SQLSTATE of the error (``done`` is right too after ``broken``)."""

    resizes: Counter[str] = field(default_factory=Counter)
    reads: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    """What should not be: neither an answer nor an error of the protocol."""

    def count(self, kind: Wrong) -> int:
        """How often readers found something ``lost``, ``doubled`` or ``half_seen``."""
        return sum(lane.found[kind] for lane in self.lanes)

    @property
    def lines(self) -> list[str]:
        """All that was wrong."""
        return [*(line for lane in self.lanes for line in lane.lines), *self.failures]

    def rounds(self, first: int, count: int, each: Callable[[int], None] = lambda number: None) -> None:
        """``count`` of them from number ``first`` on; ``each`` is told after every one. Stops at the first that finds something."""
        with self._readers():
            for number in range(first, first + count):
                self._round(number)
                each(number)
                if self.lines:
                    return
        self._guarded(self._count_resizes)

    def _round(self, number: int) -> None:
        random = Random(f"{self.seed} {number}")
        work: list[Callable[[], None]] = [lambda: self._kills(random)]
        work += [lambda lane=lane: self._writes(lane, number) for lane in self.lanes]  # type: ignore[misc]
        if random.random() < RESIZES:
            work.append(lambda: self._resizes(Random(f"{self.seed} {number} resize")))
        if self._together(work):
            self._guarded(self._settled)
        else:
            self.failures.append(f"round {number} does not end")

    def _together(self, work: Sequence[Callable[[], None]]) -> bool:
        """All of it, on threads; False when it does not end."""
        threads = [threading.Thread(target=self._guarded, args=(one,)) for one in work]
        for one in threads:
            one.start()
        for one in threads:
            one.join(JOIN_SECONDS)
        return not any(one.is_alive() for one in threads)

    def _guarded(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            work(*arguments)
        except Exception:  # noqa: BLE001 a thread's end would go unseen
            self.failures.append(traceback.format_exc())

    def _writes(self, lane: Lane, number: int) -> None:
        random = Random(f"{self.seed} {number} {lane.number}")
        for operation in range(OPERATIONS):
            first = ((lane.number * 1_000_000 + number) * OPERATIONS + operation) * 1000
            user = USERS[lane.number]
            if random.random() < 0.5:
                loader = Loader(self.pool, lane, user, random)
                (kind, done), said = random_load(loader, first), loader.said
            else:
                transaction = Transaction(self.pool, lane, user, random, first)
                (kind, done), said = transaction.run(), transaction.said
            self.outcomes[f"{kind} {'done' if done else 'not done'} {said}".strip()] += 1

    def _kills(self, random: Random) -> None:
        victim = random.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        time.sleep(random.uniform(0, LATEST_SECONDS))
        self.kills[victim] += 1
        if victim != "nobody":
            kill_participant(self.pool, victim, random)

    def _resizes(self, random: Random) -> None:
        """One table onto one shard, or onto both."""
        time.sleep(random.uniform(0, LATEST_SECONDS / 2))
        resize = Resize(
            self.pool, random.choice((*SHARED, *(own(lane.number) for lane in self.lanes))), random.randint(1, len(self.pool.shards))
        )
        self.outcomes[f"resize {resize.run(RESIZE_SECONDS)}"] += 1

    def _count_resizes(self) -> None:
        """How all of them ended, also those that took longer than their round."""
        with self.pool.admin() as admin:
            for state, number in admin.execute("SELECT state, count(*) FROM bdc.data_operations GROUP BY state").fetchall():
                self.resizes[state] = number

    def _settled(self) -> None:
        """All is back: what is acknowledged is there, at each way to read it."""
        ways: list[Callable[[], Connection]] = [
            lambda: self.pool.connect(USERS[0]),
            *((lambda at=replica: self.pool.direct(USERS[1], at)) for replica in range(len(self.pool.replicas))),
        ]
        self._together([lambda way=way: patiently(lambda: self._look(way)) for way in ways])  # type: ignore[misc]

    def _look(self, connect: Callable[[], Connection]) -> None:
        with connect() as connection:
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        """One transaction over all tables of all lanes."""
        since = [lane.begin_reading() for lane in self.lanes]
        found: list[dict[str, list[tuple[int, int]]]] = [{table: [] for table in tables_of(lane.number)} for lane in self.lanes]
        with connection.transaction():
            for table in dict.fromkeys(table for lane in self.lanes for table in tables_of(lane.number)):
                for number, *row in connection.execute(f"SELECT lane, id, value FROM public.{table}").fetchall():
                    found[number][table].append((row[0], row[1]))
        for lane, start, seen in zip(self.lanes, since, found, strict=True):
            lane.judge(start, seen)
        self.reads["right or wrong"] += 1

    @contextmanager
    def _readers(self) -> Iterator[None]:
        ended = threading.Event()
        ways: list[Callable[[], Connection]] = [
            lambda: self.pool.connect(USERS[0]),
            lambda: self.pool.direct(USERS[1], self.reads.total() % len(self.pool.replicas)),
        ]
        readers = [threading.Thread(target=self._guarded, args=(self._reads, connect, ended)) for connect in ways]
        for one in readers:
            one.start()
        try:
            yield
        finally:
            ended.set()
            for one in readers:
                one.join(JOIN_SECONDS)

    def _reads(self, connect: Callable[[], Connection], ended: threading.Event) -> None:
        while not ended.is_set():
            try:
                with connect() as connection:
                    while not ended.wait(PAUSE_SECONDS):
                        self._read(connection)
            except BROKEN as error:
                self.reads[f"error {sqlstate(error)}"] += 1
                time.sleep(0.05)


def kill_participant(pool: DataPool, victim: str, random: Random) -> None:
    """kill -9 of the ``master``, a ``shard`` or a ``compute`` replica, and its restart, sometimes a little later."""
    away = random.choice((0.0, 0.0, random.uniform(0, 0.3)))
    if victim == "master":
        kill_master(pool)
        time.sleep(away)
        pool.start_master()
        return
    service: Service = random.choice(pool.shards if victim == "shard" else pool.replicas)
    service.kill()
    time.sleep(away)
    service.start()


def kill_master(pool: DataPool) -> None:
    """kill -9 of all its processes, as when its machine fails."""
    assert pool.master_process is not None
    process = pool.master_process.process
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            kill(int(child), signal.SIGKILL)
    process.wait()


@contextmanager
def storm(seed: int) -> Iterator[Storm]:
    """With a pool of its own: two shards, two replicas."""
    with fork_servers() as forks, data_pool(shards=2, replicas=2, shard_limits=LIMITS, forks=forks) as pool:
        make_tables(pool)
        yield Storm(pool, seed)
