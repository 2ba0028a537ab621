from __future__ import annotations

import json
import pathlib
from dataclasses import replace

import pytest

from controller.accepted import read_spec_file
from controller.errors import NotReadyError, RoleSyncError
from controller.loop import Loop
from controller.profiles import render_profile
from controller.reconcile import Outcome, Parts, reconcile_once
from controller.spec import ClusterSpec
from controller.store import FolderStore
from pools.workload import Workload
from tests.controller.substrate import StandInSubstrate, workload
from tests.patience import PATIENCE, SOON

MASTER, SETUP, COMPUTE = workload("master-0"), workload("master-setup", "master-0", kind="job"), workload("compute-0", "master-setup")


class Cluster:
    """A folder, a stand-in substrate, and role changes that can be made to fail."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.spec_file = folder / "bdc.yaml"
        self.spec_file.write_text(render_profile("local", "demo"))
        self.store = FolderStore(folder / "store")
        self.substrate = StandInSubstrate()
        self.role_calls = 0
        self.role_error: Exception | None = None
        self.parts = Parts(lambda: read_spec_file(self.spec_file), self.store, self.substrate, self.workloads, self.roles)

    def workloads(self, spec: ClusterSpec) -> tuple[Workload, ...]:
        return (MASTER, SETUP, *([COMPUTE] if spec.spec.pools.storage.enabled else []))

    def roles(self, _spec: ClusterSpec) -> str | None:
        self.role_calls += 1
        if self.role_error:
            raise self.role_error
        return None

    def settle(self) -> Outcome:
        for _ in range(12):
            outcome = reconcile_once(self.parts)
            self.substrate.tick()
        return outcome


@pytest.fixture
def cluster(tmp_path: pathlib.Path) -> Cluster:
    return Cluster(tmp_path)


def test_it_brings_everything_up_in_order_and_then_rests(cluster: Cluster) -> None:
    first = reconcile_once(cluster.parts)
    assert (first.sentence, first.wait < 1, first.failure) == ("master-0: not there yet", True, None)
    assert cluster.role_calls == 0
    last = cluster.settle()
    assert cluster.substrate.calls == ["ensure master-0", "ensure master-setup", "ensure compute-0"]
    assert (last.sentence, last.wait) == ("nothing to do: the cluster is ready", 5.0)
    assert cluster.role_calls > 0
    assert cluster.store.read("status.json") == last.status


def test_a_controller_that_starts_anew_goes_on_where_the_other_was(cluster: Cluster) -> None:
    reconcile_once(cluster.parts)
    cluster.substrate.tick()
    cluster.substrate.tick()
    fresh = replace(cluster.parts, store=FolderStore(cluster.store.folder))
    assert reconcile_once(fresh).sentence == "master-setup: not there yet"


def test_an_invalid_edit_is_reported_and_changes_nothing(cluster: Cluster) -> None:
    cluster.settle()
    calls = list(cluster.substrate.calls)
    cluster.spec_file.write_text(cluster.spec_file.read_text().replace("enabled: true", "enabled: maybe"))
    outcome = reconcile_once(cluster.parts)
    assert cluster.substrate.calls == calls
    assert outcome.failure is not None
    assert "bdc.yaml:" in outcome.failure
    assert "goes on with the last valid spec" in outcome.failure
    assert outcome.status is not None
    assert outcome.status["state"] == "error"
    cluster.spec_file.write_text(cluster.spec_file.read_text().replace("enabled: maybe", "enabled: false"))
    assert reconcile_once(cluster.parts).sentence == "stopped compute-0: no longer part of the spec"


def test_the_name_can_not_change(cluster: Cluster) -> None:
    cluster.settle()
    cluster.spec_file.write_text(render_profile("local", "other"))
    assert "name of a cluster can't change" in (reconcile_once(cluster.parts).failure or "")


def test_a_substrate_that_does_not_answer_keeps_the_last_tree_and_says_so(cluster: Cluster) -> None:
    cluster.settle()
    cluster.substrate.broken = True
    outcome = reconcile_once(cluster.parts)
    assert outcome.failure == "the supervisor does not answer"
    assert outcome.status is not None
    assert (outcome.status["state"], outcome.status["health"]) == ("error", "unknown")
    assert [service["name"] for service in outcome.status["services"]] == ["sql"]
    cluster.substrate.broken = False
    assert reconcile_once(cluster.parts).failure is None


def test_one_refused_step_does_not_hold_up_the_others(cluster: Cluster) -> None:
    cluster.substrate.refused = {"master-0"}
    other = workload("nmnode-0")
    parts = replace(cluster.parts, workloads=lambda _spec: (MASTER, other))
    outcome = reconcile_once(parts)
    assert cluster.substrate.calls == ["ensure nmnode-0"]
    assert outcome.failure == "master-0: master-0 was refused"


def test_role_trouble_is_a_failure_a_master_that_restarts_is_not(cluster: Cluster) -> None:
    cluster.settle()
    cluster.role_error = NotReadyError("the master does not answer")
    assert reconcile_once(cluster.parts).failure is None
    cluster.role_error = RoleSyncError("set role alice failed: permission denied")
    assert reconcile_once(cluster.parts).failure == "users: set role alice failed: permission denied"


def test_damaged_store_files_do_not_stop_the_pass(cluster: Cluster) -> None:
    cluster.settle()
    (cluster.store.folder / "status.json").write_text("{")
    assert "status.json is damaged" in (reconcile_once(cluster.parts).failure or "")
    (cluster.store.folder / "status.json").unlink()
    assert reconcile_once(cluster.parts).failure is None


def loop_of(cluster: Cluster) -> Loop:
    return Loop(cluster.parts, frozenset)


def test_the_loop_is_woken_and_waits_for_the_pass_that_serves_it(cluster: Cluster) -> None:
    cluster.parts = replace(cluster.parts, wait_settled=600.0)
    cluster.settle()
    loop = loop_of(cluster)
    with pytest.raises(NotReadyError):
        loop.status()
    loop.start()
    assert loop.wake(SOON)
    before = cluster.role_calls
    assert loop.wake(SOON)
    assert cluster.role_calls > before
    assert loop.status()["state"] == "ready"
    assert loop.endpoints() == []
    assert loop.tail("master-0", 1) == ("master-0 line 0",)
    assert loop.stop(PATIENCE)
    assert not loop.wake(0.1)


def test_a_defect_in_a_pass_backs_off_shows_and_heals(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.settle()
    cluster.role_error = RuntimeError("boom")
    loop = loop_of(cluster)
    loop.start()
    assert loop.wake(SOON)
    cluster.role_error = RuntimeError("boom again")
    assert loop.wake(SOON)
    assert "a defect in the controller: RuntimeError" in (loop._last().failure or "")
    cluster.role_error = None
    assert loop.wake(SOON)
    assert loop.status()["state"] == "ready"
    assert loop.stop(PATIENCE)


def test_status_is_written_only_when_it_differs(cluster: Cluster) -> None:
    cluster.settle()
    path = cluster.store.folder / "status.json"
    before = path.stat().st_mtime_ns
    reconcile_once(cluster.parts)
    assert path.stat().st_mtime_ns == before
    assert json.loads(path.read_text())["state"] == "ready"
