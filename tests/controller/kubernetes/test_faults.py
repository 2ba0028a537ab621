"""Faults that need no node: each ends in the resource's status, or where that can't be written in the log, with what, where, why and what
next (docs/architecture/kubernetes-faults.md)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from controller.kubernetes import definition as definitions
from controller.kubernetes.__main__ import main
from controller.kubernetes.api import path_of
from tests.controller.kubernetes.conftest import Place
from tests.controller.kubernetes.running import operator
from tests.patience import eventually

CLAIM = "data-master-0-0"
SECONDS = 120.0
"""From the fault to the sentence 60 are promised; a machine that others keep busy too may take longer, and is no failure."""


@pytest.fixture
def volumes(place: Place) -> Iterator[str]:
    """A StorageClass whose volumes are there at once, also without a node."""
    path, name = path_of("storage.k8s.io/v1", "StorageClass"), f"faults-{secrets.token_hex(4)}"
    manifest = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    place.api.create(path, {**manifest, "provisioner": "kubernetes.io/host-path"})
    yield name
    place.api.delete(f"{path}/{name}")


def message(place: Place) -> str:
    """The resource's sentence."""
    return str(place.resource("demo").get("status", {}).get("message", ""))


def change(place: Place) -> str:
    """What the controller changed last."""
    return str(place.resource("demo").get("status", {}).get("lastChange", {}).get("message", ""))


def details(place: Place, workload: str) -> str:
    services = place.resource("demo").get("status", {}).get("services", [])
    instances = (one for service in services for resource in service["resources"] for one in resource["instances"])
    return next((f"{one['state']}: {one['details']}" for one in instances if one["name"] == workload), "")


@pytest.mark.kubernetes  # these two need no node, but processor time
def test_a_quota_that_is_used_up(place: Place) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": {"pods": "0"}}}
    path = place.path("ResourceQuota")
    place.api.create(path, quota)
    eventually(lambda: (place.api.get(f"{path}/small") or {}).get("status", {}).get("hard"), "Kubernetes counts it", SECONDS)
    place.make("demo")
    with operator(place):
        eventually(lambda: "exceeded quota: small" in message(place), "it is told", SECONDS)
        assert "its pod can't be made" in message(place) and "kubectl describe resourcequota" in message(place)
        assert place.condition("demo", "Degraded")["status"] == "True"


@pytest.mark.kubernetes
def test_what_people_change_by_hand_and_volumes_that_are_lost(place: Place, volumes: str) -> None:
    place.make("demo", {"kubernetes": {"storage": {"storageClass": volumes}}})
    master = place.path("StatefulSet", "master-0", "apps/v1")
    with operator(place) as one:
        eventually(
            lambda: (place.api.get(master) or {}).get("metadata", {}).get("annotations", {}).get("openbdc.dev/claim"), "it knows its claim"
        )
        edited_and_deleted(place)
        one.loop.wake(5.0)
        replaced(place)
        lost(place)


def edited_and_deleted(place: Place) -> None:
    """Who changed what is named, and taken back; what is deleted is named, and made again."""
    patch = '{"spec": {"template": {"spec": {"priorityClassName": "high"}}}}'
    place.plane.kubectl("-n", place.namespace, "patch", "statefulset", "data-0", "--field-manager=somebody", "--patch", patch)
    eventually(
        lambda: "somebody had changed spec.template.spec.priorityClassName of StatefulSet/data-0: taken back" in change(place), "named"
    )

    def events() -> str:
        return str(place.api.list(place.path("Event"), fields="involvedObject.kind=BigDataCluster"))

    eventually(lambda: "somebody had changed" in events(), "an Event says so too", SECONDS)
    place.api.delete(place.path("Service", "data-1"))
    eventually(lambda: place.api.get(place.path("Service", "data-1")), "the Service is made again", SECONDS)


def replaced(place: Place) -> None:
    """Kubernetes makes a claim again that was deleted, empty; the status stays an error until somebody says that this is meant."""
    path = place.path("PersistentVolumeClaim", CLAIM)
    before = place.api.get(path)
    assert before is not None
    place.api.delete(path)
    place.api.delete(place.path("Pod", "master-0-0"), grace=0)
    eventually(lambda: (place.api.get(path) or before)["metadata"]["uid"] != before["metadata"]["uid"], "the claim is made again", SECONDS)
    eventually(lambda: f"error: failed: claim {CLAIM} is another one than before" in details(place, "master-0"), "it is told", SECONDS)
    accept = f"kubectl -n {place.namespace} annotate pvc {CLAIM} openbdc.dev/accepted=empty"
    assert accept in details(place, "master-0")
    place.plane.kubectl(*accept.split()[1:])
    eventually(lambda: "another one" not in details(place, "master-0"), "it is accepted", SECONDS)


def lost(place: Place) -> None:
    """The volume behind a claim is deleted."""
    claim = place.api.get(place.path("PersistentVolumeClaim", "data-data-1-0"))
    assert claim is not None
    volume = f"/api/v1/persistentvolumes/{claim['spec']['volumeName']}"
    place.api.delete(volume)
    place.api.merge(volume, {"metadata": {"finalizers": None}})
    eventually(lambda: "error: failed: the volume of claim data-data-1-0 is gone" in details(place, "data-1"), "it is told", SECONDS)
    assert "kubectl describe pvc data-data-1-0" in details(place, "data-1")


def test_a_definition_of_another_version_ends_the_controller_with_a_sentence(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("controller.kubernetes.__main__.configure", lambda: None)  # the log of this process is pytest's
    monkeypatch.setattr(definitions, "VERSION", "v9")
    monkeypatch.setattr(definitions, "product_version", lambda: "0")  # older than the one that wrote it
    assert main(["--kubeconfig", str(place.plane.kubeconfig), "--namespace", place.namespace, "--name", "demo"]) == 1
    said = capsys.readouterr().err
    assert "serves v1alpha1; this controller is of 0 and speaks v9" in said
    assert "helm upgrade" in said


@pytest.mark.kubernetes
def test_an_api_server_that_hangs_is_told_as_one_that_is_away(place: Place) -> None:
    """No connection is refused or ends: watches and passes would wait for ever."""
    place.make("demo")
    with operator(place) as one:
        eventually(lambda: place.resource("demo").get("status", {}).get("services"), "it was observed", SECONDS)
        with place.plane.stalled("apiserver"):
            eventually(lambda: "the API server does not answer" in one.details(), "it is told", SECONDS)
            eventually(lambda: "since 20" in one.details(), "it is told since when: not by a pass that began before", SECONDS)
            assert one.loop.status()["services"]
        eventually(lambda: "does not answer" not in one.details(), "it observes again", SECONDS)
