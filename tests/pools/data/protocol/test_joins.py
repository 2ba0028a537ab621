"""Two runs of one streaming query leave one load of a batch, whole, in every state that they can reach."""

from __future__ import annotations

from functools import partial

import pytest

from tests.pools.data.protocol.joins import COMMITTED, Mutations, State, broken, steps
from tests.pools.data.protocol.reach import explored, story


def wrong(mutations: Mutations = frozenset()) -> str | None:
    """What a state breaks, with the steps that led there."""
    reached, _ = explored(State(), partial(steps, mutations=mutations))
    return next((f"{problem}\n{story(reached, state)}" for state in reached if (problem := broken(state))), None)


def test_one_run_is_committed_whole() -> None:
    assert wrong() is None
    reached, _ = explored(State(), steps)
    committed = {load.client for state in reached for load in state.loads if load.status == COMMITTED}
    assert committed == {0, 1} and len(reached) > 300


@pytest.mark.parametrize("mutation", ["any_client_joins", "two_open_ones", "loads_not_compared"])
def test_a_mutated_join_fails(mutation: str) -> None:
    assert wrong(frozenset({mutation})) is not None
