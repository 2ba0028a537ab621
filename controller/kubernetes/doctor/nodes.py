"""Nodes: ready, without pressure, and large enough for what the spec asks."""

from __future__ import annotations

from collections.abc import Iterator

from controller.kubernetes.api import Json
from controller.kubernetes.doctor.ground import Asked, Ground
from controller.kubernetes.doctor.quantities import cores, number, size
from controller.operations.doctor import Finding, ok, problem, warning
from controller.substrates.kubernetes.reading import condition

PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")
ASK_LESS = "lower memoryMegabytes of its pool or spec.kubernetes.pods.POOL.resources (bdc apply), or add a node"


def nodes(ground: Ground) -> Iterator[Finding]:
    """NotAllowedError where the chart grants no right to list nodes."""
    found = ground.around("v1", "Node")
    for node in found:
        yield from _state(node)
    usable = [node for node in found if _ready(node) and not node["spec"].get("unschedulable")]
    if not usable:
        yield problem(f"none of {len(found)} nodes takes pods", "kubectl get nodes")
        return
    asked = ground.pods()
    homeless = [pod for pod in asked if not any(_fits(pod, node) for node in usable)]
    for pod in homeless:
        wants = f"{cores(pod.asks('cpu'))} and {size(pod.asks('memory'))}"
        yield problem(f"no node can take {pod.name}, which asks for {wants}: {_best(usable)}", _fix(pod, usable))
    yield from _together(asked, usable, found, bool(homeless))


def _state(node: Json) -> Iterator[Finding]:
    name = node["metadata"]["name"]
    if not _ready(node):
        why = (condition(node, "Ready") or {}).get("message", "it does not report")
        yield problem(f"node {name} is not ready: {why}", f"kubectl describe node {name}")
    for kind in PRESSURES:
        found = condition(node, kind)
        if found is not None and found["status"] == "True":
            yield warning(f"node {name} has {kind}: {found.get('message', '')}", f"kubectl describe node {name}")


def _ready(node: Json) -> bool:
    return (condition(node, "Ready") or {}).get("status") == "True"


def _allocatable(node: Json, what: str) -> float:
    return number(node.get("status", {}).get("allocatable", {}).get(what, "0"))


def _fits(pod: Asked, node: Json) -> bool:
    """As if it were alone there."""
    return _tolerated(pod, node) and _chosen(pod, node) and all(pod.asks(what) <= _allocatable(node, what) for what in ("cpu", "memory"))


def _chosen(pod: Asked, node: Json) -> bool:
    labels = node["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in (pod.spec.get("nodeSelector") or {}).items())


def _tolerated(pod: Asked, node: Json) -> bool:
    taints = [taint for taint in node["spec"].get("taints") or () if taint["effect"] != "PreferNoSchedule"]
    return all(any(_tolerates(one, taint) for one in pod.spec.get("tolerations") or ()) for taint in taints)


def _tolerates(toleration: Json, taint: Json) -> bool:
    if toleration.get("effect") not in (None, taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, taint["key"])
    return bool(toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", ""))


def _best(usable: list[Json]) -> str:
    largest = max(usable, key=lambda node: _allocatable(node, "memory"))
    return (
        f"the largest, {largest['metadata']['name']}, has {cores(_allocatable(largest, 'cpu'))} and {size(_allocatable(largest, 'memory'))}"
    )


def _fix(pod: Asked, usable: list[Json]) -> str:
    if not any(_tolerated(pod, node) and _chosen(pod, node) for node in usable):
        return f"spec.kubernetes.pods.{pod.pool}.nodeSelector and tolerations leave no node: kubectl get nodes --show-labels"
    return ASK_LESS.replace("POOL", pod.pool)


def _together(asked: tuple[Asked, ...], usable: list[Json], found: list[Json], told: bool) -> Iterator[Finding]:
    """All pods against all nodes; what others take there the controller may not see."""
    wants = {what: sum(pod.asks(what) for pod in asked) for what in ("cpu", "memory")}
    has = {what: sum(_allocatable(node, what) for node in usable) for what in ("cpu", "memory")}
    sentence = (
        f"the pools ask for {cores(wants['cpu'])} and {size(wants['memory'])}, the nodes that take pods have {cores(has['cpu'])} and"
        f" {size(has['memory'])} for all"
    )
    limits = [pod.most("memory") for pod in asked]
    most = sum(limit for limit in limits if limit is not None)
    if any(wants[what] > has[what] for what in wants):
        yield problem(sentence, "add a node, or lower memoryMegabytes, replicas or shards (bdc apply)")
    elif most > has["memory"]:
        fix = "lower memoryMegabytes in the spec, or add memory: under full load pods would be killed"
        yield warning(f"{sentence}; they may take {size(most)} at most", fix)
    elif not told:
        yield ok(f"{len(usable)} of {len(found)} nodes take pods; {sentence}; they may take {size(most)} at most")
