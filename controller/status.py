"""The status tree: cluster → service → resource → instance, each with a state, a health and a sentence for people.

Built anew in every pass from the wanted workloads and what the substrate saw; pure. State words: ready, starting, unready, stopped,
error; health: healthy, unhealthy, unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NotRequired

# pydantic takes only this TypedDict on Python 3.11
from typing_extensions import TypedDict

from controller.plan import blockers, by_requirement
from controller.substrate import Observed, ObservedWorkload
from controller.substrate import State as WorkloadState
from pools.workload import Workload

State = Literal["ready", "starting", "unready", "stopped", "error"]
Health = Literal["healthy", "unhealthy", "unknown"]

STATES: dict[WorkloadState, State] = {
    "waiting": "starting",
    "preparing": "starting",
    "starting": "starting",
    "ready": "ready",
    "unready": "unready",
    "backoff": "unready",
    "stopped": "stopped",
    "done": "ready",
    "failed": "error",
}
HEALTHS: dict[State, Health] = {
    "ready": "healthy",
    "starting": "unknown",
    "stopped": "unknown",
    "unready": "unhealthy",
    "error": "unhealthy",
}
LOOPBACK = "127.0.0.1"
PEOPLES_POOLS = frozenset({"control", "gateway", "master"})
"""On one machine all others are reached on loopback only."""
HOST = re.compile(r"\{host(:[^}]*)?\}")
WORST_FIRST: tuple[State, ...] = ("error", "unready", "starting", "stopped", "ready")


class InstanceStatus(TypedDict):
    """One workload. ``since``: Unix time of the last change of state."""

    name: str
    state: State
    health: Health
    details: str
    restarts: int
    pid: NotRequired[int | None]
    since: NotRequired[float | None]


class ResourceStatus(TypedDict):
    """The instances of one resource (``compute-0``: its server and its scratch PostgreSQL)."""

    name: str
    state: State
    health: Health
    details: str
    instances: list[InstanceStatus]


class ServiceStatus(TypedDict):
    """The resources of one service (control, sql, hdfs)."""

    name: str
    state: State
    health: Health
    details: str
    resources: list[ResourceStatus]


class ClusterStatus(TypedDict):
    """The whole tree."""

    name: str
    state: State
    health: Health
    details: str
    services: list[ServiceStatus]


class EndpointStatus(TypedDict):
    """An address of the cluster."""

    name: str
    description: str
    endpoint: str
    protocol: str


def cluster_status(
    name: str,
    desired: tuple[Workload, ...],
    observed: Observed,
    now: float,
    failure: str | None = None,
    resting: frozenset[str] = frozenset(),
) -> ClusterStatus:
    """The tree. ``now``: Unix time, for *how long already*; ``failure``: why the last pass failed, if it did; ``resting``: workloads that
    start on first use and nobody asked for, which is no fault of the cluster. Batches are no part of it: they come and go."""
    services: dict[str, dict[str, list[InstanceStatus]]] = {}
    for workload in by_requirement(desired):
        if workload.kind == "batch":
            continue
        instance = _rests(workload) if workload.name in resting else _instance(workload, observed, now)
        services.setdefault(workload.service, {}).setdefault(workload.resource, []).append(instance)
    tree = [_service(service, resources) for service, resources in sorted(services.items())]
    instances = [instance for service in tree for resource in service["resources"] for instance in resource["instances"]]
    at_work = [instance for instance in instances if instance["name"] not in resting]
    state = worst([instance["state"] for instance in at_work])
    details = _summary(at_work)
    if failure is not None:
        state = "error" if state == "ready" else state
        details = f"the controller's last pass failed: {failure}" + (f"; {details}" if details != "all is ready" else "")
    details = "; ".join((details, *observed.warnings))
    return {"name": name, "state": state, "health": HEALTHS[state], "details": details, "services": tree}


def endpoints(desired: tuple[Workload, ...], host: Callable[[str], str]) -> list[EndpointStatus]:
    """All addresses on one machine; ``host``: workload → where it is reached if people reach it, everything else stays on loopback."""
    return addresses(desired, lambda workload: host(workload.name) if workload.pool in PEOPLES_POOLS else LOOPBACK)


def addresses(desired: tuple[Workload, ...], host: Callable[[Workload], str]) -> list[EndpointStatus]:
    """All addresses, each workload's at the host that ``host`` names."""
    found: list[EndpointStatus] = []
    for workload in desired:
        numbers = {port.name: port.number for port in workload.ports}
        for endpoint in workload.endpoints:
            address = HOST.sub(host(workload), endpoint.address)
            for port, number in numbers.items():
                address = address.replace("{port:" + port + "}", str(number))
            found.append({"name": endpoint.name, "description": endpoint.description, "endpoint": address, "protocol": endpoint.protocol})
    return sorted(found, key=lambda entry: entry["name"])


