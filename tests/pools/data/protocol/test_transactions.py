"""A transaction of several tables and savepoints is there whole or not at all, in every state that it can reach; each mutation is found."""

from __future__ import annotations

from functools import partial

import pytest

from tests.pools.data.protocol.reach import explored, held, story
from tests.pools.data.protocol.transactions import Op, Scenario, State, pinned, recovered, start, steps, truth, visible

INSERT, INSERT_2, MODIFY, MODIFY_2 = Op("insert"), Op("insert", 1), Op("modify"), Op("modify", 1)
SAVEPOINT, ROLLBACK = Op("savepoint"), Op("rollback")
TWO_TABLES = (INSERT, MODIFY_2)
CHANGE_TAKEN_BACK = (SAVEPOINT, MODIFY, ROLLBACK, MODIFY)
STREAM_TAKEN_BACK = (SAVEPOINT, INSERT, ROLLBACK, MODIFY)
SCENARIOS = {
    "two tables": Scenario(TWO_TABLES),
    "the first one is overwritten meanwhile": Scenario(TWO_TABLES, 0),
    "the second one is overwritten meanwhile": Scenario(TWO_TABLES, 1),
    "a change is taken back": Scenario(CHANGE_TAKEN_BACK, shards=1),
    "a stream is taken back": Scenario(STREAM_TAKEN_BACK, shards=1),
    "taken back, and overwritten meanwhile": Scenario(STREAM_TAKEN_BACK, 0, shards=1),
}
MUTATIONS = [
    ("late_is_carried_out", CHANGE_TAKEN_BACK, None),
    ("late_streams_are_kept", STREAM_TAKEN_BACK, None),
    ("rollback_tells_no_shard", CHANGE_TAKEN_BACK, None),
    ("asked_again_runs_twice", TWO_TABLES, None),
    ("first_table_is_sealed", TWO_TABLES, None),
    ("first_table_decides", TWO_TABLES, 1),
    ("pending_of_the_first_table", TWO_TABLES, None),
]


def wrong(scenario: Scenario) -> str | None:
    """What some reader sees that it should not, or what recovery leaves, with the steps that led there."""
    reached, follows = explored(start(scenario), partial(steps, scenario))
    sound: set[tuple[object, ...]] = set()
    for state in reached:
        durable = (state.rows, state.segments, state.status, state.kept, state.version, state.rival)
        if durable not in sound and (problem := left_over(scenario, state)):
            return f"{problem}\n{story(reached, state)}"
        sound.add(durable)
    for state, reader in held(follows, partial(pinned, scenario)):
        looked = (state.rows, state.segments, state.version, state.rival, reader)
        if looked not in sound and (seen := visible(scenario, state, reader)) != reader.truth:
            return f"the reader of {reader.snapshot} sees {seen} instead of {reader.truth}\n{story(reached, state)}"
        sound.add(looked)
    return None


def left_over(scenario: Scenario, state: State) -> str | None:
    final = recovered(state)
    seen, wanted = visible(scenario, final, pinned(scenario, final)), truth(scenario, final)
    return None if seen == wanted else f"after recovery {seen} is there instead of {wanted}"


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_is_whole_in_every_state(name: str) -> None:
    assert wrong(SCENARIOS[name]) is None


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_can_be_committed_with_all_that_stands(name: str) -> None:
    """The model is not right because nothing happens in it."""
    reached, _ = explored(start(SCENARIOS[name]), partial(steps, SCENARIOS[name]))
    kept = {state.kept for state in reached if state.status == "committed"}
    writes = [n for n, op in enumerate(SCENARIOS[name].script) if op.writes]
    assert kept and max(map(len, kept)) >= len(writes) - (SAVEPOINT in SCENARIOS[name].script)
    assert any(state.status == "aborted" for state in reached)


@pytest.mark.parametrize(("mutation", "script", "rival"), MUTATIONS)
def test_a_mutated_transaction_fails(mutation: str, script: tuple[Op, ...], rival: int | None) -> None:
    assert wrong(Scenario(script, rival, frozenset({mutation}), 1 + (SAVEPOINT not in script))) is not None
