"""Rounds of Spark writes with kill -9 of an executor, of a Python worker, of the driver or of a participant of the pool at a random moment,
tasks that fail twice, and speculative copies; a reader looks all the time, and every write is there whole or not at all, exactly once.

    with data_pool() as pool, spark_storm(pool, seed=1) as storm:
        storm.rounds(0, 20)
        storm.done, storm.count("lost"), storm.count("doubled"), storm.count("half_seen"), storm.kills, storm.lines
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import secrets
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.pools.data_pool_faults.lanes import Lane, Wrong
from tests.pools.data_pool_faults.stage import BROKEN, patiently, sqlstate
from tests.pools.data_pool_faults.storm import kill_participant
from tests.services.data_pool import PASSWORD, DataPool
from tests.services.spark import SparkEnvironment, spark_environment

JOB = pathlib.Path(__file__).with_name("storm_job.py")
VICTIMS = {"executor": 5, "worker": 3, "driver": 2, "nobody": 2}
"""And how often. A new driver takes longest to come. ``shard``, ``compute`` and ``master`` may be named too."""

OF_POOL = frozenset({"shard", "compute", "master"})
TRIES = 5
"""A driver's write that failed because a participant of the pool was killed is run again, under its id."""

PARTITIONS, ROWS = 4, 400
LATEST_SECONDS = 1.5
"""The kill comes at a random moment up to here; most writes take as long."""

ANSWER_SECONDS, READY_SECONDS = 180.0, 240.0
PAUSE_SECONDS = 0.1


class DriverKilledError(Exception):
    """It ended before it answered."""


class Driver:
    """One Spark application, which ``storm_job.py`` is. ``given``: its first line."""

    def __init__(self, spark: SparkEnvironment, given: Mapping[str, object]) -> None:
        self._log = (spark.folder / f"driver-{secrets.token_hex(4)}.log").open("wb")
        self._process = subprocess.Popen(
            [spark.python, JOB],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=spark.variables(),
            cwd=spark.folder,
            text=True,
        )
        self._all: set[int] = set()
        try:
            self._ask(given, READY_SECONDS)
        except DriverKilledError:
            said = self.log[-4000:]
            self.close()
            raise RuntimeError(f"Spark does not start: {said}") from None
        except BaseException:
            self.close()
            raise

    @property
    def log(self) -> str:
        """Standard error so far."""
        return pathlib.Path(self._log.name).read_text(errors="replace")

    def write(self, wanted: Mapping[str, object]) -> str:
        """Runs it; empty, or why it failed. DriverKilledError, also where it takes too long."""
        return str(self._ask(wanted, ANSWER_SECONDS)["said"])

    def _ask(self, line: Mapping[str, object], seconds: float) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        watch = threading.Timer(seconds, self.kill)
        watch.start()
        try:
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()
            for said in self._process.stdout:
                if said.startswith("{"):
                    answer: dict[str, Any] = json.loads(said)
                    return answer
        except OSError:
            pass
        finally:
            watch.cancel()
        raise DriverKilledError

    def processes(self, kind: str) -> list[int]:
        """Of this driver's tree that run now: ``executor`` (Java), ``worker`` (Python, with rows of a task), ``driver`` (both halves)."""
        tree = descendants(self._process.pid)
        self._all.update(tree)
        if kind == "driver":
            return [pid for pid, words in tree.items() if "org.apache.spark.deploy.SparkSubmit" in words] + [self._process.pid]
        if kind == "executor":
            return [pid for pid, words in tree.items() if "CoarseGrainedExecutorBackend" in words]
        daemons = {pid for pid, words in tree.items() if "pyspark.worker" in words}
        return [pid for pid in daemons if parent(pid) in daemons]

    def kill(self) -> None:
        """The driver itself; its executors notice by themselves, as far as they do."""
        for pid in self.processes("driver"):
            killed(pid)
        self._process.wait()

    def close(self) -> None:
        """Nothing of it runs any more."""
        self.processes("driver")
        if self._process.poll() is None:
            self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what it was still to be told
                assert pipe is not None
                pipe.close()
        for pid in self._all - {self._process.pid}:
            if any("spark" in word for word in words_of(pid)):  # the number may be another process's by now
                killed(pid)
        self._log.close()


