"""Waiting, with a reason for each moment of it: for the controller's Deployment, then for the cluster, or until the cluster is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import cast

from azdata_like_cli.kubernetes import pods, resource
from azdata_like_cli.kubernetes.places import RELEASE
from azdata_like_cli.local import Progress
from bdc import kubectl
from bdc.contexts import Place
from bdc.errors import NotFoundError, ServiceError, UnreachableError, UserError

Json = dict[str, object]
Show = Callable[[Progress], None]

PERIOD = 1.0
FAILED_SECONDS = 60.0
"""How long something may be failed before the wait ends: a registry's hiccup is over by then, a wrong name is not."""
SILENT_SECONDS = 60.0
"""How long the API server may be away."""
SATISFIED = ("ready", "done")
CONTROLLER_LABEL = "labelSelector=app.kubernetes.io%2Fname%3Dopenbdc"


class Wait:
    """One wait: its end, what failed since when, and that the API server may be away for a while. ``call`` it with a look."""

    def __init__(self, place: Place, seconds: float, show: Show) -> None:
        self.place = place
        self._seconds = seconds
        self._show = show
        self._started = time.monotonic()
        self._failing: dict[str, float] = {}
        self._silent: float | None = None
        self._latest: dict[str, pods.Seen] = {}

    def until(self, look: Callable[[], Iterable[tuple[str, pods.Seen]] | None], what: str) -> None:
        """Look every PERIOD until it gives None; what it gives meanwhile is shown. ServiceError names the culprit."""
        while True:
            try:
                found = look()
                self._silent = None
            except UnreachableError as error:
                found = [("kubernetes", pods.Seen("waiting", f"{error.message}: {error.why}"))]
                self._silent = self._silent or time.monotonic()
                if time.monotonic() - self._silent > SILENT_SECONDS:
                    raise
            if found is None:
                return
            self._latest = dict(found)
            for name, seen in self._latest.items():
                self._tell(name, seen)
            self._check(what)
            time.sleep(PERIOD)

    def _tell(self, name: str, seen: pods.Seen) -> None:
        self._show(Progress(name, seen.state, seen.reason, time.monotonic() - self._started))

    def _check(self, what: str) -> None:
        now = time.monotonic()
        for name, seen in self._latest.items():
            if seen.state not in ("failed", "error", "backoff"):
                self._failing.pop(name, None)
            elif now - self._failing.setdefault(name, now) >= FAILED_SECONDS:
                raise self._error(f"{name} of {what} failed", {name: seen})
        if now - self._started > self._seconds:
            waiting = {name: seen for name, seen in self._latest.items() if seen.state not in SATISFIED}
            raise self._error(f"{what} is not ready after {self._seconds:g} s", waiting)

    def _error(self, message: str, culprits: dict[str, pods.Seen]) -> ServiceError:
        why = "\n".join(f"{name}: {seen.state}: {seen.reason}" for name, seen in culprits.items())
        where = f"kubeconfig context {self.place.context}, namespace {self.place.namespace}"
        hint = f"kubectl get events --namespace {self.place.namespace} --sort-by=.lastTimestamp; the controller goes on trying"
        return ServiceError(message, where=where, why=why, hint=hint, code="not_ready")


def controller_ready(wait: Wait) -> None:
    """Until the Deployment runs what was installed, and the CRD that it applies is established."""
    wait.until(lambda: _controller(wait.place), "the controller")


def _controller(place: Place) -> list[tuple[str, pods.Seen]] | None:
    found = deployment(place)
    if found is not None:
        return [("control", found)]
    definition = kubectl.read(place, resource.DEFINITION)
    if definition is None:
        return [("control", pods.Seen("starting", "it has not applied the CRD bigdataclusters.openbdc.dev yet"))]
    if resource.condition(cast(Json, definition.get("status") or {}), "Established").get("status") != "True":
        return [("control", pods.Seen("starting", "the CRD bigdataclusters.openbdc.dev is not established yet"))]
    return None


def deployment(place: Place) -> pods.Seen | None:
    """Why the controller's Deployment is not rolled out; None: it is."""
    found = kubectl.read(place, f"/apis/apps/v1/namespaces/{place.namespace}/deployments/{RELEASE}")
    if found is None:
        return pods.Seen("failed", f"there is no Deployment {RELEASE}")
    if _rolled_out(found):
        return None
    listed = kubectl.read(place, f"/api/v1/namespaces/{place.namespace}/pods?{CONTROLLER_LABEL}") or {}
    pod = pods.newest(cast("list[Json]", listed.get("items") or []))
    refused = resource.condition(cast(Json, found.get("status") or {}), "ReplicaFailure")
    if refused.get("status") == "True":
        return pods.Seen("failed", f"its pod is refused: {refused.get('message')}")
    if pod is None:
        return pods.Seen("waiting", "its pod is not made yet")
    seen = pods.seen(place, pod)
    return pods.Seen("starting", "the pod of before is being replaced") if seen.state == "ready" else seen


def _rolled_out(found: Json) -> bool:
    generation = cast("dict[str, int]", found["metadata"]).get("generation", 0)
    replicas = cast("dict[str, int]", found["spec"]).get("replicas", 1)
    status = cast("dict[str, int]", found.get("status") or {})
    current = status.get("observedGeneration", 0) >= generation and status.get("updatedReplicas", 0) >= replicas
    return current and status.get("availableReplicas", 0) >= replicas and status.get("replicas", 0) == replicas


def cluster_ready(wait: Wait, name: str) -> Json:
    """Until the controller says of the spec as it is now that all is ready; the resource. UserError when it does not accept the spec."""
    latest: list[Json] = []

    def look() -> list[tuple[str, pods.Seen]] | None:
        found = kubectl.read(wait.place, resource.path(wait.place, name))
        if found is None:
            raise NotFoundError(f"the resource of cluster {name!r} was deleted meanwhile", where=f"namespace {wait.place.namespace}")
        latest[:] = [found]
        return _cluster(wait.place, found)

    wait.until(look, f"cluster {name!r}")
    return latest[0]


def _cluster(place: Place, found: Json) -> list[tuple[str, pods.Seen]] | None:
    status = resource.status_of(found)
    accepted = resource.condition(status, "Accepted")
    if accepted.get("status") == "False":
        said = str(accepted.get("message") or "") or None
        raise UserError("the controller does not accept this spec", where=f"namespace {place.namespace}", why=said, code="not_accepted")
    if status.get("state") == "ready":
        return None
    if not status:
        why = deployment(place) or pods.Seen("starting", "it has not taken up the resource yet")
        return [("control", why)]
    listed = [(str(one["name"]), pods.Seen(str(one.get("state")), str(one.get("details") or ""))) for one in resource.instances(status)]
    return [*listed, ("cluster", pods.Seen(str(status.get("state") or "starting"), str(status.get("message") or "")))]


def cluster_gone(wait: Wait, name: str) -> None:
    """Until the resource is gone, which the controller lets go after everything else."""

    def look() -> list[tuple[str, pods.Seen]] | None:
        found = kubectl.read(wait.place, resource.path(wait.place, name))
        if found is None:
            return None
        why = deployment(wait.place)
        if why is not None:
            sentence = f"the controller, which takes it down, does not run: {why.reason}"
            return [("cluster", pods.Seen("failed" if why.state == "failed" else "waiting", sentence))]
        message = cast(Json, found.get("status") or {}).get("message")
        return [("cluster", pods.Seen("stopping", str(message or "compute and Spark go first, then storage and data, then the master")))]

    wait.until(look, f"the deletion of cluster {name!r}")
