"""A short storm, always with the same seed; the long one is ``python -m benchmarks atomicity``."""

from __future__ import annotations

import pytest

from tests.pools.data_pool_faults.storm import storm

SEED = 6
"""Each kind of victim, and none, in the first four rounds."""


@pytest.mark.parametrize("rounds", [4, pytest.param(120, marks=[pytest.mark.full, pytest.mark.timeout(900)])])
def test_what_is_killed_loses_doubles_and_halves_nothing(rounds: int) -> None:
    with storm(SEED) as blown:
        blown.rounds(0, rounds)
    assert not blown.lines, "\n".join(blown.lines)
    assert blown.outcomes.total() >= rounds * 4 and blown.reads["right or wrong"] > rounds
