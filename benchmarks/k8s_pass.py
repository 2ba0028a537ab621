"""``k8s-pass``: a pass of the controller with nothing to do, on a real API server: how often it asks, and how long it takes, with 10 and
with 1,000 pods in the namespace.

There is no node: pods are said to be ready by this benchmark. There is no master to log in to either, so roles are not compared.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.report import Figure, Report, median
from controller.kubernetes.__main__ import Running, build
from controller.kubernetes.api import Api, Json, path_of
from controller.kubernetes.definition import ensure_definition
from controller.reconcile import Outcome, Parts
from controller.spec.model import API_VERSION, KIND
from controller.substrates.kubernetes.place import CLUSTER
from tests.services.kubernetes import ControlPlane

NAME = "passes"
MANY = 1000
SETTLE_SECONDS = 120
SPEC: Json = {"profile": "kubernetes", "pools": {"compute": {"replicas": 2}}}
CLASS: Json = {
    "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "kubernetes.io/host-path",
    "metadata": {"name": "folders", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
}  # fmt: skip


@dataclass
class Stage:
    """A controller in this process, whose passes are made by hand."""

    api: Api
    running: Running
    parts: Parts

    def one_pass(self) -> Outcome:
        """One."""
        return self.running.passes(self.parts)

    def path(self, kind: str, name: str | None = None, version: str = "v1") -> str:
        """In the namespace."""
        return path_of(version, kind, NAME, name)

    def settle(self) -> None:
        """Passes until nothing is left to do, while every pod is said to be ready."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            outcome = self.one_pass()
            if outcome.status is not None and outcome.status["state"] == "ready" and outcome.sentence.startswith("nothing to do"):
                return
            if time.monotonic() > deadline:
                said = outcome.status["details"] if outcome.status else outcome.sentence
                raise RuntimeError(f"not settled within {SETTLE_SECONDS} s: {said}; {outcome.failure}")
            for pod in self.api.list(self.path("Pod"), selector=CLUSTER):
                if pod["status"]["phase"] == "Pending":
                    self.api.merge(f"{self.path('Pod', pod['metadata']['name'])}/status", {"status": lively(pod)})
            time.sleep(0.2)

    def measured(self, rounds: int) -> tuple[int, float]:
        """Calls of each pass, and the median of their seconds. RuntimeError where one had something to do, or asked more often."""
        seconds, calls = [], []
        for _ in range(rounds):
            before, began = self.api.calls, time.perf_counter()
            outcome = self.one_pass()
            seconds.append(time.perf_counter() - began)
            calls.append(self.api.calls - before)
            if not outcome.sentence.startswith("nothing to do"):
                raise RuntimeError(f"a pass had something to do: {outcome.sentence}")
        if len(set(calls)) > 1:
            raise RuntimeError(f"passes with nothing to do asked {sorted(set(calls))} times")
        return calls[0], median(seconds)

    def add_pods(self, first: int, last: int, labels: dict[str, str]) -> None:
        """Pods of somebody else's, or with our label, that nobody schedules."""
        spec: Json = {"schedulerName": "nobody", "containers": [{"name": "x", "image": "x"}]}
        for number in range(first, last):
            metadata = {"name": f"other-{number}", "namespace": NAME, "labels": labels}
            self.api.create(self.path("Pod"), {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def count(self) -> int:
        """Pods in the namespace."""
        return len(self.api.list(self.path("Pod")))


def lively(pod: Json) -> Json:
    """The status that a node would give a pod that is well: a Job's has ended, others are ready."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    ended = any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences", ()))
    done: Json = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": now, "finishedAt": now}}
    runs: Json = {"running": {"startedAt": now}}

    def statuses(containers: list[Json], over: bool) -> list[Json]:
        state: dict[str, Any] = {"ready": not over, "started": not over, "restartCount": 0, "state": done if over else runs}
        return [{"name": container["name"], "image": container["image"], "imageID": "x", **state} for container in containers]

    first = pod["spec"].get("initContainers", [])
    sidecars = [container for container in first if container.get("restartPolicy") == "Always"]
    prepared = statuses([container for container in first if container not in sidecars], True)
    kinds = ("Ready", "ContainersReady", "Initialized", "PodScheduled")
    good = [{"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds]
    return {
        "phase": "Succeeded" if ended else "Running",
        "startTime": now,
        "conditions": good[2:] if ended else good,
        "initContainerStatuses": prepared + statuses(sidecars, ended),
        "containerStatuses": statuses(pod["spec"]["containers"], ended),
    }


@contextmanager
def stage() -> Iterator[Stage]:
    """An API server, a resource, a controller that leads."""
    with ControlPlane() as plane, plane.api() as client, plane.without("scheduler"):  # it would say that no node takes them
        api = Api(client)
        ensure_definition(api)
        api.create(path_of("storage.k8s.io/v1", "StorageClass"), CLASS)
        api.create(path_of("v1", "Namespace"), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}})
        manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": NAME, "namespace": NAME}, "spec": SPEC}
        api.create(path_of(API_VERSION, KIND, NAME), manifest)
        running = build(api, NAME, NAME, "benchmark", lambda: None)
        running.lease._api = Api(client)  # it is renewed beside the passes: none of their calls
        running.lease.start(lambda: None)
        try:
            parts = dataclasses.replace(running.controller.loop._parts, sync_roles=lambda _spec: None)
            yield Stage(api, running, parts)
        finally:
            running.lease.stop()


def run(rounds: int | None) -> Report:
    """The same passes with few pods, with 1,000 of others, with 1,000 that carry our label."""
    rounds = rounds or 20
    with stage() as place:
        place.settle()
        few = place.count()
        calls_10, pass_10 = place.measured(rounds)
        place.add_pods(few, MANY, {"app": "other"})
        calls_1000, pass_1000 = place.measured(rounds)
        place.add_pods(MANY, 2 * MANY, {CLUSTER: NAME, "openbdc.dev/workload": "other"})
        calls_own, pass_own = place.measured(rounds)
    return Report(
        "k8s-pass",
        (
            Figure("calls_10", calls_10, "calls"),
            Figure("calls_1000", calls_1000, "calls", f"<= {calls_10}"),
            Figure("pass_s_10", pass_10, "s", "<= 0.2"),
            Figure("pass_s_1000", pass_1000, "s", "<= 0.5"),
            Figure("calls_own", calls_own, "calls", note="1,000 more pods that carry the cluster's label"),
            Figure("pass_s_own", pass_own, "s"),
        ),
        (f"{few} pods of the cluster; then {MANY} in the namespace; median of {rounds} passes each",),
        {"rounds": rounds, "pods": few},
    )
