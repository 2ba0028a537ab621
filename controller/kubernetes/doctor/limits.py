"""Quotas and limit ranges of the namespace against what the spec asks for."""

from __future__ import annotations

from collections.abc import Iterator

from controller.kubernetes.api import Json
from controller.kubernetes.doctor.ground import Asked, Ground
from controller.kubernetes.doctor.quantities import number
from controller.operations.doctor import Finding, ok, problem, warning

NEARLY = 0.9
NEEDS_LIMITS = "limits.cpu"
"""Under a quota of this every pod has to name a limit, which ours don't unless told."""


def quotas(ground: Ground) -> Iterator[Finding]:
    """What is used up, or nearly."""
    found = ground.inside("v1", "ResourceQuota")
    ranges = ground.inside("v1", "LimitRange")
    asked = ground.pods()
    told = [*_quotas(found), *_needed(found, ranges, asked), *(finding for one in ranges for finding in _range(one, asked))]
    yield from told
    if not told:
        yield ok(f"{len(found)} quotas and {len(ranges)} limit ranges in the namespace, nothing in the way")


def _quotas(found: list[Json]) -> Iterator[Finding]:
    for quota in found:
        name = quota["metadata"]["name"]
        status = quota.get("status", {})
        for what, hard in (status.get("hard") or {}).items():
            used, most = number((status.get("used") or {}).get(what, "0")), number(hard)
            shown = f"quota {name}: {(status.get('used') or {}).get(what, '0')} of {hard} {what} are used"
            fix = f"kubectl -n {quota['metadata']['namespace']} describe resourcequota {name}; raise it, or lower the spec's sizes"
            if used >= most:
                yield problem(f"{shown}: what needs more is not made", fix)
            elif used > most * NEARLY:
                yield warning(shown, fix)


def _needed(found: list[Json], ranges: list[Json], asked: tuple[Asked, ...]) -> Iterator[Finding]:
    defaults = {name for one in ranges for limit in one["spec"]["limits"] for name in limit.get("default") or {}}
    without = sorted({pod.pool for pod in asked if pod.most("cpu") is None})
    for quota in found:
        if NEEDS_LIMITS in (quota["spec"].get("hard") or {}) and without and "cpu" not in defaults:
            name = quota["metadata"]["name"]
            fix = "set spec.kubernetes.pods.POOL.resources.cpuLimit for each, or a LimitRange with a default"
            yield problem(f"quota {name} takes only pods with a limit of CPU, which {', '.join(without)} have not", fix)


def _range(found: Json, asked: tuple[Asked, ...]) -> Iterator[Finding]:
    name = found["metadata"]["name"]
    for limit in found["spec"]["limits"]:
        if limit["type"] == "Container":
            for pod in asked:
                yield from _container(name, limit, pod)
        if limit["type"] == "PersistentVolumeClaim" and "max" in limit:
            most = limit["max"].get("storage", "1E")
            for pod in asked:
                for claim in pod.claims:
                    size = claim["spec"]["resources"]["requests"]["storage"]
                    if number(size) > number(most):
                        fix = "raise it, or lower spec.kubernetes.storage.claims"
                        yield problem(f"limit range {name} allows claims of {most}, {pod.name} asks for {size}", fix)


def _container(name: str, limit: Json, pod: Asked) -> Iterator[Finding]:
    fix = f"change the limit range, or spec.kubernetes.pods.{pod.pool}.resources"
    for container in pod.containers:
        resources = container.get("resources", {})
        for what, most in (limit.get("max") or {}).items():
            given = resources.get("limits", {}).get(what) or resources.get("requests", {}).get(what)
            if given is not None and number(given) > number(most):
                yield problem(f"limit range {name} allows {most} {what}, {container['name']} asks for {given}", fix)
        for what, least in (limit.get("min") or {}).items():
            given = resources.get("requests", {}).get(what)
            if given is not None and number(given) < number(least):
                yield problem(f"limit range {name} asks for {least} {what} at least, {container['name']} asks for {given}", fix)
