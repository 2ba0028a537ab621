"""Faults that only a real node can have: images, memory, volumes. Each is in the status within a minute, with what, where, why and what
next. The controller runs in the test's process; of the pods only those run that the fault lets."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from controller.kubernetes.api import Api, Json, path_of
from controller.kubernetes.definition import ensure_definition
from tests.controller.kubernetes.conftest import Place
from tests.controller.kubernetes.running import operator
from tests.patience import eventually
from tests.services.kubernetes import Node
from tests.services.kubernetes.product import IMAGES

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(1500)]
SECONDS = 180.0
"""From the fault to the sentence 60 are promised; a machine that others keep busy too may take longer, and is no failure."""
ABSENT = "registry.invalid/openbdc/postgres:1"
SPEC: Json = {
    "pools": {"data": {"shards": 1, "memoryMegabytes": 512}, "storage": {"dataNodes": 1, "replication": 1}},
    "kubernetes": {
        "images": {"master": ABSENT},
        "storage": {"claims": {"nameNode": {"storageClass": "absent"}, "data": {"size": "1Gi"}}},
        "pods": {"data": {"resources": {"memoryLimit": "40Mi", "memoryRequest": "40Mi"}}},
    },
}
"""The master's image can't be pulled, the NameNode's claim gets no volume, the shard needs more memory than it may take."""


@contextmanager
def own_place(node: Node) -> Iterator[Place]:
    namespace = f"faults-{secrets.token_hex(4)}"
    with node.api() as client:
        api = Api(client)
        ensure_definition(api)
        api.create(path_of("v1", "Namespace"), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        try:
            yield Place(node, api, namespace)
        finally:
            api.delete(path_of("v1", "Namespace", None, namespace))


@pytest.fixture(scope="module")
def faulty(kubernetes_node: Node) -> Iterator[Place]:
    """A cluster with three faults; its controller runs."""
    if not (kubernetes_node.folder / "product-images").exists():  # a whole cluster was there before, with all of them
        kubernetes_node.load_images(IMAGES / "data.tar")
    with own_place(kubernetes_node) as place:
        place.make("demo", SPEC)
        with operator(place):
            yield place


def details(place: Place, workload: str) -> str:
    """What the resource says of one workload."""
    services = place.resource("demo").get("status", {}).get("services", [])
    instances = (one for service in services for resource in service["resources"] for one in resource["instances"])
    return next((f"{one['state']}: {one['details']}" for one in instances if one["name"] == workload), "")


def told(place: Place, workload: str, *words: str) -> None:
    """The status says all of these words of a workload, and that it is in error."""
    eventually(lambda: all(word in details(place, workload) for word in ("error: ", *words)), f"{workload}: {words}", SECONDS)


def test_an_image_that_can_not_be_pulled(faulty: Place) -> None:
    told(faulty, "master-0", f"the image {ABSENT} can't be pulled", "registry.invalid", "spec.kubernetes.images")
    assert faulty.condition("demo", "Degraded")["status"] == "True"


def test_a_claim_that_gets_no_volume(faulty: Place) -> None:
    said = ("claim data-nmnode-0-0 of StorageClass absent gets no volume yet", '"absent" not found', "kubectl describe pvc data-nmnode-0-0")
    told(faulty, "nmnode-0", *said)


def test_memory_that_is_not_enough_and_a_node_that_is_too_small(faulty: Place) -> None:
    eventually(lambda: "data-0 needed more memory than its limit of 40Mi" in details(faulty, "data-0"), "it was killed", SECONDS)
    assert "spec.kubernetes.pods.*.resources.memoryLimit" in details(faulty, "data-0")
    change = {"kubernetes": {"pods": {"data": {"resources": {"memoryLimit": "600Gi", "memoryRequest": "500Gi"}}}}}
    faulty.api.merge(faulty.path("BigDataCluster", "demo", "openbdc.dev/v1alpha1"), {"spec": change})
    told(faulty, "data-0", "no node takes its pod: 0/1 nodes are available", "Insufficient memory", "bdc doctor")
