"""Plays node and controller on a control plane that has neither: the pod becomes ready, the CRD is applied, status is written, the
finalizer goes. Everything else in these tests is real: API server, kubectl, helm, the chart."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from controller.kubernetes.api import Api, ApiError, connect
from controller.spec.crd import definition
from tests.services.kubernetes import ControlPlane

FINALIZER = "openbdc.dev/ordered-deletion"
CLUSTERS = "/apis/openbdc.dev/v1alpha1/namespaces/{}/bigdataclusters"
READY = {"state": "ready", "health": "healthy", "message": "all is well", "conditions": [], "services": [], "endpoints": []}


def starting(name: str, details: str) -> dict[str, Any]:
    """A status in which one workload is on its way."""
    instance = {"name": name, "state": "starting", "health": "unknown", "details": details, "restarts": 0}
    tree = [{"name": "sql", "resources": [{"name": name, "instances": [instance]}]}]
    return {**READY, "state": "starting", "message": f"waits for {name}", "services": tree}


class StandinOperator:
    """``statuses``: what it writes, the next one after ``advance``; ``pod``: what it makes of the controller's pod (None: nothing)."""

    def __init__(self, api: Api, namespace: str, statuses: list[dict[str, Any]], pod: dict[str, Any] | None) -> None:
        self._api, self._namespace = api, namespace
        self._statuses, self._pod = list(statuses), pod
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.errors: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def advance(self) -> None:
        """The next status, from now on."""
        self._statuses.pop(0)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.3):
            try:
                self._pods()
                self._clusters()
            except ApiError as error:
                if not error.conflict and not error.unreachable and error.number != 404:
                    self.errors.append(error.message)

    def _pods(self) -> None:
        if self._pod is None:
            return
        root = f"/api/v1/namespaces/{self._namespace}/pods"
        for pod in self._api.list(root, selector="app.kubernetes.io/name=openbdc"):
            if pod["status"].get("phase") == "Pending":
                self._api.merge(f"{root}/{pod['metadata']['name']}/status", {"status": self._pod})
                self._api.apply(definition())

    def _clusters(self) -> None:
        for found in self._api.list(CLUSTERS.format(self._namespace)):
            path = f"{CLUSTERS.format(self._namespace)}/{found['metadata']['name']}"
            if found["metadata"].get("deletionTimestamp"):
                self._api.merge(path, {"metadata": {"finalizers": None}})
                continue
            if FINALIZER not in found["metadata"].get("finalizers", []):
                self._api.merge(path, {"metadata": {"finalizers": [FINALIZER]}})
            status = {**self._statuses[0], "observedGeneration": found["metadata"]["generation"]}
            if found.get("status") != status:
                self._api.merge(f"{path}/status", {"status": status})


RUNNING = {
    "phase": "Running",
    "conditions": [{"type": "Ready", "status": "True"}],
    "containerStatuses": [
        {
            "name": "controller",
            "ready": True,
            "restartCount": 0,
            "image": "x",
            "imageID": "",
            "state": {"running": {"startedAt": "2026-11-22T00:00:00Z"}},
            "started": True,
        }
    ],
}


def waiting(reason: str, message: str) -> dict[str, Any]:
    """A pod's status as the kubelet writes it for an image that can't be had."""
    state = {"waiting": {"reason": reason, "message": message}}
    container = {"name": "controller", "ready": False, "restartCount": 0, "image": "x", "imageID": "", "state": state}
    return {"phase": "Pending", "containerStatuses": [container]}


@contextmanager
def standin_operator(
    kubernetes: ControlPlane, namespace: str, statuses: list[dict[str, Any]] | None = None, pod: dict[str, Any] | None = RUNNING
) -> Iterator[StandinOperator]:
    """One that runs inside of the block."""
    operator = StandinOperator(connect(str(kubernetes.kubeconfig)), namespace, statuses or [READY], pod)
    operator.start()
    try:
        yield operator
    finally:
        operator.stop()


NODE = "standin"
HEARTBEAT_SECONDS = 5.0


@contextmanager
def standin_node(kubernetes: ControlPlane, namespace: str) -> Iterator[None]:
    """There is a node inside of the block, on which every pod of the namespace is ready at once, and jobs' pods have succeeded."""
    api, over = connect(str(kubernetes.kubeconfig)), threading.Event()
    api.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
    root = f"/api/v1/namespaces/{namespace}/pods"

    def run() -> None:
        beaten = float("-inf")
        while not over.wait(0.3):
            if time.monotonic() - beaten > HEARTBEAT_SECONDS:
                api.merge(f"/api/v1/nodes/{NODE}/status", {"status": _heartbeat()})
                beaten = time.monotonic()
            for pod in api.list(root, fields=f"status.phase=Pending,spec.nodeName={NODE}"):
                try:
                    api.merge(f"{root}/{pod['metadata']['name']}/status", {"status": _as_if_run(pod)})
                except ApiError as error:
                    if error.number not in (404, 409):
                        raise
            for pod in api.list(root, fields=f"spec.nodeName={NODE}"):
                if "deletionTimestamp" in pod["metadata"]:  # what the kubelet does once the containers have ended
                    api.delete(f"{root}/{pod['metadata']['name']}", grace=0)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        api.delete(f"/api/v1/nodes/{NODE}")


def _heartbeat() -> dict[str, Any]:
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "200", "ephemeral-storage": "1Ti"}
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {"type": "Ready", "status": "True", "reason": "StandIn", "lastHeartbeatTime": now, "lastTransitionTime": now}
    return {"capacity": amounts, "allocatable": amounts, "conditions": [ready]}


def _as_if_run(pod: dict[str, Any]) -> dict[str, Any]:
    """A status as the kubelet writes it."""
    done = pod["spec"]["restartPolicy"] != "Always"
    state = {"terminated": {"exitCode": 0}} if done else {"running": {"startedAt": "2026-11-22T00:00:00Z"}}
    containers = [
        {"name": one["name"], "ready": not done, "restartCount": 0, "image": "x", "imageID": "", "state": state, "started": not done}
        for one in pod["spec"]["containers"]
    ]
    conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False" if done else "True"}]
    return {"phase": "Succeeded" if done else "Running", "conditions": conditions, "containerStatuses": containers}
