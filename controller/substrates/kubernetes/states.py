"""From what Kubernetes says about a pod to the words of ``controller.substrate``, with a sentence that says what, where and why. Pure.

Beside it: what is read (``reading.py``), why there is no pod or no node (``unplaced.py``), volume claims (``claims.py``), how containers
ended (``endings.py``).
"""

from __future__ import annotations

from typing import Literal

from controller.substrate import ObservedWorkload
from controller.substrates.kubernetes import claims
from controller.substrates.kubernetes.endings import again, how_it_ended
from controller.substrates.kubernetes.place import WORKLOAD, Json
from controller.substrates.kubernetes.reading import (
    Said,
    Seen,
    condition,
    container_names,
    container_status,
    containers,
    describe,
    newest,
    unix,
    warned,
    where,
)  # fmt: skip
from controller.substrates.kubernetes.unplaced import without_node, without_pod

GIVEN_UP_AFTER = 5
"""Ends in a row after which a workload counts as failed; it is still tried again."""
PULLING = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ImageInspectError", "ErrImageNeverPull", "RegistryUnavailable"}
)
BROKEN = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PreCreateHookError", "PostStartHookError"})


def observed(workloads: Json, seen: Seen, content: str, edited: tuple[str, ...] = ()) -> list[ObservedWorkload]:
    """One entry for each container of a set (StatefulSet, Deployment, Job). ``content``: the hash to report."""
    group = workloads["metadata"]["labels"][WORKLOAD]
    pod = newest([pod for pod in seen.pods if pod["metadata"].get("labels", {}).get(WORKLOAD) == group and _of(pod, workloads)])
    names = container_names(workloads["spec"]["template"]["spec"])
    return [_observed(name, workloads, pod, seen, (content, edited)) for name in names]


def rolled_out(workloads: Json) -> bool:
    """Its pod is of the template that is wanted, not still of the one before."""
    status = workloads.get("status", {})
    if workloads["kind"] == "Job":
        return True
    if status.get("observedGeneration") != workloads["metadata"].get("generation"):
        return False
    if workloads["kind"] == "StatefulSet":
        return bool(status.get("currentRevision") == status.get("updateRevision"))
    return bool(status.get("updatedReplicas", 0) >= workloads["spec"].get("replicas", 1))


def settled(workloads: Json) -> bool:
    """A set of which nothing has to be explained: its pod is the right one and ready, or it is done."""
    status = workloads.get("status", {})
    if not rolled_out(workloads):
        return False
    return (workloads["kind"] == "Job" and bool(status.get("succeeded"))) or status.get("readyReplicas", 0) >= 1


def _of(pod: Json, workloads: Json) -> bool:
    """A Job's pods carry its name; of older Jobs of the same workload there may be pods too."""
    if workloads["kind"] != "Job":
        return True
    return bool(pod["metadata"]["labels"].get("batch.kubernetes.io/job-name") == workloads["metadata"]["name"])


def _observed(name: str, workloads: Json, pod: Json | None, seen: Seen, known: tuple[str, tuple[str, ...]]) -> ObservedWorkload:
    content, edited = known
    status = container_status(pod, name)
    said = _of_job(workloads, pod, status) if workloads["kind"] == "Job" else None
    said = said or _of_pod(name, workloads, pod, seen)
    if said.state == "ready" and not rolled_out(workloads):
        said = Said("starting", "its pod is being replaced", said.since)
    said = claims.lost(workloads, seen, said)
    running = status.get("state", {}).get("running", {})
    ended = status.get("state", {}).get("terminated") or {}
    restarts = int(status.get("restartCount", 0))
    state = "failed" if said.state == "backoff" and restarts >= GIVEN_UP_AFTER else said.state
    reason = "; ".join(filter(None, (said.reason, f"edited by hand: {'; '.join(edited)}" if edited else "")))
    return ObservedWorkload(
        name=name,
        state=state,
        content_hash=content,
        reason=reason,
        since=said.since,
        kind=_kind(workloads),
        started_at=unix(running.get("startedAt") or ended.get("startedAt")),
        restarts=restarts,
        exit_code=ended.get("exitCode") if _kind(workloads) == "batch" else None,
    )


def _kind(workloads: Json) -> Literal["service", "job", "batch"]:
    if workloads["kind"] != "Job":
        return "service"
    return "batch" if workloads["spec"].get("backoffLimit") == 0 else "job"


def _of_job(job: Json, pod: Json | None, status: Json) -> Said | None:
    """A Job's own conditions, and what its container says before they are there; None while it is not running yet."""
    for entry in job.get("status", {}).get("conditions", ()):
        if entry["status"] == "True":
            since = unix(entry.get("lastTransitionTime"))
            if entry["type"] in ("Complete", "SuccessCriteriaMet"):
                return Said("done", "", since)
            if entry["type"] in ("Failed", "FailureTarget"):
                return Said("failed", how_it_ended(status, pod) or entry.get("message", "it was given up"), since)
            if entry["type"] == "Suspended":
                return Said("stopped", "it was stopped", since)
    state = status.get("state", {})
    if "running" in state:  # a job is satisfied once it is done, not as long as it runs
        return Said("starting", "it runs", unix(state["running"].get("startedAt")))
    if state.get("terminated", {}).get("exitCode") == 0:
        return Said("done", "", unix(state["terminated"].get("finishedAt")))
    return None


