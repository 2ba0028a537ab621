"""Whenever the master goes back to an older state: no shard is read that has more, and no false alarm is given."""

from __future__ import annotations

from functools import partial

import pytest

from tests.pools.data.protocol.reach import explored, story
from tests.pools.data.protocol.restored import Mutations, State, broken, steps


def wrong(mutations: Mutations = frozenset()) -> str | None:
    """What a state breaks, with the steps that led there."""
    reached, _ = explored(State(), partial(steps, mutations=mutations))
    return next((f"{problem}\n{story(reached, state)}" for state in reached if (problem := broken(state, mutations))), None)


def test_an_older_master_is_noticed_before_anything_is_read() -> None:
    assert wrong() is None


def test_it_is_noticed_at_all() -> None:
    reached, _ = explored(State(), steps)
    assert any(state.behind for state in reached)


@pytest.mark.parametrize("mutation", ["not_compared", "starts_not_told", "master_first", "away_is_sure", "only_written_shards"])
def test_a_mutated_comparison_fails(mutation: str) -> None:
    assert wrong(frozenset({mutation})) is not None
