"""What the lists said about the pods of a cluster, and how it is read: the ground of the sentences (``states.py``). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from controller.substrate import State
from controller.substrates.kubernetes.place import Json

LastLine = Callable[[str, str], str]
"""(pod, container) → the last line that the container's last run logged, empty where nobody knows."""


@dataclass(frozen=True)
class Seen:
    """What the lists said, for the sentences. ``events``: uid of an object → the last warning about it; ``claims``: name → claim."""

    pods: tuple[Json, ...] = ()
    claims: dict[str, Json] = field(default_factory=dict)
    events: dict[str, str] = field(default_factory=dict)
    last_line: LastLine = lambda _pod, _container: ""


@dataclass(frozen=True)
class Said:
    """A state, the sentence, and since when."""

    state: State
    reason: str = ""
    since: float | None = None


def unix(stamp: str | None) -> float | None:
    """``2026-11-22T08:00:00Z`` as Unix time."""
    return None if stamp is None else datetime.fromisoformat(stamp).timestamp()


def condition(manifest: Json, kind: str) -> Json | None:
    """The condition of that type in an object's status."""
    conditions = manifest.get("status", {}).get("conditions", ())
    return next((entry for entry in conditions if entry["type"] == kind), None)


def warned(manifest: Json, seen: Seen) -> str:
    """The last warning about an object; empty: none."""
    return seen.events.get(manifest["metadata"].get("uid", ""), "")


def describe(kind: str, manifest: Json) -> str:
    """The command that shows everything about an object."""
    return f"kubectl describe {kind} {manifest['metadata']['name']} -n {manifest['metadata']['namespace']}"


def containers(pod: Json) -> Iterable[Json]:
    """All of a pod, init containers first."""
    return (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])


def container_names(spec: Json) -> list[str]:
    """Sidecars, then the main container: the workloads of a pod."""
    sidecars = [entry["name"] for entry in spec.get("initContainers", ()) if entry.get("restartPolicy") == "Always"]
    return [*sidecars, *(entry["name"] for entry in spec["containers"])]


def container_status(pod: Json | None, name: str) -> Json:
    """Of a container; empty while it has none."""
    status = {} if pod is None else pod.get("status", {})
    entries = (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
    return next((entry for entry in entries if entry["name"] == name), {})


def newest(pods: Iterable[Json]) -> Json | None:
    """The pod that counts: one that is not ending, the youngest."""
    ordered = sorted(pods, key=lambda pod: ("deletionTimestamp" not in pod["metadata"], pod["metadata"]["creationTimestamp"]))
    return ordered[-1] if ordered else None


def where(pod: Json) -> str:
    """`` on node-1``; empty before it has a node."""
    return f" on {pod['spec']['nodeName']}" if pod["spec"].get("nodeName") else ""
