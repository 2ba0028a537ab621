"""bdc create, delete, config and contexts for clusters on Kubernetes: real API server, kubectl, helm and chart; only node and controller
are played (``standin_operator``), as nothing runs pods here."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from azdata_like_cli.kubernetes import following
from azdata_like_cli.local import Progress
from azdata_like_cli.progress import WorkloadProgress
from bdc import contexts
from bdc.contexts import Place
from controller.kubernetes.api import connect
from controller.spec.crd import definition
from tests.azdata_like_cli.conftest import ADMIN_PASSWORD, Run
from tests.azdata_like_cli.standin_operator import READY, standin_operator, starting, waiting
from tests.helm.chart import namespace
from tests.patience import PATIENCE
from tests.services.kubernetes import ControlPlane

PROFILE = ("--profile", "kubernetes", "--timeout", "90")


def secret(kube: ControlPlane, name: str) -> dict[str, str]:
    data = kube.get("secret", "openbdc-admin", "-n", name)["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def remember(name: str, place: Place) -> None:
    with contexts.editing() as box:
        session = contexts.Session(name, f"http://openbdc.{place.namespace}.svc:30080", "admin", name, kubernetes=place)
        box[0] = box[0].with_session(session)


def test_create_follow_delete(bdc: Run, kube: ControlPlane, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    statuses = [starting("master-0", "waits for its volume claim"), READY]
    with standin_operator(kube, place, statuses) as operator:
        when_shown(monkeypatch, "waits for its volume claim", operator.advance)
        outcome = bdc("create", "sales", *PROFILE, "--namespace", place, "-o", "json")
        assert outcome.code == 0, outcome.err
        assert (outcome.json["name"], outcome.json["namespace"]) == ("sales", place)
        assert "master-0" in outcome.err and "waits for its volume claim" in outcome.err
        assert ADMIN_PASSWORD not in outcome.out + outcome.err
        assert secret(kube, place) == {"username": "admin", "password": ADMIN_PASSWORD}
        assert kube.get("bigdatacluster", "sales", "-n", place)["spec"]["profile"] == "kubernetes"
        assert bdc("create", "other", *PROFILE, "--namespace", place).code == 1  # one cluster per namespace
        claim(kube, place)
        gone = bdc("delete", "sales", "--namespace", place, "--yes", "-o", "json")
        assert gone.code == 0, gone.err
        assert gone.json["volume_claims"] == ["data-data-0"]
        assert operator.errors == []
    assert kube.get("deployments,bigdataclusters,roles", "-n", place)["items"] == []
    assert bdc("delete", "sales", "--namespace", place, "--yes").code == 1


def when_shown(monkeypatch: pytest.MonkeyPatch, words: str, act: Callable[[], None]) -> None:
    """``act`` once these words were shown."""
    show, waiting_for = WorkloadProgress.__call__, [words]

    def shown(self: WorkloadProgress, event: Progress) -> None:
        show(self, event)
        if words in event.reason and waiting_for:
            waiting_for.clear()
            act()

    monkeypatch.setattr(WorkloadProgress, "__call__", shown)


def claim(kube: ControlPlane, place: str) -> None:
    metadata = {"name": "data-data-0", "labels": {"openbdc.dev/cluster": "sales"}}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    document = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
    kube.kubectl("create", "-n", place, "-f", "-", stdin=json.dumps(document))


def test_a_second_create_takes_up_what_is_there(bdc: Run, kube: ControlPlane, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("create", "sales", *PROFILE, "--namespace", place)
    late = bdc(*words, "--timeout", "1")
    assert late.code == 3
    assert "the controller is not ready after 1 s" in late.err and "no node" in late.err
    monkeypatch.setenv("BDC_PASSWORD", "Another-pass-1")
    other = bdc(*words)
    assert other.code == 1 and "another password" in other.err
    monkeypatch.delenv("BDC_PASSWORD")
    with standin_operator(kube, place):
        again = bdc(*words)
        assert again.code == 0, again.err


def test_what_can_not_run_is_said_and_ends_the_wait(bdc: Run, kube: ControlPlane, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FAILED_SECONDS", 1.0)
    message = 'Back-off pulling image "docker.io/openbdc/controller:0.1.0": not found'
    with standin_operator(kube, place, pod=waiting("ImagePullBackOff", message)):
        outcome = bdc("create", "sales", *PROFILE, "--namespace", place)
    assert outcome.code == 3
    assert "control of the controller failed" in outcome.err and message in outcome.err


def test_a_spec_that_is_not_accepted(bdc: Run, kube: ControlPlane, place: str) -> None:
    condition = {"type": "Accepted", "status": "False", "reason": "SecondCluster", "message": "the cluster north is here already"}
    condition["lastTransitionTime"] = "2026-11-22T00:00:00Z"
    with standin_operator(kube, place, [{**READY, "state": "error", "conditions": [condition]}]) as operator:
        outcome = bdc("create", "sales", *PROFILE, "--namespace", place)
        assert outcome.code == 1
        assert "the cluster north is here already" in outcome.err
        assert operator.errors == []


@pytest.mark.kubernetes
def test_a_spec_file_goes_to_the_api_server_as_it_is(bdc: Run, kube: ControlPlane, place: str, home: Path) -> None:
    spec = home / "bdc.yaml"
    assert bdc("config", "init", str(spec), "--profile", "kubernetes", "--name", "sales").code == 0
    assert bdc("config", "validate", str(spec)).code == 0
    assert bdc("config", "set", str(spec), "spec.pools.compute.replicas=3").code == 0
    values = home / "values.yaml"
    values.write_text("replicas: 2\n")
    words = ("create", "--spec", str(spec), "--timeout", "90", "--namespace", place)  # its profile says where it belongs
    with standin_operator(kube, place):
        outcome = bdc(*words, "--values", str(values))
        assert outcome.code == 0, outcome.err
        assert kube.get("bigdatacluster", "sales", "-n", place)["spec"]["pools"]["compute"]["replicas"] == 3
        assert kube.get("deployment", "openbdc", "-n", place)["spec"]["replicas"] == 2
        wrong = yaml.safe_load(spec.read_text())
        wrong["spec"]["pools"]["compute"]["replicas"] = 0
        spec.write_text(yaml.safe_dump(wrong))
        refused = bdc(*words)
        assert refused.code == 1 and "spec.pools.compute.replicas" in refused.err
        values.write_text("replicas: 99\n")
        refused = bdc(*words, "--values", str(values))
        assert refused.code == 1 and "at '/replicas'" in refused.err


def test_ctrl_c_says_what_is_left(kube: ControlPlane, place: str) -> None:
    command = [sys.executable, "-m", "azdata_like_cli", "create", "sales", *PROFILE, "--namespace", place]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        while "no node takes it" not in running.stderr.readline():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        rest = running.stderr.read()
        assert running.wait(PATIENCE) == 130
    assert "the cluster is not asked for yet" in rest and "'bdc delete sales'" in rest
    assert "Traceback" not in rest
    assert json.loads(kube.run("helm", "status", "openbdc", "-n", place, "-o", "json"))["info"]["status"] == "deployed"


def test_delete_with_the_volumes_asks_the_controller_for_it(bdc: Run, kube: ControlPlane, place: str) -> None:
    api = connect(str(kube.kubeconfig))
    api.apply(definition())
    remember("sales", Place(current(kube), place))
    kube.kubectl("wait", "--for=condition=Established", "crd/bigdataclusters.openbdc.dev")
    resource = {"apiVersion": "openbdc.dev/v1alpha1", "kind": "BigDataCluster", "metadata": {"name": "sales", "namespace": place}}
    seen: list[Any] = []
    with standin_operator(kube, place) as operator:
        assert bdc("delete", "sales", "--volumes", stdin="n\n").code == 1  # nothing there yet, or not confirmed
        api.apply({**resource, "spec": {"profile": "kubernetes"}})
        watched = api.merge
        operator._api.merge = lambda path, change: (seen.append(api.get(path.removesuffix("/status"))), watched(path, change))[1]  # type: ignore[method-assign]
        outcome = bdc("delete", "sales", "--volumes", stdin="y\n")
        assert outcome.code == 0, outcome.err
    assert seen[-1]["spec"]["kubernetes"]["storage"]["onDelete"] == "delete"
    assert contexts.load().sessions == {}


def current(kube: ControlPlane) -> str:
    return kube.kubectl("config", "current-context").strip()


def test_programs_that_are_missing(bdc: Run, kube: ControlPlane, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    outcome = bdc("create", "sales", *PROFILE)
    assert outcome.code == 1 and "no program 'kubectl'" in outcome.err and "https://kubernetes.io/docs/tasks/tools" in outcome.err
    (home / "kubectl").symlink_to(Path(kube.environment["PATH"].split(":")[0]) / "kubectl")
    outcome = bdc("create", "sales", *PROFILE)
    assert outcome.code == 1 and "no program 'helm'" in outcome.err and "https://helm.sh/docs/intro/install" in outcome.err
    (home / "helm").write_text("#!/bin/sh\necho v3.9.4\n")
    (home / "helm").chmod(0o755)
    outcome = bdc("create", "sales", *PROFILE)
    assert outcome.code == 1 and "helm 3.9 is too old" in outcome.err


def test_a_kubeconfig_without_a_way(bdc: Run, kube: ControlPlane, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = bdc("create", "sales", *PROFILE, "--kube-context", "nowhere")
    assert outcome.code == 1 and "no such context" in outcome.err and "--kube-context" in outcome.err
    monkeypatch.setenv("KUBECONFIG", str(home / "none"))
    outcome = bdc("create", "sales", *PROFILE)
    assert outcome.code == 1 and "no current context" in outcome.err
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(kube, home, server="https://127.0.0.1:1")))
    outcome = bdc("create", "sales", *PROFILE)
    assert outcome.code == 3 and "the Kubernetes API server does not answer" in outcome.err
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(kube, home, token="wrong")))
    outcome = bdc("create", "sales", *PROFILE)
    assert outcome.code == 4 and "did not let kubectl in" in outcome.err


def test_rights_that_are_missing_are_listed_before_anything_is_made(
    bdc: Run, kube: ControlPlane, place: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kube.kubectl("create", "serviceaccount", "editor", "-n", place)
    kube.kubectl("create", "rolebinding", "editor", "--clusterrole=edit", f"--serviceaccount={place}:editor", "-n", place)
    token = kube.kubectl("create", "token", "editor", "-n", place).strip()
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(kube, home, token=token)))
    outcome = bdc("create", "sales", *PROFILE, "--namespace", place)
    assert outcome.code == 1 and "you lack rights" in outcome.err
    assert "create clusterroles.rbac.authorization.k8s.io" in outcome.err and "deployments" not in outcome.err
    assert kube.get("deployments", "-n", place)["items"] == []
    outcome = bdc("create", "sales", *PROFILE, "--namespace", "default")
    assert outcome.code == 1


def kubeconfig(kube: ControlPlane, home: Path, *, server: str | None = None, token: str | None = None) -> Path:
    """The administrator's, with another server or as somebody else."""
    found = yaml.safe_load(kube.kubeconfig.read_text())
    if server is not None:
        found["clusters"][0]["cluster"]["server"] = server
    if token is not None:
        found["users"][0]["user"] = {"token": token}
    path = home / "kubeconfig"
    path.write_text(yaml.safe_dump(found))
    return path


def test_a_namespace_on_its_way_out(bdc: Run, kube: ControlPlane) -> None:
    with namespace(kube) as name:
        held = {"metadata": {"name": "held", "namespace": name, "finalizers": ["example.com/held"]}}
        kube.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "ConfigMap", **held}))
        kube.kubectl("delete", "namespace", name, "--wait=false")
        outcome = bdc("create", "sales", *PROFILE, "--namespace", name)
        kube.kubectl("patch", "configmap", "held", "-n", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert outcome.code == 1 and f"namespace {name} is being deleted" in outcome.err


def test_options_that_do_not_go_together(bdc: Run) -> None:
    assert bdc("create", "demo", "--namespace", "x").code == 2
    assert bdc("delete", "demo", "--volumes").code == 2
    assert bdc("login", "--kubernetes").code == 2


def test_contexts_say_where(bdc: Run) -> None:
    remember("sales", Place("prod", "sales-ns"))
    (row,) = bdc("context", "list", "-o", "json").json
    assert row["controller"] == "kubernetes prod/sales-ns"
