"""The judge of the storm finds what it is there for."""

from __future__ import annotations

import pytest

from tests.pools.data_pool_faults.lanes import Lane, Seen


def lane() -> Lane:
    """With two rows in each of two tables, acknowledged."""
    made = Lane.empty(0, ("a", "b"))
    made.resolve(made.propose({"a": {1: 1, 2: 2}, "b": {3: 3, 4: 4}}), True)
    return made


WHOLE: Seen = {"a": [(2, 2), (1, 1)], "b": [(3, 3), (4, 4)]}


@pytest.mark.parametrize(
    ("seen", "wrong"),
    [
        (WHOLE, {}),
        ({"a": [(1, 1)], "b": WHOLE["b"]}, {"half_seen": 1}),
        ({"a": WHOLE["a"], "b": []}, {"half_seen": 1}),
        ({"a": [(1, 1), (2, 9)], "b": WHOLE["b"]}, {"half_seen": 1}),
        ({"a": [(1, 1), (2, 2), (2, 2)], "b": WHOLE["b"]}, {"doubled": 1}),
        ({"a": [], "b": []}, {"lost": 1}),
    ],
)
def test_an_acknowledged_state(seen: Seen, wrong: dict[str, int]) -> None:
    made = lane()
    made.judge(made.begin_reading(), seen)
    assert dict(made.found) == wrong and bool(made.lines) == bool(wrong)


def test_while_an_operation_goes_on_either_state_is_right() -> None:
    made = lane()
    made.propose({"a": {}})
    since = made.begin_reading()
    made.judge(since, WHOLE)
    made.judge(since, {"a": [], "b": WHOLE["b"]})
    made.judge(since, {"a": [(1, 1)], "b": WHOLE["b"]})
    assert dict(made.found) == {"half_seen": 1}


def test_what_was_seen_stays() -> None:
    made = lane()
    going = made.propose({"a": {}})
    made.judge(made.begin_reading(), {"a": [], "b": WHOLE["b"]})
    made.judge(made.begin_reading(), WHOLE)
    assert dict(made.found) == {"lost": 1}
    made.resolve(going, False)
    assert dict(made.found) == {"lost": 1, "half_seen": 1}


def test_a_state_that_did_not_come_about_is_not_seen() -> None:
    made = lane()
    since = made.begin_reading()
    made.resolve(made.propose({"a": {}}), False)
    made.judge(since, WHOLE)
    made.judge(since, {"a": [], "b": WHOLE["b"]})
    assert dict(made.found) == {"half_seen": 1}


def test_an_operation_that_changes_nothing_is_not_seen() -> None:
    made = lane()
    going = made.propose({})
    made.judge(made.begin_reading(), WHOLE)
    made.resolve(going, False)
    made.judge(made.begin_reading(), WHOLE)
    assert not made.lines