def _of_pod(name: str, workloads: Json, pod: Json | None, seen: Seen) -> Said:
    if pod is None:
        return without_pod(workloads, seen)
    metadata, status = pod["metadata"], pod.get("status", {})
    if "deletionTimestamp" in metadata:
        return Said("waiting", f"its pod is ending{where(pod)}", unix(metadata["deletionTimestamp"]))
    if status.get("phase") == "Failed" and status.get("reason"):
        said = f"{status['reason']}{where(pod)}: {status.get('message', '')}".rstrip(": ")
        return Said("backoff", said, unix(metadata["creationTimestamp"]))
    scheduled = condition(pod, "PodScheduled")
    if scheduled is not None and scheduled["status"] != "True":
        return without_node(workloads, scheduled, seen)
    return _of_container(name, pod, seen)


def _of_container(name: str, pod: Json, seen: Seen) -> Said:
    before = _unfinished_init(name, pod)
    if before is not None:
        return _of_init(name, before, pod, seen)
    status = container_status(pod, name)
    state = status.get("state", {})
    if "running" in state:
        since = unix(state["running"].get("startedAt"))
        if status.get("ready"):
            ready = condition(pod, "Ready") or {}
            # a node that is silent is marked so by others: not ready, though its containers are, and without a reason
            silent = ready.get("status") == "False" and ready.get("reason") in (None, "", "NodeNotReady")
            if silent or pod.get("status", {}).get("phase") == "Unknown":
                return Said("unready", f"its node does not answer{where(pod)}", unix(ready.get("lastTransitionTime")))
            return Said("ready", "", since)
        if status.get("started"):
            return Said("unready", f"its probe fails{where(pod)}: {warned(pod, seen) or 'no answer'}", since)
        return Said("starting", warned(pod, seen), since)
    if "terminated" in state:
        return Said("backoff", again(name, status, pod, seen), unix(state["terminated"].get("finishedAt")))
    return _waiting(name, status, pod, seen)


def _of_init(name: str, before: Json, pod: Json, seen: Seen) -> Said:
    """Something that has to be done first: this workload's own preparation, or what is not its own."""
    state, own = before.get("state", {}), _whose(before["name"], pod) == name
    step = before["name"].removeprefix(f"{name}-")
    if "running" in state:
        since = unix(state["running"].get("startedAt"))
        return Said("preparing", f"{step} runs", since) if own else Said("waiting", f"{before['name']} comes first", since)
    if "terminated" in state or before.get("lastState", {}).get("terminated") or _why_waiting(before) not in ("", "PodInitializing"):
        said = _waiting(before["name"], before, pod, seen)
        return said if own else Said(said.state, f"{before['name']}: {said.reason}", said.since)
    return Said("waiting", warned(pod, seen) or "its pod starts", unix(pod["metadata"]["creationTimestamp"]))


def _whose(init: str, pod: Json) -> str:
    """The workload that an init container prepares: ``compute-0-scratch-initdb`` is of ``compute-0-scratch``, not of ``compute-0``."""
    return max((name for name in container_names(pod["spec"]) if init.startswith(f"{name}-")), key=len, default=init)


def _waiting(name: str, status: Json, pod: Json, seen: Seen) -> Said:
    why, waiting = _why_waiting(status), status.get("state", {}).get("waiting", {})
    since = unix(pod["metadata"]["creationTimestamp"])
    image, message = _image(pod, name), waiting.get("message", "")
    if why in PULLING:
        return Said("failed", f"the image {image} can't be pulled: {message or why} (spec.kubernetes.images)", since)
    if why in BROKEN:
        return Said("failed", f"its container can't be made: {message or why} ({describe('pod', pod)})", since)
    if why == "CrashLoopBackOff" or status.get("lastState", {}).get("terminated"):
        return Said("backoff", again(name, status, pod, seen), since)
    return Said("starting", warned(pod, seen) or "its container is being made", since)


def _unfinished_init(name: str, pod: Json) -> Json | None:
    """The init container that holds up this workload: the first one before it that is neither done nor, as a sidecar, started."""
    sidecars = {entry["name"] for entry in pod["spec"].get("initContainers", ()) if entry.get("restartPolicy") == "Always"}
    for status in pod.get("status", {}).get("initContainerStatuses", ()):
        if status["name"] == name:
            return None
        done = (
            status.get("started") if status["name"] in sidecars else (status.get("state", {}).get("terminated") or {}).get("exitCode") == 0
        )
        if not done:
            found: Json = status
            return found
    return None


def _why_waiting(status: Json) -> str:
    return str(status.get("state", {}).get("waiting", {}).get("reason", ""))


def _image(pod: Json, name: str) -> str:
    return next((entry["image"] for entry in containers(pod) if entry["name"] == name), "")
