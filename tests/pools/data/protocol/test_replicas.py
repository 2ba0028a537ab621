"""Readers of a replicated table find all of it, or are refused, in every state that losses, a load and refills can reach."""

from __future__ import annotations

from functools import partial

import pytest

from tests.pools.data.protocol.reach import Reached, explored, held, story
from tests.pools.data.protocol.replicas import COMMITTED, SHARDS, Mutations, State, pinned, seen_wrongly, steps, truth, visible


def states(first: State, mutations: Mutations = frozenset()) -> tuple[Reached[State], dict[State, list[State]]]:
    return explored(first, partial(steps, mutations=mutations))


def wrong(first: State, mutations: Mutations = frozenset()) -> str | None:
    """What some reader sees that it should not, with the steps that led there."""
    reached, follows = states(first, mutations)
    for state, reader in held(follows, pinned):
        if problem := seen_wrongly(state, reader, mutations):
            return f"{problem}\n{story(reached, state)}"
    return None


@pytest.mark.parametrize("losses", [1, pytest.param(2, marks=pytest.mark.full)])
def test_every_reader_sees_all_or_nothing(losses: int) -> None:
    assert wrong(State(losses=losses)) is None


def test_a_refill_is_there_on_both() -> None:
    """From a state with a loss, refills lead to states in which both shards serve all rows again, also those of the load."""
    reached, _ = states(State())

    def healed(state: State) -> bool:
        return state.identities == state.table and all(visible(state.shards[n], state.clock, ()) == truth(state) for n in SHARDS)

    both = [state for state in reached if not state.losses and healed(state)]
    assert any(state.writes[0].status == COMMITTED and state.writes[1].status == COMMITTED for state in both)
    assert any(state.writes[2].status == COMMITTED for state in both)
    assert len(reached) > 2000


@pytest.mark.parametrize("mutation", ["identity_not_checked", "any_source", "refill_locks_nothing", "one_replica_suffices"])
def test_a_mutated_refill_fails(mutation: str) -> None:
    assert wrong(State(), frozenset({mutation})) is not None
