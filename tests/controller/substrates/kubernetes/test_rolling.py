"""Other images go to one pod group at a time, in the order of requirement, each ready before the next; real passes over a stand-in API."""

from __future__ import annotations

import pathlib

import pytest

from controller.facts import Facts
from controller.reconcile import Parts, reconcile_once
from controller.spec import ClusterSpec
from controller.store import FolderStore
from controller.substrates.kubernetes.place import Place
from controller.substrates.kubernetes.substrate import KubernetesSubstrate
from controller.workloads import all_workloads
from tests.controller.substrates.kubernetes.snapshots import spec
from tests.controller.substrates.kubernetes.standin_api import StandInApi

FACTS = Facts(sealing_key="a2V5", ticket_key="dGlja2V0", listen="0.0.0.0")
SIZE = {"pools__compute__replicas": "2", "pools__storage__dataNodes": "2"}
ORDER = ["compute-0", "compute-1", "data-0", "data-1", "nmnode-0", "storage-0-0", "storage-0-1", "app-proxy"]
"""The master's own image has no tag of ours; jobs are made anew."""


class Rolling:
    """A cluster that runs; ``step`` is one pass, ``settle`` as many as it takes."""

    def __init__(self, folder: pathlib.Path, **changes: str) -> None:
        self.api = StandInApi()
        self.spec: ClusterSpec = spec(**SIZE, **changes)
        self.substrate = KubernetesSubstrate(self.api.api, Place("bdc", "demo", "1.0"))
        self.parts = Parts(lambda: self.spec, FolderStore(folder), self.substrate, lambda of: all_workloads(of, FACTS), lambda _of: None)
        self.settle()
        self.api.restarts.clear()

    def want(self, **changes: str) -> None:
        self.spec = spec(**SIZE, **changes)

    def step(self) -> str:
        return reconcile_once(self.parts).sentence

    def settle(self, most: int = 40) -> list[list[str]]:
        """What restarted in each pass in which something did."""
        found = []
        for _ in range(most):
            before = len(self.api.restarts)
            said = self.step()
            if len(self.api.restarts) > before:
                found.append(self.api.restarts[before:])
            self.api.tick()
            if said.startswith("nothing to do: the cluster is ready"):
                break
        return found


@pytest.fixture
def rolling(tmp_path: pathlib.Path) -> Rolling:
    return Rolling(tmp_path)


def test_one_after_the_other_in_the_order_of_requirement(rolling: Rolling) -> None:
    rolling.want(kubernetes__images="{tag: '2.0'}")
    assert rolling.settle() == [[name] for name in ORDER]
    tags = rolling.api.tags()
    assert {tag for name, tag in tags.items() if name != "master-0"} == {"2.0"} and tags["master-0"] == "18"


def test_so_it_is_with_a_registry_and_the_master_is_the_first(rolling: Rolling) -> None:
    rolling.want(kubernetes__images="{registry: mirror.example.com}")
    assert rolling.settle() == [[name] for name in ["master-0", *ORDER]]


def test_and_with_a_controller_of_another_version(rolling: Rolling) -> None:
    rolling.substrate = KubernetesSubstrate(rolling.api.api, Place("bdc", "demo", "1.1"))
    rolling.parts = Parts(
        rolling.parts.read_spec, rolling.parts.store, rolling.substrate, rolling.parts.workloads, rolling.parts.sync_roles
    )
    assert rolling.settle() == [[name] for name in ORDER]


def test_the_first_one_that_does_not_come_up_is_the_last_one_that_was_touched_and_its_repair_goes_through(rolling: Rolling) -> None:
    rolling.api.broken = {("data-0", "2.0")}
    rolling.want(kubernetes__images="{tag: '2.0'}")
    assert rolling.settle(15) == [["compute-0"], ["compute-1"], ["data-0"]]
    assert "data-1: waits with its restart until data-0 is back" in rolling.step()
    rolling.want()  # the way back: at once for what is broken, one after the other for what runs
    assert rolling.settle() == [["data-0"], ["compute-0"], ["compute-1"]]
    assert {tag for name, tag in rolling.api.tags().items() if name != "master-0"} == {"1.0"}


def test_a_job_that_does_not_end_well_holds_up_what_comes_after_it(rolling: Rolling) -> None:
    rolling.api.broken = {("master-setup", "2.0")}
    rolling.want(kubernetes__images="{tag: '2.0'}")
    assert rolling.settle(10) == []
    rolling.api.broken.clear()
    assert rolling.settle() == [[name] for name in ORDER]


def test_what_was_broken_before_does_not_keep_others_from_their_images(rolling: Rolling) -> None:
    """It waits for its own requirements to be changed, so nobody may wait for it."""
    rolling.api.broken = {("storage-0-1", "1.0")}
    rolling.step()
    rolling.want(kubernetes__images="{tag: '2.0'}")
    assert sorted(name for names in rolling.settle() for name in names) == sorted(ORDER)


def test_settings_restart_one_of_a_role_at_a_time_and_roles_beside_each_other(rolling: Rolling) -> None:
    rolling.want(pools__data__retentionSeconds="900", pools__compute__runningQueries="3")
    first = rolling.settle()[0]
    assert len(first) == 2 and {name.partition("-")[0] for name in first} == {"compute", "data"}


def test_a_list_that_was_made_before_a_restart_counts_nobody_as_back(rolling: Rolling) -> None:
    """Operations look at the cluster from another thread: what they listed may be older than what the pass has just done."""
    rolling.want(pools__data__retentionSeconds="900")
    stale = rolling.substrate._there
    rolling.step()
    assert rolling.api.restarts == ["data-0"]
    made = {one.name: one for one in rolling.substrate.wanted(rolling.spec, rolling.parts.workloads(rolling.spec))}
    rolling.substrate._there = stale
    assert rolling.substrate.ensure(made["data-1"]) == "waits with its restart until data-0 is back"
