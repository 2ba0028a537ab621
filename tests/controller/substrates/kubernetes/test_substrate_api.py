"""Against a real API server without a node: what it accepts, how often it is asked, what is taken back, what stays."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from controller.errors import SubstrateError
from controller.kubernetes.api import Api, path_of
from controller.substrate import ObservedWorkload
from controller.substrates.kubernetes.groups import groups
from controller.substrates.kubernetes.manifests import manifests, name_of
from controller.substrates.kubernetes.place import Place
from controller.substrates.kubernetes.substrate import KubernetesSubstrate
from pools.workload import Workload
from tests.controller.substrates.kubernetes.snapshots import spec, workloads
from tests.patience import eventually
from tests.services.kubernetes import ControlPlane

Json = dict[str, Any]


@dataclass
class Stage:
    """A namespace of a test's own, with a substrate for it."""

    plane: ControlPlane
    api: Api
    place: Place
    substrate: KubernetesSubstrate

    def path(self, version: str, kind: str, name: str | None = None) -> str:
        return path_of(version, kind, self.place.namespace, name)

    def kubectl(self, *arguments: str) -> str:
        return self.plane.kubectl("-n", self.place.namespace, *arguments)

    def seen(self, name: str) -> ObservedWorkload:
        found = self.substrate.observe().find(name)
        assert found is not None
        return found

    def made(self, name: str, **changes: str) -> Workload:
        """A pass that wants everything; the workload of that name."""
        of = spec(**changes)
        return {workload.name: workload for workload in self.substrate.wanted(of, workloads(of))}[name]

    def ensure(self, name: str, **changes: str) -> str:
        """Look, and have one workload as the spec wants it."""
        workload = self.made(name, **changes)
        self.substrate.observe()
        return self.substrate.ensure(workload)


@pytest.fixture
def stage(kubernetes_api: ControlPlane) -> Iterator[Stage]:
    namespace = f"substrate-{secrets.token_hex(4)}"
    kubernetes_api.kubectl("create", "namespace", namespace)
    with kubernetes_api.api() as client:
        api = Api(client)
        place = Place(namespace, "demo", "0.1.0")
        yield Stage(kubernetes_api, api, place, KubernetesSubstrate(api, place))
    kubernetes_api.kubectl("delete", "namespace", namespace, "--wait=false")


def test_the_api_server_accepts_every_manifest(stage: Stage) -> None:
    exposed = "{master: {type: NodePort}, webhdfs: {ingress: {host: hdfs.example.com, tlsSecret: cert}}}"
    of = spec(kubernetes__endpoints=exposed, kubernetes__tlsSecret="cert", kubernetes__pods="{data: {spread: required}}")
    place = Place(stage.place.namespace, "demo", "0.1.0", spec=of.spec.kubernetes)
    accepted = [
        name_of(stage.api.apply(manifest, dry_run=True)) for group in groups(workloads(of)) for manifest in manifests(group, place).all
    ]
    assert len(accepted) > 50
    assert {"StatefulSet/master-0", "Deployment/compute-0", "Service/master-0-outside", "Ingress/nmnode-0-outside"} <= set(accepted)


def test_what_was_applied_is_seen_with_the_hash_that_is_wanted_until_it_differs(stage: Stage) -> None:
    assert stage.ensure("data-0") == "created"
    assert stage.seen("data-0").content_hash == stage.substrate.content_hash(stage.made("data-0"))
    assert stage.ensure("data-0", pools__data__retentionSeconds="900") == "restarts: its configuration files changed"
    assert stage.ensure("data-0", pools__data__retentionSeconds="900", kubernetes__images="{tag: '2'}") == (
        "restarts: spec.containers[data-0].image changed"
    )
    assert stage.ensure("data-0", pools__data__retentionSeconds="900", kubernetes__images="{tag: '2'}") == "updated without a restart"


def test_what_a_group_has_no_more_around_it_goes(stage: Stage) -> None:
    """A way in from outside above all."""
    exposed = {"kubernetes__endpoints": "{webhdfs: {type: NodePort, ingress: {host: hdfs.example.com}}}"}
    stage.ensure("nmnode-0", **exposed)
    ways = (stage.path("v1", "Service", "nmnode-0-outside"), stage.path("networking.k8s.io/v1", "Ingress", "nmnode-0-outside"))
    assert all(stage.api.get(way) is not None for way in ways)
    assert stage.ensure("nmnode-0") == "updated without a restart"
    assert not any(stage.api.get(way) is not None for way in ways)
    assert stage.api.get(stage.path("v1", "Service", "nmnode-0")) is not None
    assert stage.seen("nmnode-0").content_hash == stage.substrate.content_hash(stage.made("nmnode-0"))


def test_a_pod_that_can_not_run_says_why(stage: Stage) -> None:
    stage.ensure("data-0")
    eventually(lambda: "there is no default StorageClass" in stage.seen("data-0").reason, "the claim has no volume")
    assert stage.seen("data-0").state == "failed"
    stage.kubectl("create", "quota", "small", "--hard=pods=1")
    eventually(lambda: "hard" in stage.kubectl("get", "quota", "small", "-o", "jsonpath={.status}"), "the quota counts")
    stage.ensure("compute-0")
    eventually(lambda: "exceeded quota: small" in stage.seen("compute-0").reason, "the quota holds")
    assert stage.seen("compute-0").state == "failed"


