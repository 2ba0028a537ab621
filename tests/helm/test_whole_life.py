"""A controller with the rights of the chart's service account and nothing else, from its start to the end of its cluster: nothing is
refused, and what is granted is asked for. No pod runs here; ``standin_operator`` plays the node."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from controller.kubernetes.api import PLURALS
from controller.kubernetes.rights import AROUND_IT, FOR_THE_DOCTOR, IN_THE_NAMESPACE, Right, declared
from tests.azdata_like_cli.standin_operator import standin_node
from tests.helm.chart import CHART, helm, namespace
from tests.patience import eventually
from tests.services.kubernetes import ControlPlane
from tests.services.postgresql import free_port

CLUSTER = "sales"
CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "whole-life"},
    "provisioner": "kubernetes.io/host-path",
}
SPEC = {
    "profile": "kubernetes",
    "pools": {"compute": {"replicas": 2}, "storage": {"spark": {"enabled": False}}},
    "kubernetes": {
        "storage": {"onDelete": "delete", "storageClass": "whole-life"},
        "endpoints": {"webhdfs": {"ingress": {"host": "hdfs.example.com"}}},
    },
}
VERBS = {"GET": "get", "POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
PATH = re.compile(
    r"/apis?/(?:(?P<group>[^/]+)/)?v1[^/]*/(?:namespaces/[^/]+/)?(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<sub>[a-z]+))?"
)
NOT_HERE: set[Right] = {
    ("openbdc.dev", "bigdataclusters/finalizers", "update", "*"),  # asked only by API servers that check owner references
    ("", "pods/log", "get", "*"),  # of a pod that ended, or for `bdc logs`
    ("openbdc.dev", "bigdataclusters", "get", "*"),  # `bdc apply`
    ("apiextensions.k8s.io", "customresourcedefinitions", "create", "*"),  # where it is not there yet
    ("", "resourcequotas", "list", "*"),  # `bdc doctor`
    ("", "limitranges", "list", "*"),
}
"""Granted, and not asked for here (or not always)."""


def right(method: str, path: str, query: dict[str, str]) -> Right:
    """What a request needs."""
    found = PATH.fullmatch(path)
    if found is None:  # /api/v1/namespaces/NAME itself
        return "", "namespaces", VERBS[method], path.rpartition("/")[2]
    resource = found["plural"] + (f"/{found['sub']}" if found["sub"] else "")
    named = query.get("fieldSelector", "")
    name = found["name"] or (named.removeprefix("metadata.name=") if named.startswith("metadata.name=") else "*")
    verb = "watch" if query.get("watch") else "list" if method == "GET" and found["name"] is None else VERBS[method]
    return found["group"] or "", resource, verb, name


def needed(file: Path) -> set[Right]:
    """Everything that was asked; server-side apply of what was not there needs ``create`` too."""
    rights = set()
    for line in file.read_text().splitlines():
        method, path, query, status = json.loads(line)
        assert status != 403, line
        asked = right(method, path, query)
        rights.add(asked)
        if method == "PATCH" and status == 201:
            rights.add((asked[0], asked[1], "create", "*"))
    return rights


def covered(asked: Right, grants: set[Right]) -> Right | None:
    """The grant that lets it through."""
    return next((grant for grant in (asked, (*asked[:3], "*")) if grant in grants), None)


@contextmanager
def running(kubernetes: ControlPlane, name: str, folder: Path) -> Iterator[Path]:
    """The controller as the service account; the file with its requests."""
    token = kubernetes.kubectl("create", "token", "openbdc", "-n", name).strip()
    config = yaml.safe_load(kubernetes.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    program = [sys.executable, str(Path(__file__).with_name("recorded_controller.py")), str(folder / "requests")]
    words = ["--kubeconfig", str(folder / "kubeconfig"), "--namespace", name, "--name", CLUSTER, "--bind", "127.0.0.1"]
    environment = {**os.environ, "PYTHONPATH": str(CHART.parent.parent)}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*program, *words, "--port", str(free_port())], stdout=log, stderr=log, env=environment)
        try:
            yield folder / "requests"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.mark.kubernetes  # it needs no node, but a minute of processor time
def test_nothing_is_refused_and_nothing_is_granted_in_vain(kubernetes_api: ControlPlane, tmp_path: Path) -> None:
    kubernetes_api.kubectl("apply", "-f", "-", stdin=json.dumps(CLASS))
    with namespace(kubernetes_api) as name:
        helm(kubernetes_api, name, "install", "openbdc", CHART, "--set", f"clusterName={CLUSTER}")
        with standin_node(kubernetes_api, name), running(kubernetes_api, name, tmp_path) as file:
            _live(kubernetes_api, name)
        helm(kubernetes_api, name, "uninstall", "openbdc")
    asked = needed(file)
    grants = declared(IN_THE_NAMESPACE + AROUND_IT, name, CLUSTER)  # without what only the doctor reads
    assert {one for one in asked if covered(one, grants) is None} == set()
    assert grants - {covered(one, grants) for one in asked} - NOT_HERE == set()


def _live(kubernetes: ControlPlane, name: str) -> None:
    """Made, changed by hand, scaled, deleted with its volumes."""

    def there(what: str) -> bool:
        return bool(kubernetes.kubectl("get", what, "-n", name, "--ignore-not-found"))

    eventually(lambda: kubernetes.kubectl("get", "crd", "bigdataclusters.openbdc.dev", "--ignore-not-found"), "the CRD is applied")
    kubernetes.kubectl("wait", "--for=condition=Established", "crd/bigdataclusters.openbdc.dev", "--timeout=60s")
    metadata = {"name": CLUSTER, "namespace": name}
    document = {"apiVersion": "openbdc.dev/v1alpha1", "kind": "BigDataCluster", "metadata": metadata, "spec": SPEC}
    kubernetes.kubectl("apply", "-f", "-", stdin=json.dumps(document))
    eventually(lambda: there("deployment/compute-1"), "the second compute replica", 120.0)
    assert there("ingress/nmnode-0-outside")
    kubernetes.kubectl("delete", "secret", "openbdc-secrets", "-n", name)
    kubernetes.kubectl("scale", f"bigdatacluster/{CLUSTER}", "--replicas=1", "-n", name)
    eventually(lambda: not there("deployment/compute-1"), "it is gone", 120.0)
    kubernetes.kubectl("delete", "bigdatacluster", CLUSTER, "-n", name, "--timeout=120s")
    assert {secret["metadata"]["name"] for secret in kubernetes.get("secrets", "-n", name)["items"]} & {"openbdc-store"} == set()


def test_every_kind_that_the_controller_knows_is_in_the_list() -> None:
    listed = {resource for grant in IN_THE_NAMESPACE + AROUND_IT + FOR_THE_DOCTOR for resource in grant.resources.split()}
    assert set(PLURALS.values()) <= listed


@pytest.mark.parametrize(
    ("request_", "wanted"),
    [
        (("GET", "/api/v1/namespaces/n/pods", {"watch": "true"}), ("", "pods", "watch", "*")),
        (("GET", "/api/v1/namespaces/n/pods/x/log", {}), ("", "pods/log", "get", "x")),
        (("GET", "/api/v1/namespaces/n", {}), ("", "namespaces", "get", "n")),
        (("PATCH", "/apis/apps/v1/namespaces/n/statefulsets/x", {}), ("apps", "statefulsets", "patch", "x")),
        (("GET", "/apis/openbdc.dev/v1alpha1/namespaces/n/bigdataclusters", {}), ("openbdc.dev", "bigdataclusters", "list", "*")),
        (("GET", "/api/v1/namespaces/n/secrets", {"watch": "true", "fieldSelector": "metadata.name=s"}), ("", "secrets", "watch", "s")),
    ],
)
def test_what_a_request_needs(request_: tuple[str, str, dict[str, str]], wanted: Right) -> None:
    assert right(*request_) == wanted
