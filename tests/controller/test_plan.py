from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.plan import EnsureStep, StopStep, by_requirement, plan
from controller.substrate import Observed, ObservedWorkload, State
from pools.workload import Workload
from tests.controller.substrate import StandInSubstrate, workload

MASTER, SETUP, COMPUTE = workload("master-0"), workload("master-setup", "master-0", kind="job"), workload("compute-0", "master-setup")
DESIRED = (COMPUTE, SETUP, MASTER)


def hashes(desired: tuple[Workload, ...]) -> dict[str, str]:
    return {entry.name: StandInSubstrate().content_hash(entry) for entry in desired}


def seen(entry: Workload, state: State) -> ObservedWorkload:
    return ObservedWorkload(entry.name, state, hashes((entry,))[entry.name], kind=entry.kind)


def names(desired: tuple[Workload, ...], *observed: ObservedWorkload) -> list[str]:
    return [f"{type(step).__name__} {step.name}" for step in plan(desired, Observed(observed), hashes(desired))]


def test_what_requires_others_waits_for_them() -> None:
    assert names(DESIRED) == ["EnsureStep master-0"]
    assert names(DESIRED, seen(MASTER, "starting")) == []
    assert names(DESIRED, seen(MASTER, "ready")) == ["EnsureStep master-setup"]
    assert names(DESIRED, seen(MASTER, "ready"), seen(SETUP, "done")) == ["EnsureStep compute-0"]


def test_settled_is_an_empty_plan() -> None:
    assert names(DESIRED, seen(MASTER, "ready"), seen(SETUP, "done"), seen(COMPUTE, "ready")) == []


def test_a_requirement_that_fails_later_does_not_touch_what_runs() -> None:
    assert names(DESIRED, seen(MASTER, "backoff"), seen(SETUP, "done"), seen(COMPUTE, "ready")) == []


def test_what_is_not_wanted_is_stopped_first_and_in_reverse() -> None:
    old = (workload("storage-0-0"), workload("nmnode-0"))
    assert names((MASTER,), seen(old[1], "ready"), seen(old[0], "ready")) == [
        "StopStep storage-0-0",
        "StopStep nmnode-0",
        "EnsureStep master-0",
    ]


def test_changed_content_and_stopped_ones_are_ensured_with_the_reason() -> None:
    changed = ObservedWorkload("master-0", "ready", "other")
    assert plan((MASTER,), Observed((changed,)), hashes((MASTER,))) == (EnsureStep(MASTER, "its content changed"),)
    assert plan((MASTER,), Observed((seen(MASTER, "stopped"),)), hashes((MASTER,))) == (EnsureStep(MASTER, "it was stopped"),)


def test_a_dependant_with_new_content_waits_for_a_requirement_that_changes_too() -> None:
    fresh = workload("master-setup", "master-0", kind="job", command="new")
    observed = (ObservedWorkload("master-0", "ready", "other"), seen(SETUP, "done"))
    assert names((MASTER, fresh), *observed) == ["EnsureStep master-0"]


def test_the_controller_leaves_itself_alone() -> None:
    control = workload("control")
    assert names((control,)) == []
    assert names((), seen(control, "ready")) == []


def test_missing_and_circular_requirements_are_named() -> None:
    with pytest.raises(ValueError, match="nobody provides ghost"):
        by_requirement((workload("a", "ghost"),))
    with pytest.raises(ValueError, match="require each other: a, b"):
        by_requirement((workload("a", "b"), workload("b", "a")))


NAMES = ("a", "b", "c", "d", "e")
GRAPHS = st.lists(st.sampled_from(NAMES), unique=True).flatmap(
    lambda chosen: st.tuples(
        *[
            st.builds(workload, st.just(name), *[st.sampled_from(chosen[:index])] * min(index, 1), kind=st.sampled_from(["service", "job"]))
            for index, name in enumerate(chosen)
        ]
    )
)


@settings(max_examples=200, deadline=None)
@given(GRAPHS, GRAPHS, st.data())
def test_any_prefix_of_a_plan_is_finished_by_the_next(
    before: tuple[Workload, ...], after: tuple[Workload, ...], data: st.DataObject
) -> None:
    """Wherever applying is cut off, planning again ends with exactly what is wanted, and then with an empty plan."""
    substrate = StandInSubstrate()
    for entry in before:
        substrate.ensure(entry)
    for _ in range(4 * len(NAMES)):
        steps = plan(after, substrate.observe(), hashes(after))
        for step in steps[: data.draw(st.integers(1, 5))]:
            substrate.stop(step.name) if isinstance(step, StopStep) else substrate.ensure(step.workload)
        substrate.tick()
    for _ in range(3):
        substrate.tick()
    assert plan(after, substrate.observe(), hashes(after)) == ()
    assert {entry.name: entry.content_hash for entry in substrate.observe().workloads} == hashes(after)
