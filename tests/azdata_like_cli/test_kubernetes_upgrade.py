"""bdc upgrade of a cluster on Kubernetes: real API server, helm and chart; the node (``standin_operator``) and the controller's API are
played."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from azdata_like_cli import operations
from azdata_like_cli.kubernetes import chart, following
from bdc import contexts
from bdc.contexts import Place
from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import StandinController, standin_controller
from tests.azdata_like_cli.standin_operator import RUNNING, standin_operator, waiting
from tests.helm.chart import CHART, helm
from tests.services.kubernetes import ControlPlane

PROBLEM = {
    "code": "upgrade_failed",
    "message": "data-0 of pool data does not come up",
    "where": "data-0",
    "why": "line 1\nline 2",
    "hint": "mend it",
}
DONE = {
    "number": 7,
    "kind": "upgrade",
    "user": "admin",
    "state": "done",
    "phase": "all pools run with tag 0.1.1",
    "begun_at": 1.0,
    "problem": None,
}
FAILED = {**DONE, "state": "failed", "phase": "failed", "problem": PROBLEM}
RUNS = {**DONE, "number": 6, "state": "running", "phase": "waits for data-0"}


class Upgrading(StandinController):
    """With operations. ``end``: what becomes of an upgrade; ``under_way``: what runs before it; ``state``: of the cluster."""

    end: dict[str, Any] = DONE
    under_way: dict[str, Any] | None = None
    state = "ready"

    def _authorised(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if path == "/api/v1/bdc/upgrade":
            return 202, {"plan": {}, "operation": {**self.end, "state": "running", "phase": "begins"}}
        if path == "/api/v1/bdc/operations":
            return 200, [self.under_way] if self.under_way else []
        if path.startswith("/api/v1/bdc/operations/"):
            return 200, {**self.end, "number": int(path.rpartition("/")[2])}
        if path == "/api/v1/bdc/status":
            return 200, {"name": "sales", "state": self.state, "details": "data-1: backoff", "services": []}
        return super()._authorised(method, path, query, body)

    def asked(self) -> list[Any]:
        """The bodies of upgrades."""
        return [body for method, path, body in self.requests if path.endswith("/upgrade")]


@pytest.fixture
def controller(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upgrading]:
    monkeypatch.setattr("tests.azdata_like_cli.standin_controller.StandinController", Upgrading)
    monkeypatch.setattr(operations, "LOOK_SECONDS", 0.05)
    with standin_controller() as made:
        assert isinstance(made, Upgrading)
        yield made


@pytest.fixture
def sales(kube: ControlPlane, place: str, controller: Upgrading) -> str:
    """A release, its resource, and a login; the controller's address is the played one's."""
    helm(kube, place, "install", "openbdc", CHART, "--set", "clusterName=sales")
    here = Place(kube.kubectl("config", "current-context").strip(), place)
    session = contexts.Session("sales", controller.url, "admin", "sales", token=controller.token, expires=4e9, kubernetes=here)
    with contexts.editing() as box:
        box[0] = box[0].with_session(session)
    return place


def image(kube: ControlPlane, place: str) -> str:
    found = kube.get("deployment", "openbdc", "-n", place)["spec"]["template"]["spec"]["containers"][0]["image"]
    return str(found)


def revisions(kube: ControlPlane, place: str) -> list[str]:
    return [one["description"] for one in json.loads(helm(kube, place, "history", "openbdc", "-o", "json"))]


@pytest.mark.kubernetes
def test_the_controller_first_then_the_pools(bdc: Run, kube: ControlPlane, sales: str, controller: Upgrading) -> None:
    with standin_operator(kube, sales):
        outcome = bdc("upgrade", "sales", "--tag", "0.1.1", "--registry", "mirror.example.com/x", "--yes")
        assert outcome.code == 0, outcome.err
        assert "all pools run with tag 0.1.1" in outcome.out
        assert image(kube, sales) == "mirror.example.com/x/openbdc/controller:0.1.1"
        assert controller.asked() == [{"tag": "0.1.1", "registry": "mirror.example.com/x", "seconds": 300}]
        before = revisions(kube, sales)
        again = bdc("upgrade", "sales", "--tag", "0.1.1", "--yes")  # the controller runs it: the pools are looked at only
        assert again.code == 0 and revisions(kube, sales) == before
        older = bdc("upgrade", "sales", "--yes")
        assert older.code == 1 and "does not go backwards" in older.err and "helm rollback openbdc" in older.err


@pytest.mark.kubernetes
def test_pools_that_do_not_come_up_bring_the_controller_of_before_back(
    bdc: Run,
    kube: ControlPlane,
    sales: str,
    controller: Upgrading,
) -> None:
    controller.end = FAILED
    with standin_operator(kube, sales):
        resource = {"apiVersion": "openbdc.dev/v1alpha1", "kind": "BigDataCluster", "metadata": {"name": "sales", "namespace": sales}}
        kube.kubectl("wait", "--for=create", "crd/bigdataclusters.openbdc.dev", "--timeout=60s")
        kube.kubectl("wait", "--for=condition=Established", "crd/bigdataclusters.openbdc.dev", "--timeout=60s")
        kube.kubectl("apply", "-f", "-", stdin=json.dumps({**resource, "spec": {"profile": "kubernetes"}}))
        outcome = bdc("upgrade", "sales", "--tag", "0.1.1", "--yes")
    assert outcome.code == 3
    for words in ("data-0 of pool data does not come up; the controller of before runs again", "line 2", "mend it"):
        assert words in outcome.err, outcome.err
    assert image(kube, sales).endswith(f"controller:{chart.version()}")
    assert revisions(kube, sales)[-1] == "Rollback to 1"


@pytest.mark.kubernetes
def test_a_controller_that_does_not_come_up_is_the_end_of_it(
    bdc: Run,
    kube: ControlPlane,
    sales: str,
    controller: Upgrading,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(following, "FAILED_SECONDS", 0.5)
    with standin_operator(kube, sales) as operator:
        kube.kubectl("wait", "--for=condition=Available", "deployment/openbdc", "-n", sales, "--timeout=60s")
        operator._pod = waiting("ImagePullBackOff", "no such tag")
        rolled_back, original = [], chart.rollback
        monkeypatch.setattr(
            chart, "rollback", lambda *words: (rolled_back.append(words), setattr(operator, "_pod", RUNNING), original(*words))
        )
        outcome = bdc("upgrade", "sales", "--tag", "9.9.9", "--timeout", "5", "--yes")
    assert outcome.code == 3 and rolled_back and controller.asked() == []
    assert "control of the controller failed" in outcome.err and "no such tag" in outcome.err
    assert image(kube, sales).endswith(f"controller:{chart.version()}")


def test_what_stands_in_the_way_is_told_and_nothing_is_changed(bdc: Run, kube: ControlPlane, sales: str, controller: Upgrading) -> None:
    words = ("upgrade", "sales", "--tag", "0.1.1", "--yes")
    controller.under_way = {**RUNS, "kind": "apply"}
    outcome = bdc(*words)
    assert outcome.code == 1 and "apply by admin is under way: waits for data-0" in outcome.err
    controller.under_way = RUNS
    outcome = bdc(*words)
    assert outcome.code == 0 and "Upgrade 6 is under way already" in outcome.err
    controller.under_way, controller.state = None, "unready"
    outcome = bdc(*words)
    assert outcome.code == 1 and "is not ready" in outcome.err and "data-1: backoff" in outcome.err and "bdc doctor" in outcome.err
    assert controller.asked() == [] and revisions(kube, sales) == ["Install complete"]
    controller.state = "ready"
    kube.kubectl("label", "deployment", "openbdc", "-n", sales, "app.kubernetes.io/version=9.0.0", "--overwrite")
    for older in (words, ("create", "sales", "--profile", "kubernetes", "--namespace", sales)):
        outcome = bdc(*older)
        assert outcome.code == 1 and "9.0.0" in outcome.err and "newer client" in outcome.err, outcome.err
    kube.kubectl("annotate", "deployment", "openbdc", "-n", sales, "meta.helm.sh/release-name-")
    refused = bdc(*words)
    assert refused.code == 1 and "--keep-controller" in refused.err
    assert bdc(*words, "--keep-controller").code == 0
    assert len(controller.asked()) == 1 and revisions(kube, sales) == ["Install complete"]


def test_options_of_kubernetes_need_a_login_there(bdc: Run) -> None:
    assert bdc("upgrade", "demo", "--tag", "1", "--yes").code == 2
    asked = bdc("upgrade", "demo", "--kube-namespace", "sales", "--yes")
    assert asked.code == 1 and "bdc login NAME --kubernetes" in asked.err
