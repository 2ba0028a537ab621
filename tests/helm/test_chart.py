"""The chart: linted, rendered with every ci/*.yaml and taken by a real API server, its schema, its page, its life as a release."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from azdata_like_cli.kubernetes import reference
from tests.helm.chart import CHART, CI, helm, kinds, namespace, render
from tests.services.kubernetes import ControlPlane

STUB = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.monitoring.coreos.com}}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {{kind: {kind}, plural: {plural}, singular: {singular}}}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"""
"""Stands in for the Prometheus operator's CRDs: kinds are known, fields are not checked."""

ALWAYS = {
    ("Deployment", "openbdc"),
    ("Service", "openbdc"),
    ("ServiceAccount", "openbdc"),
    ("Role", "openbdc"),
    ("RoleBinding", "openbdc"),
}
LISTED = "deployments,services,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,configmaps"


@pytest.fixture(scope="module")
def monitoring(kubernetes_api: ControlPlane) -> Iterator[None]:
    stubs = [STUB.format(plural=f"{kind.lower()}s", singular=kind.lower(), kind=kind) for kind in ("ServiceMonitor", "PrometheusRule")]
    kubernetes_api.kubectl("apply", "-f", "-", stdin="---\n".join(stubs))
    kubernetes_api.kubectl("wait", "--for=condition=Established", "crd", "-l", "", "--all", "--timeout=60s")
    yield
    kubernetes_api.kubectl("delete", "crd", "servicemonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com")


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_every_ci_file_is_linted_and_taken_by_the_api_server(kubernetes_api: ControlPlane, monitoring: None, values: Path) -> None:
    with namespace(kubernetes_api) as name:
        helm(kubernetes_api, name, "lint", "--strict", CHART, "--values", values)
        documents = render(kubernetes_api, name, "--values", values)
        said = kubernetes_api.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump_all(documents))
    assert said.count("serverside-applied") == len(documents)
    assert kinds(documents) >= ALWAYS


def test_budget_and_policy_where_they_make_sense(kubernetes_api: ControlPlane) -> None:
    def has(kind: str, *words: str) -> bool:
        return any(document["kind"] == kind for document in render(kubernetes_api, "demo", *words))

    assert not has("PodDisruptionBudget")
    assert has("PodDisruptionBudget", "--set", "replicas=2")
    assert has("NetworkPolicy")
    assert not has("NetworkPolicy", "--set", "networkPolicy.enabled=false")
    assert not has("ServiceMonitor") and not has("PrometheusRule") and not has("ConfigMap")


def test_rules_and_dashboard_arrive_whole(kubernetes_api: ControlPlane) -> None:
    documents = {one["kind"]: one for one in render(kubernetes_api, "demo", "--values", CHART / "ci" / "monitoring.yaml")}
    rules = yaml.safe_load((CHART / "files" / "rules.yaml").read_text())
    assert documents["PrometheusRule"]["spec"] == rules
    dashboard = json.loads((CHART / "files" / "dashboard.json").read_text())
    assert json.loads(documents["ConfigMap"]["data"]["openbdc.json"]) == dashboard


