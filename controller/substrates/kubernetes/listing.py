"""What is there of a cluster: a constant number of lists, all by label selector."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from controller.kubernetes.api import Api, path_of
from controller.substrates.kubernetes.place import CLUSTER, Json, Place

SETS = (("apps/v1", "StatefulSet"), ("apps/v1", "Deployment"), ("batch/v1", "Job"))
EACH = (("v1", "Pod"), ("v1", "PersistentVolumeClaim"))
AT_ONCE = 6
"""Lists that are asked for side by side: most of a list's time is the way there and back."""
AROUND = (
    ("v1", "ServiceAccount"),
    ("v1", "ConfigMap"),
    ("v1", "Service"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("networking.k8s.io/v1", "Ingress"),
    ("policy/v1", "PodDisruptionBudget"),
)


@dataclass(frozen=True)
class Listing:
    """``sets``, ``around``: by ``Kind/name``; ``claims``: by name."""

    sets: dict[str, Json] = field(default_factory=dict)
    around: dict[str, Json] = field(default_factory=dict)
    pods: tuple[Json, ...] = ()
    claims: dict[str, Json] = field(default_factory=dict)

    @property
    def objects(self) -> dict[str, Json]:
        """Everything that we apply."""
        return {**self.around, **self.sets}


def listing(api: Api, place: Place) -> Listing:
    """Eleven calls, however much there is (500 objects of a kind each). ApiError of the first that fails."""
    kinds = (*SETS, *AROUND, *EACH)
    with ThreadPoolExecutor(AT_ONCE, "list") as threads:
        found = dict(zip(kinds, threads.map(lambda kind: _list(api, place, *kind), kinds), strict=True))
    pods, claims = (found[kind] for kind in EACH)
    return Listing(
        sets=_by_name(SETS, found),
        around=_by_name(AROUND, found),
        pods=tuple(pods),
        claims={claim["metadata"]["name"]: claim for claim in claims},
    )


def warnings(api: Api, place: Place, claims: bool) -> dict[str, str]:
    """Uid of an object → the last warning about it: names come again, and with them what was said about a pod before this one.
    ``claims``: what is said about volume claims too, which is not all called a warning."""
    path = path_of("v1", "Event", place.namespace)
    events = api.list(path, fields="type=Warning")
    if claims:
        events += api.list(path, fields="involvedObject.kind=PersistentVolumeClaim")
    # what the scheduler says is a condition of the pod, and ends with it
    told = (event for event in sorted(events, key=_when) if event.get("reason") != "FailedScheduling")
    return {event["involvedObject"].get("uid", ""): " ".join(str(event.get("message", "")).split()) for event in told}


def _by_name(kinds: tuple[tuple[str, str], ...], found: dict[tuple[str, str], list[Json]]) -> dict[str, Json]:
    return {
        f"{kind}/{manifest['metadata']['name']}": {"apiVersion": version, "kind": kind, **manifest}
        for version, kind in kinds
        for manifest in found[version, kind]
    }


def _list(api: Api, place: Place, version: str, kind: str) -> list[Json]:
    return api.list(path_of(version, kind, place.namespace), selector=f"{CLUSTER}={place.cluster}")


def _when(event: Json) -> str:
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")