def worst(states: list[State]) -> State:
    """The state of a node from those below it."""
    return next((state for state in WORST_FIRST if state in states), "ready")


def _instance(workload: Workload, observed: Observed, now: float) -> InstanceStatus:
    seen = observed.find(workload.name)
    state: State = "starting" if seen is None else STATES[seen.state]
    details = _waits(workload, observed, now) if seen is None or seen.state == "waiting" else _sentence(seen, now)
    instance: InstanceStatus = {
        "name": workload.name,
        "state": state,
        "health": HEALTHS[state],
        "details": details,
        "restarts": 0 if seen is None else seen.restarts,
    }
    if seen is not None:
        instance["pid"] = seen.pid
        instance["since"] = seen.since
    return instance


def _rests(workload: Workload) -> InstanceStatus:
    """Nothing of it runs, as it should be."""
    start = workload.on_demand.start if workload.on_demand else ""
    return {"name": workload.name, "state": "stopped", "health": "healthy", "details": f"starts on first use: {start}", "restarts": 0}


def _waits(workload: Workload, observed: Observed, now: float) -> str:
    """For what it requires, or for what the substrate says."""
    names, seen = blockers(workload, observed), observed.find(workload.name)
    if names:
        return f"waiting for {', '.join(names)}"
    return _sentence(seen, now) if seen is not None and seen.reason else "about to be started"


def _sentence(seen: ObservedWorkload, now: float) -> str:
    """``preparing: initdb runs, 4 s``: state, why, and for everything that is not at rest since when."""
    text = f"{seen.state}: {seen.reason}" if seen.reason and seen.reason != seen.state else seen.state
    if seen.state in ("ready", "done", "stopped") or seen.since is None:
        return text
    return f"{text}, {max(0, round(now - seen.since))} s"


def _service(name: str, resources: dict[str, list[InstanceStatus]]) -> ServiceStatus:
    nodes = [_resource(resource, instances) for resource, instances in sorted(resources.items())]
    state = worst([node["state"] for node in nodes])
    instances = [instance for node in nodes for instance in node["instances"]]
    return {"name": name, "state": state, "health": _health(state, instances), "details": _summary(instances), "resources": nodes}


def _resource(name: str, instances: list[InstanceStatus]) -> ResourceStatus:
    state = worst([instance["state"] for instance in instances])
    return {"name": name, "state": state, "health": _health(state, instances), "details": _summary(instances), "instances": instances}


def _health(state: State, instances: list[InstanceStatus]) -> Health:
    """What rests because nobody asked for it is as healthy as what runs."""
    return "healthy" if all(instance["health"] == "healthy" for instance in instances) else HEALTHS[state]


def _summary(instances: list[InstanceStatus]) -> str:
    """One sentence for many: the first of the worst ones, and how many more there are."""
    state = worst([instance["state"] for instance in instances])
    if state == "ready":
        return "all is ready"
    worst_ones = [instance for instance in instances if instance["state"] == state]
    # what waits for others is never the cause
    named = next((one for one in worst_ones if not one["details"].startswith("waiting for")), worst_ones[0])
    more = len(worst_ones) - 1
    return f"{named['name']}: {named['details']}" + (f" (and {more} more)" if more else "")