def test_the_pod_is_restricted(kubernetes_api: ControlPlane) -> None:
    """The namespace enforces Kubernetes' strictest standard, and the API server refuses nothing and warns of nothing."""
    (deployment,) = [one for one in render(kubernetes_api, "demo") if one["kind"] == "Deployment"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "openbdc"}, "spec": deployment["spec"]["template"]["spec"]}
    with namespace(kubernetes_api) as name:
        kubernetes_api.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
        kubernetes_api.kubectl("create", "serviceaccount", "openbdc", "-n", name)
        kubernetes_api.kubectl("apply", "--dry-run=server", "-n", name, "-f", "-", stdin=json.dumps(pod))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "nonsense=1"), "additional properties 'nonsense' not allowed"),
        (("--set", "image.tagg=1"), "at '/image': additional properties 'tagg' not allowed"),
        (("--set", "replicas=0"), "at '/replicas': minimum: got 0, want 1"),
        (("--set", "replicas=many"), "at '/replicas': got string, want integer"),
        (("--set", "clusterName=Sales"), "at '/clusterName'"),
        (("--set", "clusterName=a-name-that-is-too-long-for-it"), "at '/clusterName'"),
        (("--set", "image.digest=sha256:12"), "at '/image/digest'"),
        (("--set", "image.pullPolicy=Sometimes"), "value must be one of"),
        (("--set", "resources.limits.memory=lots"), "at '/resources/limits/memory'"),
        (("--set", "monitoring.serviceMonitor.interval=soon"), "at '/monitoring/serviceMonitor/interval'"),
        (("--namespace", "a-namespace-whose-name-is-long"), "clusterName: the namespace"),
    ],
    ids=lambda words: words[-1] if isinstance(words, tuple) else "",
)
def test_wrong_values_are_refused_in_words(kubernetes_api: ControlPlane, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(RuntimeError) as error:
        kubernetes_api.run("helm", "template", "openbdc", CHART, "--kube-version", "1.35", *words)
    assert said in str(error.value)


def test_defaults_and_schema_name_the_same_values() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert _names(values, schema) == []


def _names(values: dict[str, Any], schema: dict[str, Any], path: str = "") -> list[str]:
    """Values that only one of both knows, or that are not explained."""
    known = {name for name in schema["properties"] if name != "global"}
    wrong = [f"{path}{name}" for name in known ^ set(values)]
    wrong += [f"{path}{name}: no description" for name in known if not schema["properties"][name].get("description")]
    for name in known & set(values):
        if "properties" in schema["properties"][name]:
            wrong += _names(values[name], schema["properties"][name], f"{path}{name}.")
    return wrong


def test_the_page_of_the_values_is_current() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.render(), "run: python -m azdata_like_cli.kubernetes.reference"


def test_install_upgrade_rollback_uninstall(kubernetes_api: ControlPlane) -> None:
    with namespace(kubernetes_api) as name:
        said = helm(kubernetes_api, name, "install", "openbdc", CHART, "--set", "clusterName=sales")
        for words in ("kind: BigDataCluster", "name: sales", f"bdc login sales --kubernetes --kube-namespace {name}", "openbdc-admin"):
            assert words in said
        assert _deployment(kubernetes_api, name)["replicas"] == 1
        helm(kubernetes_api, name, "upgrade", "openbdc", CHART, "--reuse-values", "--set", "replicas=2,image.tag=2.0.0")
        assert _deployment(kubernetes_api, name)["replicas"] == 2
        assert _image(kubernetes_api, name) == "docker.io/openbdc/controller:2.0.0"
        with pytest.raises(RuntimeError, match="replicas"):
            helm(kubernetes_api, name, "upgrade", "openbdc", CHART, "--reuse-values", "--set", "replicas=-1")
        helm(kubernetes_api, name, "rollback", "openbdc", "1")
        assert _deployment(kubernetes_api, name)["replicas"] == 1
        assert kubernetes_api.get("poddisruptionbudgets", "-n", name)["items"] == []
        assert "--name sales" in " ".join(_deployment(kubernetes_api, name)["template"]["spec"]["containers"][0]["args"])
        helm(kubernetes_api, name, "uninstall", "openbdc", "--wait")
        assert _of_the_release(kubernetes_api, name) == set()


@pytest.mark.kubernetes
def test_two_namespaces_of_one_kubernetes(kubernetes_api: ControlPlane) -> None:
    with namespace(kubernetes_api) as one, namespace(kubernetes_api) as other:
        for name in (one, other):
            helm(kubernetes_api, name, "install", "openbdc", CHART)
        helm(kubernetes_api, one, "uninstall", "openbdc", "--wait")
        assert _of_the_release(kubernetes_api, one) == set()
        assert ("ClusterRole", f"openbdc-{other}") in _of_the_release(kubernetes_api, other)
        helm(kubernetes_api, other, "uninstall", "openbdc", "--wait")


def _deployment(kubernetes: ControlPlane, name: str) -> dict[str, Any]:
    found: dict[str, Any] = kubernetes.get("deployment", "openbdc", "-n", name)["spec"]
    return found


def _image(kubernetes: ControlPlane, name: str) -> str:
    return str(_deployment(kubernetes, name)["template"]["spec"]["containers"][0]["image"])


def _of_the_release(kubernetes: ControlPlane, name: str) -> set[tuple[str, str]]:
    chosen = ("-l", "app.kubernetes.io/name=openbdc")
    inside = kubernetes.get(LISTED, "-n", name, *chosen)["items"]
    around = [one for one in kubernetes.get("clusterroles,clusterrolebindings", *chosen)["items"] if one["metadata"]["name"].endswith(name)]
    return kinds(inside + around)
