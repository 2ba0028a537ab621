"""Sets without a pod, and pods without a node: who was to make or place them says why not. Pure."""

from __future__ import annotations

from controller.substrates.kubernetes import claims
from controller.substrates.kubernetes.place import Json
from controller.substrates.kubernetes.reading import Said, Seen, condition, unix, warned

ASK_FOR_LESS = "bdc doctor compares with the nodes; spec.kubernetes.pods.*.resources and memoryMegabytes ask for less"


def without_pod(workloads: Json, seen: Seen) -> Said:
    """Who makes the pod says why there is none: a quota, a missing account, a webhook."""
    kind, name = workloads["kind"], workloads["metadata"]["name"]
    since = unix(workloads["metadata"]["creationTimestamp"])
    failure = condition(workloads, "ReplicaFailure")
    said = failure.get("message", "") if failure and failure["status"] == "True" else warned(workloads, seen)
    if said:
        hint = " (kubectl describe resourcequota)" if "exceeded quota" in said else ""
        return Said("failed", f"its pod can't be made: {said}{hint}", since)
    if workloads["spec"].get("replicas") == 0:
        return Said("stopped", f"{kind} {name} has no replicas", since)
    return Said("waiting", "its pod is being made", since)


def without_node(workloads: Json, scheduled: Json, seen: Seen) -> Said:
    """``scheduled``: the pod's condition. What the scheduler refuses stays so until somebody does something: it counts as failed."""
    since, message = unix(scheduled.get("lastTransitionTime")), scheduled.get("message", "")
    pending = claims.pending(workloads, seen, message)
    if pending is not None:
        return Said("failed", pending, since)
    if scheduled.get("reason") == "Unschedulable" and message:
        return Said("failed", f"no node takes its pod: {message} ({ASK_FOR_LESS})", since)
    return Said("waiting", f"no node takes its pod yet{': ' + message if message else ''}", since)
