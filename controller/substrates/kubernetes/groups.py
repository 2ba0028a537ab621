"""Pod groups: the workloads that share a pod. One that is named as the group is its main container, the others run beside it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Literal

from controller.errors import SubstrateError
from controller.substrates.kubernetes.place import Json, role_of
from pools.workload import Workload

Shape = Literal["StatefulSet", "Deployment", "Job"]
KEEPING = frozenset({"master", "data", "storage", "app"})
"""Pools whose services keep something."""
PASSING = frozenset({"spark"})
"""Services of these pools that keep nothing all the same."""
NAME_LIMIT = 52
"""Letters of a group's name: a Job's pods and a StatefulSet's labels add up to eleven to it, and 63 is the limit."""


@dataclass(frozen=True)
class Group:
    """``sidecars`` start before ``main`` and end after it."""

    main: Workload
    sidecars: tuple[Workload, ...] = ()

    @property
    def name(self) -> str:
        """Of the pod's set, Service, and so on."""
        return self.main.name

    @property
    def role(self) -> str:
        """What it has in common with its like."""
        return self.main.role or role_of(self.name)

    @property
    def members(self) -> tuple[Workload, ...]:
        """All containers, in the order in which they start."""
        return (*self.sidecars, self.main)

    @property
    def shape(self) -> Shape:
        """The kind of object that keeps the pod there."""
        if self.main.kind != "service":
            return "Job"
        keeps = self.main.pool in KEEPING and self.main.service not in PASSING and self.main.role is None
        return "StatefulSet" if keeps else "Deployment"

    @property
    def first(self) -> bool:
        """It is the first of its role: what its like have in common is made with it."""
        return self.name.removeprefix(self.role).strip("-").replace("-", "").strip("0") == ""


def groups(desired: tuple[Workload, ...]) -> tuple[Group, ...]:
    """The groups of all workloads but the controller itself, in their order. SubstrateError for a group without a main one."""
    members: dict[str, list[Workload]] = {}
    for workload in desired:
        if workload.pool != "control" or workload.kind != "service":
            members.setdefault(workload.pool_instance or workload.name, []).append(workload)
    return tuple(_group(name, found) for name, found in members.items())


def _group(name: str, members: list[Workload]) -> Group:
    main = next((workload for workload in members if workload.name == name), None)
    if main is None:
        raise SubstrateError(f"the pod {name} has no workload of its name", where=name)
    if len(name) > NAME_LIMIT:
        raise SubstrateError(f"the name {name!r} is too long for Kubernetes: {len(name)} letters, at most {NAME_LIMIT}", where=name)
    return Group(main, tuple(workload for workload in members if workload is not main))


def planned(desired: tuple[Workload, ...]) -> tuple[Workload, ...]:
    """Each workload with what any member of its group requires: a pod comes as a whole."""
    outer: dict[str, tuple[str, ...]] = {}
    for group in groups(desired):
        names = {workload.name for workload in group.members}
        required = dict.fromkeys(name for workload in group.members for name in workload.requires if name not in names)
        outer |= dict.fromkeys(names, tuple(required))
    return tuple(
        replace(workload, requires=tuple(dict.fromkeys((*outer.get(workload.name, ()), *workload.requires)))) for workload in desired
    )


def digest(content: Json | list[Json] | tuple[Json, ...]) -> str:
    """Sixteen letters of the SHA-256 of its JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]
