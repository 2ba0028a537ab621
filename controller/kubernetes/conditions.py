"""From the outcome of a pass to the resource's status: conditions for programs, one sentence for people. Pure."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Any, Literal

from controller.kubernetes.api import Json
from controller.kubernetes.names import CLUSTER_LABEL, COMPONENT_LABEL
from controller.reconcile import Outcome
from controller.status import ClusterStatus, EndpointStatus

Truth = Literal["True", "False", "Unknown"]
NOT_READY = {"starting": "Starting", "unready": "Unready", "stopped": "Stopped", "error": "Error"}
LONGEST = 32_768
"""Kubernetes takes no longer message of a condition; ours are cut well before."""
CUT = 4000
SPEC_STEP = "spec"
"""In ``Outcome.failed_steps``: the spec that is written is not the one in force."""
COUNTED = re.compile(r", \d+ s(?=$|;| \(and \d+ more\))")


@dataclass(frozen=True)
class Condition:
    """``reason``: one word for programs; ``message``: a sentence."""

    type: Literal["Accepted", "Ready", "Progressing", "Degraded"]
    status: Truth
    reason: str
    message: str


def of_outcome(outcome: Outcome) -> tuple[Condition, ...]:
    """Of a pass."""
    refused = outcome.failure if SPEC_STEP in outcome.failed_steps else None
    status = outcome.status
    state = status["state"] if status else "error"
    details = status["details"] if status else outcome.failure or "nothing was observed yet"
    accepted = (
        Condition("Accepted", "False", "Invalid", refused) if refused else Condition("Accepted", "True", "Valid", "the spec is valid")
    )
    if state == "ready":
        ready, progressing = Condition("Ready", "True", "AllReady", details), Condition("Progressing", "False", "Settled", details)
    else:
        ready = Condition("Ready", "False", NOT_READY[state], details)
        moving: Truth = "True" if state == "starting" else "False"
        progressing = Condition("Progressing", moving, NOT_READY[state], details)
    if outcome.failure:
        degraded = Condition("Degraded", "True", "PassFailed", outcome.failure)
    elif state in ("error", "unready"):
        degraded = Condition("Degraded", "True", NOT_READY[state], details)
    else:
        degraded = Condition("Degraded", "False", "AsExpected", details)
    return accepted, ready, progressing, degraded


def refusal(reason: str, message: str) -> tuple[Condition, ...]:
    """Of a resource that this controller does not carry out."""
    return (
        Condition("Accepted", "False", reason, message),
        Condition("Ready", "False", reason, message),
        Condition("Progressing", "False", reason, message),
        Condition("Degraded", "True", reason, message),
    )


def deletion(message: str) -> tuple[Condition, ...]:
    """Of a resource that is being deleted."""
    return (
        Condition("Accepted", "True", "Deleting", message),
        Condition("Ready", "False", "Deleting", message),
        Condition("Progressing", "True", "Deleting", message),
        Condition("Degraded", "False", "Deleting", message),
    )


def pause(message: str, moving: Truth) -> tuple[Condition, ...]:
    """Of a resource that people had stopped; ``moving``: whether something of it still runs."""
    return (
        Condition("Accepted", "True", "Valid", "the spec is valid"),
        Condition("Ready", "False", NOT_READY["stopped"], message),
        Condition("Progressing", moving, NOT_READY["stopped"], message),
        Condition("Degraded", "False", "AsExpected", message),
    )


def status_of(outcome: Outcome, endpoints: list[EndpointStatus], name: str) -> Json:
    """The whole ``status`` but for ``conditions``."""
    tree = outcome.status
    if tree is None:
        return {"state": "error", "health": "unknown", "message": _cut(outcome.failure or "")}
    return {
        "state": tree["state"],
        "health": tree["health"],
        "message": _cut(tree["details"]),
        "replicas": compute_replicas(tree),
        "selector": f"{CLUSTER_LABEL}={name},{COMPONENT_LABEL}=compute",
        "endpoints": [dict(endpoint) for endpoint in endpoints],
        "services": tree["services"],
    }


def compute_replicas(tree: ClusterStatus) -> int:
    """Groups of the compute pool that the substrate runs, ready or not."""
    resources = [resource for service in tree["services"] for resource in service["resources"] if resource["name"].startswith("compute-")]
    return sum(any("since" in instance for instance in resource["instances"]) for resource in resources)


def merged(conditions: tuple[Condition, ...], before: list[Json], generation: int, now: datetime.datetime) -> list[Json]:
    """As Kubernetes writes them: the time of a change stays while ``status`` does."""
    known = {entry["type"]: entry for entry in before}
    result: list[Json] = []
    for condition in conditions:
        last = known.get(condition.type)
        kept = last is not None and last.get("status") == condition.status
        result.append(
            {
                "type": condition.type,
                "status": condition.status,
                "reason": condition.reason,
                "message": _cut(still(condition.message)),
                "lastTransitionTime": last["lastTransitionTime"] if last and kept else now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "observedGeneration": generation,
            }
        )
    return result


def still(value: Any) -> Any:  # noqa: ANN401 (a part of a status)
    """Without the seconds that sentences count: the times of conditions and ``since`` say it, and a status that changed with each second
    would be written for ever."""
    if isinstance(value, str):
        return COUNTED.sub("", value)
    if isinstance(value, dict):
        return {key: still(below) for key, below in value.items()}
    return [still(below) for below in value] if isinstance(value, list) else value


def _cut(text: str) -> str:
    return text if len(text) <= CUT else f"{text[: CUT - 1]}…"
