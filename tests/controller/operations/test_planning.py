"""What a spec would change: fields, workloads with the reason of each restart, refusals with what to do instead."""

from __future__ import annotations

import pathlib

import pytest

from controller.errors import SpecError
from controller.operations.refusals import Ground, PlacedTable, refusals
from controller.spec import load_spec
from tests.controller.operations.world import World

TWO_MISTAKES = """\
apiVersion: openbdc.dev/v1alpha1
kind: BigDataCluster
metadata: {name: demo}
spec: {pools: {compute: {replica: 2}, data: {shards: x}}}
"""


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    return World(tmp_path)


def test_nothing_changes_without_a_change(world: World) -> None:
    planner = world.operating.planner
    assert not planner.plan(None).changed
    assert not planner.plan(world.document.text).changed


def test_the_port_block_of_create_is_no_change(world: World) -> None:
    text = world.document.text.replace("base: 100", "base: null")
    assert text != world.document.text
    assert not world.operating.planner.plan(text).changed


def test_a_changed_setting_names_field_workload_and_reason(world: World) -> None:
    plan = world.operating.planner.plan(world.changed("spec.pools.master.maxConnections", "150"))
    assert [(one.path, one.before, one.after) for one in plan.changes] == [("spec.pools.master.maxConnections", 100, 150)]
    assert [(one.name, one.action) for one in plan.workloads] == [("master-0", "restart")]
    assert "max_connections = 100" in plan.workloads[0].why[0] and "max_connections = 150" in plan.workloads[0].why[0]
    assert any("the master restarts" in note for note in plan.notes)


def test_a_replica_starts_and_what_points_to_it_restarts(world: World) -> None:
    plan = world.operating.planner.plan(world.changed("spec.pools.compute.replicas", "2"))
    actions = {one.name: one.action for one in plan.workloads}
    assert actions["compute-1"] == actions["compute-1-scratch"] == "start"
    assert "data-0" not in actions and "nmnode-0" not in actions


def test_what_goes_is_stopped_first_and_data_that_stays_is_told(world: World) -> None:
    plan = world.operating.planner.plan(world.changed("spec.pools.storage.enabled", "false"))
    stopped = [one.name for one in plan.workloads if one.action == "stop"]
    assert {"nmnode-0", "storage-0-0", "hdfs-setup"} <= set(stopped) and plan.workloads[0].action == "stop"
    assert any("HDFS stops" in note for note in plan.notes)


def test_drift_is_what_runs_otherwise_than_the_spec_says(world: World) -> None:
    world.substrate.running.pop("data-1")
    world.substrate.running["left-over"] = world.substrate.running["data-0"].__class__("left-over", "ready", "x")
    found = {one.name: one.action for one in world.operating.planner.plan(None).workloads}
    assert found == {"data-1": "start", "left-over": "stop"}


def test_every_problem_of_an_invalid_spec_is_told(world: World) -> None:
    with pytest.raises(SpecError, match="did you mean 'replicas'") as failure:
        world.operating.planner.plan(TWO_MISTAKES)
    assert len(failure.value.problems) == 2


def test_a_hand_edit_that_is_not_valid_is_told_without_a_file(world: World) -> None:
    world.document.text = world.document.text.replace("kind: BigDataCluster", "kind: Other")
    (note,) = world.operating.planner.plan(None).notes
    assert "the last valid one is in force" in note


def test_refusals_say_what_to_do_instead(world: World) -> None:
    before = world.spec()
    placed = (PlacedTable("bdc", "public.t", (0, 1)), PlacedTable("bdc", "public.u", (0,)))

    def refused(path: str, value: str, tables: tuple[PlacedTable, ...] | None = placed) -> list[tuple[str, str]]:
        after = load_spec(world.changed(path, value))
        return [(one.path, one.hint) for one in refusals(before, after, Ground(lambda: tables, ("spec.network.bind",), "on the machine"))]

    assert refused("spec.pools.data.shards", "1") == [("spec.pools.data.shards", "'bdc scale data 1' moves them, and lowers it then")]
    assert refused("spec.pools.data.shards", "1", placed[1:]) == []
    assert refused("spec.pools.data.shards", "1", None) == [("spec.pools.data.shards", "bdc status; then try again")]
    assert refused("spec.pools.data.shards", "0", ()) == []
    assert [path for path, _ in refused("metadata.name", "other")] == ["metadata.name"]
    assert refused("spec.network.bind", "127.0.0.2") == [("spec.network.bind", "on the machine")]
    assert refused("spec.pools.storage.dataNodes", "3") == []


def test_datanodes_are_not_taken_away(world: World) -> None:
    three = load_spec(world.changed("spec.pools.storage.dataNodes", "3"))
    (refusal,) = refusals(three, world.spec(), Ground(lambda: ()))
    assert refusal.path == "spec.pools.storage.dataNodes" and "keep 3" in refusal.hint
