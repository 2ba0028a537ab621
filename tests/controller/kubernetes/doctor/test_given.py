"""What the doctor says of nodes, claims, images, probes, names and clocks that are given."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from controller.kubernetes.api import ApiError
from controller.kubernetes.doctor.images import images
from controller.kubernetes.doctor.network import clock, dns
from controller.kubernetes.doctor.nodes import nodes
from controller.kubernetes.doctor.probes import probes
from controller.kubernetes.doctor.quantities import cores, number, size
from controller.kubernetes.doctor.storage import claims, storage_classes
from controller.kubernetes.doctor.table import checks
from controller.operations.doctor import examined
from tests.controller.kubernetes.doctor.grounds import GivenApi, bad, found, ground

Json = dict[str, Any]
LOW = {"type": "MemoryPressure", "status": "True", "message": "low"}
NOW = datetime.datetime(2026, 11, 22, 12, 0, 0, tzinfo=datetime.UTC)


def node(name: str = "one", memory: str = "64Gi", cpu: str = "8", **more: Any) -> Json:
    ready = {"type": "Ready", "status": "True"}
    status = {"allocatable": {"cpu": cpu, "memory": memory}, "conditions": [ready, *more.pop("conditions", [])]}
    return {"metadata": {"name": name, "labels": more.pop("labels", {})}, "spec": more, "status": status}


def test_nodes_that_are_well() -> None:
    (one,) = found(lambda: nodes(ground(GivenApi(nodes=[node(), node("two", unschedulable=True)]))))
    assert (one.state, one.message[:24]) == ("ok", "1 of 2 nodes take pods; ")
    assert "the nodes that take pods have 8 CPU and 64.0 GiB" in one.message


@pytest.mark.parametrize(
    ("given", "said", "fix"),
    [
        ([], "none of 0 nodes takes pods", "kubectl get nodes"),
        ([node(memory="128Mi")], "no node can take compute-0, which asks for 0.2 CPU and", "memoryMegabytes"),
        ([node(cpu="300m")], "the pools ask for", "add a node"),
        ([node(memory="5Gi")], "they may take", "memory"),
        ([node(taints=[{"key": "gpu", "effect": "NoSchedule"}])], "no node can take master-0", "tolerations leave no node"),
        ([node(conditions=[LOW])], "node one has MemoryPressure: low", "describe node one"),
    ],
)  # fmt: skip
def test_nodes_that_are_not(given: list[Json], said: str, fix: str) -> None:
    told = bad(lambda: nodes(ground(GivenApi(nodes=given))))
    assert any(said in message and fix in what for message, what in told.items()), told


def test_a_node_that_is_down_is_named_with_its_reason() -> None:
    down = node("down")
    down["status"]["conditions"] = [{"type": "Ready", "status": "False", "message": "kubelet stopped"}]
    assert "node down is not ready: kubelet stopped" in bad(lambda: nodes(ground(GivenApi(nodes=[node(), down]))))


def test_a_node_that_the_spec_chooses() -> None:
    chosen = {"kubernetes__pods": "{data: {nodeSelector: {disk: ssd}, tolerations: [{key: gpu, operator: Exists}]}}"}
    fits = node("fits", labels={"disk": "ssd"}, taints=[{"key": "gpu", "effect": "NoSchedule"}])
    assert bad(lambda: nodes(ground(GivenApi(nodes=[node(), fits]), **chosen))) == {}
    assert "no node can take data-0" in next(iter(bad(lambda: nodes(ground(GivenApi(nodes=[node()]), **chosen)))))


def claim(name: str = "data-master-0-0", **status: Any) -> Json:
    spec = {"resources": {"requests": {"storage": "10Gi"}}}
    return {"metadata": {"name": name, "namespace": "bdc", "uid": "new"}, "spec": spec, "status": {"phase": "Bound", **status}}


def test_claims() -> None:
    master: Json = {"metadata": {"name": "master-0", "annotations": {"openbdc.dev/claim": "old"}}}
    master["spec"] = {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}
    told = bad(lambda: claims(ground(GivenApi(persistentvolumeclaims=[claim()], statefulsets=[master]))))
    assert next(fix for message, fix in told.items() if "another one than before" in message).endswith("openbdc.dev/accepted=empty")
    assert "is Pending" in next(iter(bad(lambda: claims(ground(GivenApi(persistentvolumeclaims=[claim(phase="Pending")]))))))
    small = claim(capacity={"storage": "5Gi"})
    assert "has 5Gi and asks for 10Gi" in next(iter(bad(lambda: claims(ground(GivenApi(persistentvolumeclaims=[small]))))))
    gone = claim()
    gone["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z"
    assert list(bad(lambda: claims(ground(GivenApi(persistentvolumeclaims=[gone])))).values()) == ["save it now: bdc backup"]


def storage_class(name: str, provisioner: str = "x", default: bool = False) -> Json:
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": annotations}, "provisioner": provisioner}


def test_storage_classes() -> None:
    assert "there is no default StorageClass" in next(iter(bad(lambda: storage_classes(ground(GivenApi())))))
    one = GivenApi(storageclasses=[storage_class("standard", default=True)])
    assert found(lambda: storage_classes(ground(one)))[0].message.startswith("StorageClass standard (default) of x")
    missing = bad(lambda: storage_classes(ground(one, kubernetes__storage="{storageClass: fast}")))
    assert list(missing) == ["there is no StorageClass fast, which the spec names"]
    two = GivenApi(storageclasses=[storage_class("a", default=True), storage_class("b", "kubernetes.io/no-provisioner", default=True)])
    assert len(bad(lambda: storage_classes(ground(two)))) == 2


def pod(name: str, image: str, **status: Any) -> Json:
    labels = {"openbdc.dev/workload": name}
    metadata = {"name": name, "namespace": "bdc", "uid": f"uid-{name}", "labels": labels}
    return {"metadata": metadata, "spec": {"containers": [{"name": name, "image": image}]}, "status": status}


def test_images() -> None:
    stuck = [{"name": "data-1", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such host"}}}]
    pods = [pod("data-0", "registry:5000/openbdc/data:0.0.9"), pod("data-1", "docker.io/openbdc/data:0.1.0", containerStatuses=stuck)]
    told = bad(lambda: images(ground(GivenApi(pods=pods))))
    assert list(told) == [
        "data-1: the image docker.io/openbdc/data:0.1.0 can't be pulled: no such host",
        "data-0 run registry:5000/openbdc/data:0.0.9, the controller is of version 0.1.0",
    ]
    assert bad(lambda: images(ground(GivenApi(pods=[pod("master-0", "docker.io/library/postgres:18")])))) == {}


def test_probes() -> None:
    def event(of: str, when: datetime.datetime) -> Json:
        return {"involvedObject": {"uid": of}, "lastTimestamp": when.strftime("%Y-%m-%dT%H:%M:%SZ"), "message": "HTTP 503", "count": 3}

    now = datetime.datetime.now(datetime.UTC)
    pods = [pod("a", "x"), pod("b", "x", conditions=[{"type": "Ready", "status": "True"}])]
    events = [event("uid-a", now), event("uid-b", now), event("uid-other", now)]
    told = found(lambda: probes(ground(GivenApi(pods=pods, events=events))))
    assert [(one.state, one.message) for one in told] == [
        ("problem", "a fails its probe: HTTP 503"),
        ("warning", "b is ready, and failed its probe 3 times: HTTP 503"),
    ]
    long_ago = [event("uid-a", now - datetime.timedelta(hours=1))]
    assert bad(lambda: probes(ground(GivenApi(pods=pods, events=long_ago)))) == {}


def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    here = ground(GivenApi())

    def refuses(name: str) -> list[str]:
        raise OSError(f"{name}: Name or service not known")

    assert "does not run in a pod" in next(iter(bad(lambda: dns(here))))
    assert found(lambda: dns(here, lambda _name: ["10.0.0.1"]))[0].message == "openbdc.bdc.svc is 10.0.0.1"
    assert "has no address: openbdc.bdc.svc: Name or service" in next(iter(bad(lambda: dns(here, refuses))))


class Clocked(GivenApi):
    def version(self) -> tuple[str, datetime.datetime]:
        return "v1.35.0", NOW


@pytest.mark.parametrize(("ahead", "state"), [(0.9, "ok"), (-4.0, "ok"), (30.0, "warning"), (-90.0, "problem")])
def test_clocks(ahead: float, state: str) -> None:
    (one,) = found(lambda: clock(ground(Clocked()), lambda: NOW.timestamp() + ahead))
    assert one.state == state


def test_quantities() -> None:
    assert [number(text) for text in ("1408Mi", "500m", "2", "1.5G", "1e3")] == [1408 * 2**20, 0.5, 2.0, 1.5e9, 1000.0]
    assert (size(1.5 * 2**30), size(2**29), cores(0.25)) == ("1.5 GiB", "512 MiB", "0.25 CPU")
    with pytest.raises(ValueError, match="no quantity"):
        number("lots")


class Hanging(GivenApi):
    asked = 0

    def version(self) -> tuple[str, datetime.datetime]:
        self.asked += 1
        raise ApiError("the API server does not answer: timed out", number=None, hint="kubectl get --raw /readyz")


def test_a_server_that_hangs_is_asked_once() -> None:
    api = Hanging()
    told = [one for one in examined(checks(ground(api))) if one.check != "dns"]
    assert {(one.state, one.fix) for one in told} == {("unknown", "kubectl get --raw /readyz")}
    assert (len(told), api.asked) == (9, 1)
