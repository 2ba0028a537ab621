"""Readers of a replicated table find all of it, or are refused, in every state that losses, a load and refills can reach."""

from __future__ import annotations

from collections import deque

import pytest

from tests.pools.data.protocol.replicas import COMMITTED, SHARDS, Mutations, Reader, State, pinned, seen_wrongly, steps, truth, visible


def explored(first: State, mutations: Mutations = frozenset()) -> tuple[dict[State, tuple[State | None, str]], dict[State, list[State]]]:
    """State → where it was reached from and how; state → what follows."""
    reached: dict[State, tuple[State | None, str]] = {first: (None, "")}
    follows: dict[State, list[State]] = {}
    queue = deque(reached)
    while queue:
        state = queue.popleft()
        follows[state] = []
        for name, after in steps(state, mutations):
            follows[state].append(after)
            if after not in reached:
                reached[after] = (state, name)
                queue.append(after)
    return reached, follows


def story(reached: dict[State, tuple[State | None, str]], state: State | None) -> str:
    names = []
    while state is not None:
        state, name = reached[state]
        names.append(name)
    return "\n".join(reversed(names))


def wrong(first: State, mutations: Mutations = frozenset()) -> str | None:
    """What some reader sees that it should not, with the steps that led there."""
    reached, follows = explored(first, mutations)
    held: dict[State, set[Reader]] = {state: {pinned(state)} for state in reached}
    queue = deque((state, reader) for state, readers in held.items() for reader in readers)
    while queue:
        state, reader = queue.popleft()
        problem = seen_wrongly(state, reader, mutations)
        if problem is not None:
            return f"{problem}\n{story(reached, state)}"
        for after in follows[state]:
            if reader not in held[after]:
                held[after].add(reader)
                queue.append((after, reader))
    return None


@pytest.mark.parametrize("losses", [1, pytest.param(2, marks=pytest.mark.full)])
def test_every_reader_sees_all_or_nothing(losses: int) -> None:
    assert wrong(State(losses=losses)) is None


def test_a_refill_is_there_on_both() -> None:
    """From a state with a loss, refills lead to states in which both shards serve all rows again, also those of the load."""
    reached, _ = explored(State())

    def healed(state: State) -> bool:
        return state.identities == state.table and all(visible(state.shards[n], state.clock, ()) == truth(state) for n in SHARDS)

    both = [state for state in reached if not state.losses and healed(state)]
    assert any(state.writes[0].status == COMMITTED and state.writes[1].status == COMMITTED for state in both)
    assert any(state.writes[2].status == COMMITTED for state in both)
    assert len(reached) > 2000


@pytest.mark.parametrize("mutation", ["identity_not_checked", "any_source", "refill_locks_nothing", "one_replica_suffices"])
def test_a_mutated_refill_fails(mutation: str) -> None:
    assert wrong(State(), frozenset({mutation})) is not None
