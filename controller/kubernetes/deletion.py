"""Deleting or stopping a cluster in order: what uses others goes before what it uses, so that every pool ends its work in peace and what
it holds is written. Each call looks at what is left; nothing is remembered."""

from __future__ import annotations

from collections.abc import Callable, Collection

from controller.kubernetes.api import Api, ApiError, Json, path_of, path_of_object
from controller.kubernetes.names import CLUSTER_LABEL, SECRETS, STORE, WORKLOAD_LABEL
from controller.substrate import Substrate

STAGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("the compute pool, apps and Spark", ("compute", "app", "gateway", "spark")),
    ("HDFS and the data pool", ("storage", "nmnode", "hdfs", "data")),
    ("the master", ()),
)
"""What goes at one time, and how the names of its workloads begin; the last one is everything else."""
SETS = (("apps/v1", "StatefulSet"), ("apps/v1", "Deployment"), ("batch/v1", "Job"))


class Deletion:
    """Of the cluster ``name`` in ``namespace``."""

    def __init__(self, api: Api, namespace: str, name: str, substrate: Substrate) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._substrate = substrate

    def step(self) -> str | None:
        """Stop what is next; a sentence that says what is waited for, or None when nothing is left."""
        names = {seen.name for seen in self._substrate.observe().workloads} - {"control"}
        return self._next("is being deleted", names, self._substrate.stop)

    def rest(self) -> str | None:
        """The same, but what lies around the pods stays (addresses, ports), and so do batches that are over. Jobs go: they are done again
        when the cluster starts."""
        sets = self._sets()

        def end(name: str) -> None:
            for manifest in sets[name]:
                if _is_batch(manifest):
                    self._api.merge(path_of_object(manifest), {"spec": {"suspend": True}})
                else:
                    self._api.delete(path_of_object(manifest))

        return self._next("is being stopped", sets, end)

    def _next(self, doing: str, names: Collection[str], end: Callable[[str], None]) -> str | None:
        pods = self._pods()
        for number, (what, _) in enumerate(STAGES):
            ended = sorted(name for name in names if stage(name) == number)
            for name in ended:
                end(name)
            left = sorted(name for name, workload in pods.items() if stage(workload) == number)
            if ended or left:
                waits = f": waits for {', '.join(left)}" if left else ""
                return f"{doing}, {what} {'first' if number < len(STAGES) - 1 else 'last'}{waits}"
        return None

    def _sets(self) -> dict[str, list[Json]]:
        """Workload → what makes its pods, but for batches that are over."""
        found: dict[str, list[Json]] = {}
        for version, kind in SETS:
            for manifest in self._api.list(path_of(version, kind, self._namespace), f"{CLUSTER_LABEL}={self._name}"):
                if kind != "Job" or not _is_batch(manifest) or _runs(manifest):
                    name = manifest["metadata"]["labels"][WORKLOAD_LABEL]
                    found.setdefault(name, []).append({"apiVersion": version, "kind": kind, **manifest})
        return found

    def forget(self) -> None:
        """With the volumes' claims and the cluster's own Secrets (``spec.kubernetes.storage.onDelete: delete``)."""
        claims = path_of("v1", "PersistentVolumeClaim", self._namespace)
        for claim in self._api.list(claims, f"{CLUSTER_LABEL}={self._name}"):
            self._api.delete(f"{claims}/{claim['metadata']['name']}")
        for secret in (SECRETS, STORE):
            self._api.delete(path_of("v1", "Secret", self._namespace, secret))

    def _pods(self) -> dict[str, str]:
        """Pod → its workload; the controller's own have none."""
        selector = f"{CLUSTER_LABEL}={self._name},{WORKLOAD_LABEL}"
        listed = self._api.list(path_of("v1", "Pod", self._namespace), selector)
        ended = ("Succeeded", "Failed")
        return {
            pod["metadata"]["name"]: pod["metadata"]["labels"][WORKLOAD_LABEL]
            for pod in listed
            if pod.get("status", {}).get("phase") not in ended
        }


def _is_batch(manifest: Json) -> bool:
    return bool(manifest.get("kind", "Job") == "Job" and manifest["spec"].get("backoffLimit") == 0)


def _runs(job: Json) -> bool:
    status: Json = job.get("status", {})
    return not any((job["spec"].get("suspend"), status.get("completionTime"), status.get("failed")))


def namespace_ends(api: Api, namespace: str) -> bool:
    """Whether the whole namespace is being deleted: then all pods end at once, and nobody may hold that up."""
    try:
        found = api.get(path_of("v1", "Namespace", None, namespace))
    except ApiError as error:
        if error.number == 403:  # a chart without that right: pods go in order while they last
            return False
        raise
    return found is None or "deletionTimestamp" in found["metadata"]


def stage(workload: str) -> int:
    """When a workload goes: 0 first."""
    for number, (_, beginnings) in enumerate(STAGES):
        if workload.startswith(beginnings):
            return number
    return len(STAGES) - 1