def test_hand_edits_are_seen_named_and_taken_back(stage: Stage) -> None:
    stage.ensure("data-0")
    before = stage.seen("data-0").content_hash
    edits = {
        "added": ("statefulset", '{"spec": {"template": {"spec": {"nodeSelector": {"disk": "ssd"}}}}}'),
        "added to a list": ("service", '{"spec": {"ports": [{"name": "more", "port": 99}]}}'),
        "removed": ("statefulset", '{"spec": {"template": {"spec": {"securityContext": {"fsGroup": null}}}}}'),
    }
    for kind, patch in edits.values():
        stage.kubectl("patch", kind, "data-0", "--field-manager=somebody", "--patch", patch)
        seen = stage.seen("data-0")
        assert seen.content_hash == ""
        assert "edited by hand" in seen.reason
        stage.ensure("data-0")
        assert stage.seen("data-0").content_hash == before, patch
    stage.kubectl("patch", "statefulset", "data-0", "--field-manager=somebody", "--patch", '{"spec": {"replicas": 3}}')
    assert "somebody changed spec.replicas of StatefulSet/data-0" in stage.seen("data-0").reason
    assert "somebody had changed spec.replicas of StatefulSet/data-0: taken back" in stage.ensure("data-0")
    found = stage.api.get(stage.path("apps/v1", "StatefulSet", "data-0"))
    assert found is not None
    assert found["spec"]["replicas"] == 1
    assert "nodeSelector" not in found["spec"]["template"]["spec"]


def test_what_people_may_do_is_left_alone(stage: Stage) -> None:
    stage.ensure("data-0")
    before = stage.seen("data-0").content_hash
    stage.kubectl("rollout", "restart", "statefulset/data-0")
    stage.kubectl("label", "service", "data-0", "team=blue")
    assert stage.seen("data-0").content_hash == before


def test_what_is_deleted_by_hand_is_made_again(stage: Stage) -> None:
    stage.ensure("data-0")
    before = stage.seen("data-0").content_hash
    around = {"service": "data-0", "configmap": "data-0", "networkpolicy": "data-0", "serviceaccount": "openbdc-data", "pdb": "data"}
    for kind, name in around.items():
        stage.kubectl("delete", kind, name)
    assert stage.seen("data-0").reason.count("was deleted") == len(around)
    stage.ensure("data-0")
    assert stage.seen("data-0").content_hash == before


def test_a_job_runs_once_for_each_content(stage: Stage) -> None:
    stage.ensure("master-setup")
    first = stage.seen("master-setup")
    stage.ensure("master-setup", pools__master__databases="[bdc, sales]")
    second = stage.seen("master-setup")
    assert (first.kind, second.kind) == ("job", "job")
    assert first.content_hash != second.content_hash
    eventually(lambda: len(stage.kubectl("get", "jobs", "-o", "name").split()) == 1, "the first one is gone")


def test_claims_can_not_change_and_the_rest_does(stage: Stage) -> None:
    stage.ensure("data-0")
    with pytest.raises(SubstrateError, match=r"size 10Gi → 20Gi.*kubectl edit pvc data-data-0-0"):
        stage.ensure("data-0", kubernetes__storage="{claims: {data: {size: 20Gi}}}", kubernetes__images="{tag: '2'}")
    found = stage.api.get(stage.path("apps/v1", "StatefulSet", "data-0"))
    assert found is not None
    assert found["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":2")


def test_stop_takes_everything_but_the_claim(stage: Stage) -> None:
    stage.ensure("data-0")
    claims = stage.path("v1", "PersistentVolumeClaim")
    eventually(lambda: stage.api.list(claims), "the claim is made")
    stage.substrate.stop("data-0")
    stage.substrate.stop("data-0")
    assert stage.substrate.observe().find("data-0") is None
    left = stage.kubectl("get", "statefulset,service,configmap,networkpolicy,pdb", "-l", "openbdc.dev/workload=data-0", "-o", "name")
    assert left == ""
    assert [claim["metadata"]["name"] for claim in stage.api.list(claims)] == ["data-data-0-0"]
    stage.substrate.delete_claims()
    eventually(lambda: not stage.api.list(claims), "the claims are gone")


def test_a_server_of_a_pod_stops_the_whole_pod(stage: Stage) -> None:
    stage.ensure("compute-0-scratch")
    assert {seen.name for seen in stage.substrate.observe().workloads} == {"control", "compute-0-scratch", "compute-0"}
    stage.substrate.stop("compute-0")
    assert {seen.name for seen in stage.substrate.observe().workloads} == {"control"}


def test_a_pass_asks_as_often_with_a_thousand_pods_as_with_ten(stage: Stage) -> None:
    stage.ensure("data-0")
    pod: Json = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "x", "image": "x"}]}}
    calls = []
    for first, last in ((0, 5), (5, 40)):
        for number in range(first, last):
            stage.api.create(stage.path("v1", "Pod"), {**pod, "metadata": {"name": f"other-{number}", "namespace": stage.place.namespace}})
        before = stage.api.calls
        stage.substrate.observe()
        calls.append(stage.api.calls - before)
    assert calls[0] == calls[1]
    assert calls[0] <= 13
