"""``atomicity``: loads, upserts, merges, overwrites, transactions and resizes with kill -9 of a random participant at a random moment,
readers all the time.

Over two shards, two compute replicas and a real master (the storm's own pool, not a whole cluster: nothing but our own start-up is in
the way of the next kill). In most rounds drivers and executors are played by Flight clients whose streams are cut, repeated and abandoned;
in one of twelve a real Spark writes, and its executor, a Python worker, its driver, a shard, a replica or the master is killed. Every 20
rounds the JSON object of all so far is printed, so that an interrupted run is not lost. A seed may be given as the environment's ``SEED``;
it is printed, and so is what was wrong in which round.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from benchmarks.report import Figure, Report
from tests.pools.data_pool_faults.lanes import Wrong
from tests.pools.data_pool_faults.storm import Storm, storm
from tests.pyspark_bdc.storm import SparkStorm, spark_storm

ROUNDS = 500
TELL_ROUNDS = 20
KINDS: tuple[Wrong, ...] = ("lost", "doubled", "half_seen")

SPARK_SHARE = 1 / 12
SPARK_VICTIMS = {"executor": 4, "worker": 3, "driver": 1, "shard": 2, "compute": 2, "master": 1}
"""In Spark's rounds, and how often. A new driver takes longest to come."""


@dataclass
class Mixture:
    """Rounds of both storms, over one pool; each ends when something is found."""

    flight: Storm
    spark: SparkStorm
    began: float
    done: int = 0

    def rounds(self, count: int) -> None:
        """So many, told about every ``TELL_ROUNDS``."""
        for number in range(count):
            if Random(f"{self.flight.seed} {number} spark").random() < SPARK_SHARE:
                self.spark.rounds(number, 1, SPARK_VICTIMS)
            else:
                self.flight.rounds(number, 1)
            self.done = number + 1
            if self.done % TELL_ROUNDS == 0:
                so_far = {"name": "atomicity", "rounds": self.done, **self.found, "round_s": round(self.round_seconds, 3)}
                print(json.dumps(so_far | {"seed": self.flight.seed}), flush=True)
            if self.lines:
                return

    @property
    def round_seconds(self) -> float:
        """Of one round so far, starts of Spark included."""
        return (time.monotonic() - self.began) / max(self.done, 1)

    @property
    def found(self) -> dict[str, int]:
        """How often something was lost, doubled or half seen."""
        return {kind: self.flight.count(kind) + self.spark.count(kind) for kind in KINDS}

    @property
    def lines(self) -> list[str]:
        """All that was wrong."""
        return [*self.flight.lines, *self.spark.lines]

    @property
    def kills(self) -> dict[str, int]:
        """Victim → rounds."""
        spark = Counter({victim: count for victim, count in self.spark.kills.items() if victim in SPARK_VICTIMS})
        return dict(self.flight.kills + spark)


@contextmanager
def mixture(seed: int) -> Iterator[Mixture]:
    """With a pool and a Spark of its own."""
    with storm(seed) as flight, spark_storm(flight.pool, seed) as spark:
        yield Mixture(flight, spark, time.monotonic())


def run(rounds: int | None) -> Report:
    """So many rounds; they end early when something was lost, doubled or half seen."""
    seed = int(os.environ.get("SEED") or time.time())
    print(f"seed {seed}", flush=True)
    with mixture(seed) as blown, contextlib.suppress(KeyboardInterrupt):  # what was done until then is told
        blown.rounds(rounds or ROUNDS)
    return _report(blown)


def _report(blown: Mixture) -> Report:
    flight, spark = blown.flight, blown.spark
    figures = (
        Figure("rounds", blown.done, "rounds", f">= {ROUNDS}"),
        *(Figure(kind, count, "times", "<= 0") for kind, count in blown.found.items()),
        Figure("spark_rounds", spark.done, "rounds"),
        Figure("round_s", blown.round_seconds, "s"),
    )
    lines = (
        f"seed {flight.seed}; killed: {_listed(blown.kills)}",
        f"operations: {_listed(flight.outcomes)}",
        f"Spark's writes: {_listed(spark.outcomes)}; second attempts at partitions: {spark.copies}; killed: {_listed(spark.kills)}",
        f"resizes in the end: {_listed(flight.resizes)}",
        f"readers' transactions: {_listed(flight.reads + spark.reads)}",
        *blown.lines,
    )
    operations = flight.outcomes.total() + spark.outcomes.total()
    more = {"seed": flight.seed, "by_victim": blown.kills, "operations": operations, "reads": flight.reads["right or wrong"]}
    return Report("atomicity", figures, lines, more | {"failures": len(flight.failures) + len(spark.failures)})


def _listed(counted: dict[str, int]) -> str:
    return ", ".join(f"{name}: {number}" for name, number in sorted(counted.items()))
