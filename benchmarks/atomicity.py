"""``atomicity``: loads, upserts, merges, overwrites, transactions and resizes with kill -9 of a random participant at a random moment,
readers all the time.

Over two shards, two compute replicas and a real master (the storm's own pool, not a whole cluster: nothing but our own start-up is in
the way of the next kill). Drivers and executors are played by Flight clients whose streams are cut, repeated and abandoned; Spark's own
are killed in tests/pyspark_bdc. Every 20 rounds the JSON object of all so far is printed, so that an interrupted run is not lost. A seed
may be given as the environment's ``SEED``; it is printed, and so is what was wrong in which round.
"""

from __future__ import annotations

import contextlib
import json
import os
import time

from benchmarks.report import Figure, Report
from tests.pools.data_pool_faults.lanes import Wrong
from tests.pools.data_pool_faults.storm import Storm, storm

ROUNDS = 500
TELL_ROUNDS = 20
KINDS: tuple[Wrong, ...] = ("lost", "doubled", "half_seen")


def run(rounds: int | None) -> Report:
    """So many rounds; they end early when something was lost, doubled or half seen."""
    seed = int(os.environ.get("SEED") or time.time())
    began, done = time.monotonic(), 0

    def told(number: int) -> None:
        nonlocal done
        done = number + 1
        if done % TELL_ROUNDS == 0:
            found: dict[str, int] = {kind: blown.count(kind) for kind in KINDS}
            so_far = {"name": "atomicity", "rounds": done, **found, "round_s": round((time.monotonic() - began) / done, 3), "seed": seed}
            print(json.dumps(so_far), flush=True)

    print(f"seed {seed}", flush=True)
    with storm(seed) as blown, contextlib.suppress(KeyboardInterrupt):  # what was done until then is told
        blown.rounds(0, rounds or ROUNDS, told)
    return _report(blown, done, (time.monotonic() - began) / max(done, 1))


def _report(blown: Storm, done: int, round_seconds: float) -> Report:
    figures = (
        Figure("rounds", done, "rounds", f">= {ROUNDS}"),
        *(Figure(kind, blown.count(kind), "times", "<= 0") for kind in KINDS),
        Figure("round_s", round_seconds, "s"),
    )
    lines = (
        f"seed {blown.seed}; killed: {_listed(blown.kills)}",
        f"operations: {_listed(blown.outcomes)}",
        f"resizes in the end: {_listed(blown.resizes)}",
        f"readers' transactions: {_listed(blown.reads)}",
        *blown.lines,
    )
    more = {"seed": blown.seed, "killed": dict(blown.kills), "operations": blown.outcomes.total(), "reads": blown.reads["right or wrong"]}
    return Report("atomicity", figures, lines, more | {"failures": len(blown.failures)})


def _listed(counted: dict[str, int]) -> str:
    return ", ".join(f"{name}: {number}" for name, number in sorted(counted.items()))
