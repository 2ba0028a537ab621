"""Operations: one at a time, step by step, from wherever a killed controller left them."""

from __future__ import annotations

import pathlib

import pytest

from controller.errors import ConflictError, SubstrateError, UnknownNameError
from controller.operations.applying import RefusedError, begin_apply
from controller.operations.assembly import operating
from controller.operations.record import KEPT, Operation, Operations
from controller.operations.scaling import begin_scale
from controller.operations.settling import NotSettledError
from controller.substrates.local.document import AmendError
from tests.controller.operations.world import World


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    return World(tmp_path)


def apply(world: World, text: str, base: str | None = None) -> Operation | None:
    here = world.operating
    return begin_apply(here.engine, here.planner, "admin", {"spec": text, "base": base, "seconds": 600})[1]


def replicas(world: World, count: int) -> str:
    return world.changed("spec.pools.compute.replicas", str(count))


def test_apply_writes_once_and_ends_when_all_is_so(world: World) -> None:
    begun = apply(world, replicas(world, 2))
    assert begun is not None and world.document.writes == 0
    done = world.carry_out(begun.number)
    assert (done.state, done.phase, world.document.writes) == ("done", "the cluster is what the spec says", 1)
    assert world.substrate.running["compute-1"].state == "ready" and done.ended_at is not None
    assert apply(world, world.document.text) is None


def test_it_goes_on_wherever_the_controller_was_killed(world: World) -> None:
    begun = apply(world, replicas(world, 3))
    assert begun is not None
    for _ in range(60):
        another = World.__new__(World)  # the next controller: nothing but store, spec and substrate is the same
        another.__dict__.update(world.__dict__)
        another.wake()
        another.operating = operating(world.parts, another, world.document, world.dsn)
        if not another.operating.engine.advance():
            break
    assert world.operating.operations.get(begun.number).state == "done" and world.document.writes == 1


def test_a_second_one_is_told_which_is_under_way_and_the_same_one_joins(world: World) -> None:
    first = apply(world, replicas(world, 2))
    assert first is not None
    with pytest.raises(ConflictError, match=f"apply by admin is under way \\(operation {first.number}\\)") as failure:
        apply(world, replicas(world, 3))
    assert failure.value.hint and f"bdc operation follow {first.number}" in failure.value.hint
    assert apply(world, replicas(world, 2)) == first


def test_a_plan_that_is_outdated_is_not_applied(world: World) -> None:
    base = world.operating.planner.plan(None).base
    world.document.text += "\n# edited meanwhile\n"
    with pytest.raises(ConflictError, match="changed since this plan"):
        apply(world, replicas(world, 2), base)


def test_a_refused_change_begins_nothing(world: World) -> None:
    with pytest.raises(RefusedError, match="can't change"):
        apply(world, world.changed("metadata.name", "other"))
    assert world.operating.operations.list_all() == ()


def test_somebody_elses_edit_in_the_middle_ends_it(world: World) -> None:
    begun = apply(world, replicas(world, 2))
    assert begun is not None
    world.operating.engine.advance()
    world.document.text = replicas(world, 4)
    ended = world.carry_out(begun.number)
    assert ended.state == "failed" and ended.problem and "changed by somebody else" in str(ended.problem["message"])
    assert world.document.writes == 1


def test_what_the_machine_refuses_is_its_end_and_what_passes_is_waited_for(world: World) -> None:
    begun = apply(world, replicas(world, 2))
    assert begun is not None
    world.document.fails = SubstrateError("the supervisor does not answer")
    assert world.operating.engine.advance()
    assert world.operating.operations.get(begun.number).phase == "waits: the supervisor does not answer"
    world.document.fails = AmendError("port 31535 is taken by pid 7", hint="stop that process")
    ended = world.carry_out(begun.number)
    assert (ended.state, ended.problem and ended.problem["hint"]) == ("failed", "stop that process")


def test_one_that_does_not_become_ready_ends_with_what_and_where(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controller.operations.settling.FAILED_SECONDS", 0.0)
    world.substrate.refused = {"compute-1"}
    begun = apply(world, replicas(world, 2))
    assert begun is not None
    ended = world.carry_out(begun.number)
    assert ended.state == "failed" and ended.problem and ended.problem["code"] == NotSettledError.code
    assert "compute-1 was refused" in str(ended.problem["message"])


def test_a_cancelled_one_stays_as_it_is(world: World) -> None:
    begun = apply(world, replicas(world, 2))
    assert begun is not None
    ended = world.operating.operations.cancel(begun.number, "ann")
    assert (ended.state, ended.phase) == ("cancelled", "cancelled by ann; before that: begins")
    world.operating.operations.keep(begun.at("late"))
    assert world.operating.operations.get(begun.number) == ended
    with pytest.raises(ConflictError, match="has ended"):
        world.operating.operations.cancel(begun.number, "ann")


def test_a_defect_ends_it_and_says_so(world: World) -> None:
    begun = world.operating.operations.begin("nonsense", "admin", {})
    assert world.carry_out(begun.number).state == "failed"


def test_the_last_ones_are_kept(world: World) -> None:
    record = Operations(world.store)
    for _ in range(KEPT + 5):
        record.keep(record.begin("nonsense", "admin", {}).ended("done", "over"))
    assert [one.number for one in record.list_all()] == list(range(KEPT + 5, 5, -1))
    with pytest.raises(UnknownNameError):
        record.get(1)


def test_scaling_compute_up_and_down(world: World) -> None:
    here = world.operating
    for count in (3, 1):
        _, begun = begin_scale(here.engine, here.planner, "admin", {"pool": "compute", "count": count, "seconds": 600})
        assert world.carry_out(begun.number).phase == f"the compute pool has {count} replicas now"
        assert ("compute-2" in world.substrate.running) == (count == 3)


def test_fewer_datanodes_are_refused(world: World) -> None:
    here = world.operating
    with pytest.raises(RefusedError, match="decommissioning"):
        begin_scale(here.engine, here.planner, "admin", {"pool": "storage", "count": 1, "seconds": 600})
