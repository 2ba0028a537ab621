"""What a pod of the controller is about, in the words of the status tree (docs/architecture/kubernetes.md): a state, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from bdc import kubectl
from bdc.contexts import Place
from bdc.errors import BdcError

Json = dict[str, object]

NOT_STARTABLE = (
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
)


@dataclass(frozen=True)
class Seen:
    """A state of the status tree and the sentence for it."""

    state: str
    reason: str


def newest(pods: list[Json]) -> Json | None:
    """The one of the latest roll-out."""
    alive = [pod for pod in pods if "deletionTimestamp" not in cast(Json, pod["metadata"])]
    return max(alive, key=lambda pod: str(cast(Json, pod["metadata"]).get("creationTimestamp")), default=None)


def seen(place: Place, pod: Json) -> Seen:
    """How it is."""
    status = cast(Json, pod.get("status") or {})
    for container in cast("list[Json]", status.get("containerStatuses") or []):
        found = _of_container(place, pod, container)
        if found is not None:
            return found
    unscheduled = next((one for one in _conditions(status) if one.get("type") == "PodScheduled" and one.get("status") != "True"), None)
    if unscheduled is not None:
        return Seen("waiting", f"no node takes it: {unscheduled.get('message') or unscheduled.get('reason')}")
    return Seen("starting", "its container is being made (image, volumes)")


def _of_container(place: Place, pod: Json, container: Json) -> Seen | None:
    state = cast("dict[str, Json]", container.get("state") or {})
    waiting, name = state.get("waiting"), str(cast(Json, pod["metadata"])["name"])
    if waiting is not None:
        reason, message = str(waiting.get("reason")), str(waiting.get("message") or "")
        if reason in NOT_STARTABLE:
            return Seen("failed", f"{reason}: {message or container.get('image')}")
        if reason == "CrashLoopBackOff":
            return Seen("backoff", f"it ended again and again; its last words: {last_words(place, name, ended=True)}")
        return None
    if "terminated" in state:
        return Seen("backoff", f"it ended; its last words: {last_words(place, name, ended=False)}")
    return Seen("ready", "") if container.get("ready") else Seen("starting", "it runs and does not answer /healthz yet")


def _conditions(status: Json) -> list[Json]:
    return cast("list[Json]", status.get("conditions") or [])


def last_words(place: Place, pod: str, *, ended: bool) -> str:
    """The last line of its log; ``ended``: of the container before this one."""
    try:
        path = f"/api/v1/namespaces/{place.namespace}/pods/{pod}/log?tailLines=1"
        text = kubectl.call(place, "get", "--raw", path + ("&previous=true" if ended else ""))
    except BdcError as error:
        return f"(its log can't be read: {error.message})"
    return text.strip()[-400:] or "(nothing)"
