"""Specs from the original's files: what is carried over, and that nothing is lost in silence."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from controller.errors import RequestError
from controller.spec import load_spec
from controller.spec.azdata import MEANT_NOTHING, _leaves, imported

BDC: dict[str, Any] = json.loads((pathlib.Path(__file__).parent / "azdata_bdc.json").read_text())
CONTROL: dict[str, Any] = {
    "apiVersion": "v1",
    "metadata": {"kind": "Cluster", "name": "mssql-cluster"},
    "spec": {
        "docker": {
            "registry": "mcr.example.com",
            "repository": "mssql/bdc",
            "imageTag": "2019-CU13-ubuntu-20.04",
            "imagePullPolicy": "Always",
        },
        "storage": {"data": {"className": "default", "accessMode": "ReadWriteOnce", "size": "15Gi"}},
        "endpoints": [{"name": "Controller", "serviceType": "NodePort", "port": 30090}],
    },
    "security": {"allowRunAsRoot": False, "activeDirectory": {"realm": "CONTOSO.LOCAL"}},
}


def test_what_has_a_counterpart_is_carried_over() -> None:
    found = imported(BDC, CONTROL, "local")
    spec = load_spec(found.text).spec
    pools = spec.pools
    assert load_spec(found.text).name == "mssql-cluster"
    assert (pools.compute.replicas, pools.data.shards, pools.storage.data_nodes, pools.storage.replication) == (2, 3, 3, 3)
    assert (pools.storage.spark.memory_megabytes, pools.storage.spark.cores) == (2048, 1)
    assert pools.storage.spark.conf == {"spark.sql.shuffle.partitions": "64"}
    assert (spec.ports.controller, spec.ports.master) == (30090, 31433)


def test_on_kubernetes_sizes_and_classes_of_volumes_come_too() -> None:
    claims = load_spec(imported(BDC, CONTROL, "kubernetes").text).spec.kubernetes.storage.claims
    assert {name: (claim.size, claim.storage_class) for name, claim in claims.items()} == {
        "master": ("32Gi", "fast"),
        "dataNode": ("500Gi", None),
    }


@pytest.mark.parametrize("profile", ["local", "kubernetes"])
def test_everything_else_is_named_with_a_reason(profile: str) -> None:
    found = imported(BDC, CONTROL, profile)
    told = {key for key, _, _ in found.carried} | {key for key, _, _ in found.left}
    for prefix, document in (("bdc", BDC), ("control", CONTROL)):
        for key, _ in _leaves(prefix, document):
            assert MEANT_NOTHING.search(key) or any(key == one or key.startswith(f"{one}.") for one in told), key
    reasons = {key: why for key, _, why in found.left}
    assert "Active Directory" in reasons["control.security.activeDirectory.realm"]
    assert "replicas are not there yet" in reasons["bdc.spec.resources.master.spec.settings.sql.hadr.enabled"]
    assert "nodeSelector" in reasons["bdc.spec.resources.master.spec.nodeLabel"]
    assert not [key for key, why in reasons.items() if why == "has no counterpart here"]


def test_one_data_node_has_one_copy() -> None:
    small = {"metadata": {"name": "small"}, "spec": {"resources": {"storage-0": {"spec": {"replicas": 1}}}}}
    storage = load_spec(imported(small, None, "local").text).spec.pools.storage
    assert (storage.data_nodes, storage.replication) == (1, 1)


@pytest.mark.parametrize("content", [{}, {"spec": {}}, {"spec": {"resources": []}}])
def test_another_file_is_told(content: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=r"not a bdc\.json"):
        imported(content, None, "local")


def test_a_name_that_can_not_be_is_told() -> None:
    with pytest.raises(RequestError, match="can't be the name") as failure:
        imported({"metadata": {"name": "My_Cluster"}, "spec": {"resources": {}}}, None, "local")
    assert failure.value.hint and "--name" in failure.value.hint