@dataclass
class SparkStorm:
    """Over a pool of its own tables. ``seed``: of all rounds."""

    pool: DataPool
    spark: SparkEnvironment
    table: str
    notes: pathlib.Path
    seed: int
    lane: Lane
    driver: Driver | None = None
    done: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    """Of writes: mode, and ``done`` or ``refused``."""

    reads: Counter[str] = field(default_factory=Counter)
    """Errors that the reader met: none, unless a participant of the pool was killed."""

    copies: int = 0
    """Second attempts at partitions that had not failed: speculation, or a killed executor or worker."""

    failures: list[str] = field(default_factory=list)
    """What should not be."""

    def count(self, kind: Wrong) -> int:
        """How often something was ``lost``, ``doubled`` or ``half_seen``."""
        return self.lane.found[kind]

    @property
    def lines(self) -> list[str]:
        """All that was wrong."""
        return [*self.lane.lines, *self.failures]

    @property
    def pool_was_killed(self) -> bool:
        """Some of it: readers may meet that."""
        return any(self.kills[victim] for victim in OF_POOL)

    def rounds(self, first: int, count: int, victims: Mapping[str, int] = VICTIMS) -> None:
        """``count`` of them from number ``first`` on; they end at the first that finds something."""
        with self._reader():
            for number in range(first, first + count):
                self._round(number, victims)
                self.done += 1
                if self.lines:
                    return

    def _round(self, number: int, victims: Mapping[str, int]) -> None:
        random = Random(f"{self.seed} {number}")
        victim = random.choices(list(victims), list(victims.values()))[0]
        wanted, after = self._planned(number, random, breaks=victim == "nobody")
        proposal = self.lane.propose({self.table: after})
        driver = self._driver()
        killer = threading.Timer(random.uniform(0.2, LATEST_SECONDS), self._kill, (driver, victim, random))
        killer.start()
        try:
            said = driver.write(wanted)
        except DriverKilledError:
            killer.join()
            if victim != "driver":
                self.failures.append(f"round {number}: the driver ended: {driver.log[-2000:]}")
                return
            said = self._driver().write(wanted)  # the same load, by its id: twice is once
        killer.join()
        for _ in range(TRIES if victim in OF_POOL else 0):  # whether it has happened is not known; the pool is whole again
            said = said and driver.write(wanted)
        if victim in OF_POOL and said:
            self.failures.append(f"round {number}: with the {victim} back it fails still: {said[:2000]}")
            return
        self.outcomes[f"{wanted['mode']} {'done' if not said else 'refused'}"] += 1
        if victim == "nobody" and said:
            self.failures.append(f"round {number}: nobody was killed, but: {said[:2000]}")
        self.lane.resolve(proposal, done=not said)
        again = [path for path in self.notes.glob(f"{number}-*-*") if not path.name.endswith("-0")]
        self.copies += sum(1 for path in again if int(path.name.split("-")[1]) != wanted["broken"])
        self._look()

    def _planned(self, number: int, random: Random, *, breaks: bool) -> tuple[dict[str, Any], dict[int, int]]:
        """The write, and the rows that the table has after it."""
        mode = random.choice(("append", "overwrite", "upsert"))
        now = dict(self.lane.state[self.table])
        first = number * 1000 * ROWS if mode != "upsert" or not now else random.choice(list(now))
        made = dict.fromkeys(range(first, first + ROWS), number)
        wanted: dict[str, Any] = {
            "number": number, "load_id": f"storm-{self.seed}-{number}",
            "mode": "overwrite" if mode == "overwrite" else "append", "options": {"writeMode": "upsert"} if mode == "upsert" else {},
            "first": first, "rows": ROWS, "value": number, "partitions": PARTITIONS, "pause": 0.03,
            "straggler": random.randrange(PARTITIONS), "straggles": random.choice((0.03, 0.6)),
            "broken": random.randrange(PARTITIONS) if breaks else -1, "failures": 2 if breaks else 0,
        }  # fmt: skip
        return wanted, made if mode == "overwrite" else now | made

    def _kill(self, driver: Driver, victim: str, random: Random) -> None:
        self.kills[victim] += 1
        if victim == "driver":
            driver.kill()
        elif victim in OF_POOL:
            kill_participant(self.pool, victim, random)
        elif victim != "nobody":
            found = driver.processes(victim)
            self.kills[f"{victim} found"] += bool(found)
            if found:
                killed(random.choice(sorted(found)))

    def _driver(self) -> Driver:
        if self.driver is None or not self.driver.processes("executor") or self.driver._process.poll() is not None:
            if self.driver is not None:
                self.driver.close()
            login = {"host": "127.0.0.1", "port": str(self.pool.master.port), "user": "admin", "password": PASSWORD, "database": "bdc"}
            self.driver = Driver(self.spark, {"login": login, "table": self.table, "notes": str(self.notes)})
        return self.driver

    def _look(self) -> None:
        """Patiently: a participant that is back may still be found out."""

        def once() -> None:
            with self.pool.connect("alice") as connection:
                self._read(connection)

        patiently(once)

    def _read(self, connection: Any) -> None:
        since = self.lane.begin_reading()
        self.lane.judge(since, {self.table: connection.execute(f"SELECT id, value FROM {self.table}".encode()).fetchall()})

    @contextmanager
    def _reader(self) -> Iterator[None]:
        ended = threading.Event()
        reader = threading.Thread(target=self._reads, args=(ended,))
        reader.start()
        try:
            yield
        finally:
            ended.set()
            reader.join()

    def _reads(self, ended: threading.Event) -> None:
        while not ended.is_set():
            try:
                with self.pool.connect("bob") as connection:
                    while not ended.wait(PAUSE_SECONDS):
                        self._read(connection)
            except BROKEN as error:
                self.reads[f"error {sqlstate(error)}"] += 1
                if not self.pool_was_killed:
                    self.failures.append(f"the reader: {error!r}")
                ended.wait(PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001 a thread's end would go unseen
                self.failures.append(f"the reader: {error!r}")
                return


def words_of(pid: int) -> list[str]:
    """A process's command; empty where it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


def parent(pid: int) -> int:
    """0 where it is gone."""
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def descendants(root: int) -> dict[int, str]:
    """Process → its command, of all below ``root``."""
    numbers = [int(path.name) for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()]
    parents = {pid: parent(pid) for pid in numbers}
    found, more = set(), {root}
    while more:
        more = {pid for pid, above in parents.items() if above in more}
        found |= more
    return {pid: " ".join(words_of(pid)) for pid in found}


def killed(pid: int) -> None:
    """kill -9; harmless where it is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@contextmanager
def spark_storm(pool: DataPool, seed: int) -> Iterator[SparkStorm]:
    """With a Spark of its own; the table is made in ``pool`` and dropped at the end. Nothing of Spark runs afterwards."""
    table = f"public.spark_storm_{secrets.token_hex(3)}"
    columns = json.dumps([{"name": name, "type": "bigint", "nullable": False} for name in ("id", "value")])
    with pool.connect("admin") as admin:
        admin.execute("CALL bdc.create_data_table(%s, %s::jsonb, %s, %s)", [table, columns, "HASH(id)", ["id"]])
        admin.execute(f"GRANT SELECT ON {table} TO alice, bob".encode())
    with spark_environment() as spark:
        notes = spark.folder / "notes"
        notes.mkdir()
        storm = SparkStorm(pool, spark, table, notes, seed, Lane.empty(0, [table]))
        try:
            yield storm
        finally:
            if storm.driver is not None:
                storm.driver.close()
            with pool.connect("admin") as admin:  # another one: the master may have been killed meanwhile
                admin.execute("CALL bdc.drop_data_table(%s)", [table])
