"""What the checks stand on: the API server, the namespace, the spec in force, and what its pods ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from controller.errors import ControllerError
from controller.kubernetes.api import Api, ApiError, Json, path_of
from controller.kubernetes.doctor.quantities import number
from controller.kubernetes.names import CLUSTER_LABEL
from controller.operations.doctor import Finding
from controller.spec import ClusterSpec
from controller.substrates.kubernetes.groups import groups
from controller.substrates.kubernetes.place import Place
from controller.substrates.kubernetes.pods import pod_template
from controller.substrates.kubernetes.volumes import claim_templates
from pools.workload import Workload

READ_CLUSTER = "helm upgrade openbdc … --reuse-values --set rbac.readCluster=true"
"""Gives the controller the rights that look beyond its namespace."""


class NotAllowedError(ControllerError):
    """The chart grants no right to read what a check looks at."""

    code = "not_allowed"


@dataclass(frozen=True)
class Ground:
    """``spec`` and ``desired``: of the last pass, NotReadyError before the first. ``version``: of this controller."""

    api: Api
    namespace: str
    cluster: str
    version: str
    spec: Callable[[], ClusterSpec]
    desired: Callable[[], tuple[Workload, ...]]

    def ours(self, api_version: str, kind: str) -> list[Json]:
        """Objects of the cluster."""
        return self.api.list(path_of(api_version, kind, self.namespace), selector=f"{CLUSTER_LABEL}={self.cluster}")

    def inside(self, api_version: str, kind: str, fields: str = "") -> list[Json]:
        """All of the namespace. NotAllowedError."""
        return self._allowed(
            lambda: self.api.list(path_of(api_version, kind, self.namespace), fields=fields), kind, "helm upgrade openbdc …"
        )

    def around(self, api_version: str, kind: str) -> list[Json]:
        """Of the whole Kubernetes cluster. NotAllowedError."""
        return self._allowed(lambda: self.api.list(path_of(api_version, kind)), kind, READ_CLUSTER)

    def _allowed(self, look: Callable[[], list[Json]], kind: str, fix: str) -> list[Json]:
        try:
            return look()
        except ApiError as error:
            if error.number != 403:
                raise
            raise NotAllowedError(f"not checked: the controller may not list {kind} objects", where=kind, hint=fix) from error

    def pods(self) -> tuple[Asked, ...]:
        """What the pods of the spec ask for, Jobs (which end) left out."""
        of = self.spec()
        place = Place(self.namespace, self.cluster, self.version, spec=of.spec.kubernetes)
        found = []
        for group in groups(self.desired()):
            if group.shape == "Job":
                continue
            template = pod_template(group, place, ())["spec"]
            found.append(Asked(group.name, str(group.main.pool), template, tuple(claim_templates(group, place))))
        return tuple(found)


@dataclass(frozen=True)
class Asked:
    """A pod as the spec wants it."""

    name: str
    pool: str
    spec: Json
    claims: tuple[Json, ...] = field(default=())

    @property
    def containers(self) -> tuple[Json, ...]:
        """Those that run as long as the pod does: the main one and sidecars."""
        sidecars = [entry for entry in self.spec.get("initContainers", ()) if entry.get("restartPolicy") == "Always"]
        return (*sidecars, *self.spec["containers"])

    def asks(self, what: str) -> float:
        """Cores (``cpu``) or bytes (``memory``) that are kept free for it."""
        return sum(self._amounts("requests", what))

    def most(self, what: str) -> float | None:
        """What it may take at most; None where there is no limit."""
        found = list(self._amounts("limits", what))
        return sum(found) if len(found) == len(self.containers) else None

    def _amounts(self, kind: str, what: str) -> Iterator[float]:
        for container in self.containers:
            text = container.get("resources", {}).get(kind, {}).get(what)
            if text is not None:
                yield number(text)


def unknown(message: str, fix: str) -> Finding:
    """It could not be looked at."""
    return Finding("", "unknown", message, fix)
