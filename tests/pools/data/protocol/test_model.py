"""The protocol holds in every state that small scenarios can reach; each mutation of it is found."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pools.data.protocol.explorer import InvariantError, explore
from tests.pools.data.protocol.model import LoadSpec, Scenario

BOTH = (0, 1)
APPEND, OVERWRITE = LoadSpec(quick=True), LoadSpec("overwrite", quick=True)
SQL, SQL_OVERWRITE = LoadSpec(sql=True, quick=True), LoadSpec("overwrite", quick=True, sql=True)
MODIFY, UPSERT = LoadSpec("modify", quick=True), LoadSpec("upsert", quick=True)
KEYED, SQL_KEYED = LoadSpec("keyed", quick=True), LoadSpec("keyed", quick=True, sql=True)
LATE_CHANGE = LoadSpec("modify", sql=True, quick=True, pins=True)
MOVE = LoadSpec("move", attempts=((0,),), quick=True)
SLOW_MOVE = LoadSpec("move", attempts=((0,),))
TWO_DRIVERS = (LoadSpec(attempts=((0,), (1,))), LoadSpec(attempts=((0,), (1,)), same_id_as=0))
CALM: dict[str, Any] = {"lost_answers": False, "crashes": False}

SCENARIOS = {
    "two coordinators": Scenario((LoadSpec(runs=2),)),
    "two attempts": Scenario((LoadSpec(attempts=(BOTH, BOTH)),)),
    "a transaction": Scenario((LoadSpec(sql=True),)),
    "a row ended twice": Scenario((LoadSpec("modify", quick=True), LoadSpec("modify", sql=True, quick=True)), **CALM),
    "two appends": Scenario((APPEND, APPEND)),
    "append and overwrite": Scenario((APPEND, OVERWRITE)),
    "two overwrites": Scenario((OVERWRITE, OVERWRITE), lost_answers=False),
    "transaction and overwrite": Scenario((SQL, OVERWRITE), lost_answers=False),
    "overwriting transaction and append": Scenario((SQL_OVERWRITE, APPEND), lost_answers=False),
    "overwriting transaction and transaction": Scenario((SQL_OVERWRITE, SQL), **CALM),
    "two drivers of one load": Scenario(TWO_DRIVERS, **CALM),
    "a change with an old snapshot, and an overwrite": Scenario((LATE_CHANGE, OVERWRITE), **CALM),
    "a change with an old snapshot, and a move": Scenario((LATE_CHANGE, MOVE), **CALM),
    "upsert and overwrite": Scenario((UPSERT, OVERWRITE), lost_answers=False),
    "upsert and change": Scenario((UPSERT, MODIFY), **CALM),
    "the same keys twice": Scenario((KEYED, SQL_KEYED), lost_answers=False),
    "append and move": Scenario((APPEND, SLOW_MOVE), lost_answers=False),
    "change and move": Scenario((MODIFY, SLOW_MOVE), **CALM),
    "transaction and move": Scenario((SQL, SLOW_MOVE), **CALM),
    "overwrite and move": Scenario((OVERWRITE, SLOW_MOVE), **CALM),
    "attempts and coordinators": Scenario((LoadSpec(attempts=(BOTH, BOTH), runs=2),)),
}
MUTATIONS = [
    ("publish_before_decide", (APPEND, APPEND)),
    ("number_without_lock", (APPEND, APPEND)),
    ("sweep_asks_nobody", (LoadSpec(),)),
    ("sweep_aborts_committed", (LoadSpec(),)),
    ("decide_overwrites", (LoadSpec(),)),
    ("reader_without_pending", (LoadSpec(),)),
    ("applied_too_early", (LoadSpec(),)),
    ("publish_takes_staged", (LoadSpec(attempts=(BOTH, BOTH)),)),
    ("seal_checks_nothing", (LoadSpec(),)),
    ("prepared_is_no_lock", (SQL, OVERWRITE)),
    ("prepared_is_no_lock", (SQL_OVERWRITE, SQL)),
    ("snapshot_resolves_nothing", (LoadSpec(sql=True),)),
    ("not_prepared", (LoadSpec(sql=True),)),
    ("generation_not_checked", (APPEND, OVERWRITE)),
    ("generation_not_checked", (MODIFY, OVERWRITE)),
    ("generation_not_checked", (UPSERT, OVERWRITE)),
    ("modify_of_any_generation", (LATE_CHANGE, OVERWRITE)),
    ("moves_lock_nothing", (APPEND, SLOW_MOVE)),
    ("move_overtakes_prepared", (SQL, SLOW_MOVE)),
    ("placement_not_checked", (MOVE,)),
    ("overwrite_of_any_placement", (OVERWRITE, SLOW_MOVE)),
    ("load_id_shared", TWO_DRIVERS),
    ("key_not_checked", (KEYED, KEYED)),
    ("key_only_of_visible_rows", (KEYED, KEYED)),
]


def test_it_holds_in_every_state() -> None:
    explored = {name: explore(scenario) for name, scenario in SCENARIOS.items()}
    states = {name: len(one.states) for name, one in explored.items()}
    assert min(states.values()) > 300 and sum(states.values()) > 150_000, states


@pytest.mark.parametrize(("mutation", "loads"), MUTATIONS)
def test_a_mutated_protocol_fails(mutation: str, loads: tuple[LoadSpec, ...]) -> None:
    with pytest.raises(InvariantError, match="load 0"):
        explore(Scenario(loads, frozenset({mutation}), **CALM))
