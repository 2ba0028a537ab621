"""What Spark survives: speculative copies, killed executors, workers and drivers, tasks that fail; each write is there exactly once."""

from __future__ import annotations

import os
import time

import pytest

from tests.pyspark_bdc.storm import spark_storm
from tests.services.data_pool import DataPool

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]
ROUNDS = {"nobody": 3, "executor": 4, "worker": 3, "driver": 1}
"""Of each victim so many, all in one storm."""


def test_every_write_is_there_exactly_once(data_pool: DataPool) -> None:
    seed = int(os.environ.get("SEED") or time.time())
    with spark_storm(data_pool, seed) as storm:
        first = 0
        for victim, count in ROUNDS.items():
            storm.rounds(first, count, {victim: 1})
            first += count
            assert not storm.lines, (seed, storm.lines)
        assert storm.done == sum(ROUNDS.values())
        assert storm.kills["executor found"] > 0 and storm.kills["worker found"] > 0 and storm.kills["driver"] == ROUNDS["driver"]
        assert storm.copies > 0, "nothing was speculated"
        assert sum(count for name, count in storm.outcomes.items() if name.endswith("done")) >= ROUNDS["nobody"] + ROUNDS["driver"]
