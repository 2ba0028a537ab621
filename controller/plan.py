"""What has to change: wanted workloads against observed ones, as a list of steps. Pure: no clock, no I/O, no memory.

What runs and should not is stopped before anything new is started (so ports and memory are free), dependants first; what is wanted is
ensured in the order of ``requires``. A workload whose requirements are not ready yet gets no step in this pass: the next pass
looks again. So the plan is empty exactly when everything that can be done now is done, and a plan that was cut off anywhere is
finished by the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controller.substrate import SATISFIED, Observed, ObservedWorkload
from pools.workload import Workload

SELF_STARTED = "control"


@dataclass(frozen=True)
class EnsureStep:
    """Have the substrate run ``workload`` with this content."""

    workload: Workload
    reason: str

    @property
    def name(self) -> str:
        """The workload's name."""
        return self.workload.name


@dataclass(frozen=True)
class StopStep:
    """Have the substrate stop a workload, and forget it unless it only rests."""

    name: str
    reason: str
    forget: bool = True


Step = EnsureStep | StopStep


def plan(
    desired: tuple[Workload, ...], observed: Observed, content_hash: Mapping[str, str], resting: frozenset[str] = frozenset()
) -> tuple[Step, ...]:
    """The steps towards ``desired``. ``content_hash`` holds the substrate's digest of each desired workload by name; one
    without a digest (the substrate can't make it now) is left as it is. ``resting``: those that start on first use and nobody asked for.

    The controller itself (``control``) is left alone: the substrate starts it, and a controller that stopped itself could
    not finish its plan.
    """
    ordered = by_requirement(desired)
    wanted = {workload.name for workload in ordered}
    steps: list[Step] = [
        StopStep(seen.name, "no longer part of the spec")
        for seen in reversed(observed.workloads)
        if seen.name not in wanted and seen.name != SELF_STARTED
    ]
    steps += [
        StopStep(seen.name, "nobody uses it", False) for seen in observed.workloads if seen.name in resting and seen.state != "stopped"
    ]
    pending: set[str] = set()
    for workload in ordered:
        if workload.name == SELF_STARTED or workload.name not in content_hash or workload.name in resting:
            continue
        reason = difference(workload, observed.find(workload.name), content_hash[workload.name])
        if reason is None:
            continue
        pending.add(workload.name)
        if not blockers(workload, observed, pending):
            steps.append(EnsureStep(workload, reason))
    return tuple(steps)


def difference(workload: Workload, seen: ObservedWorkload | None, content_hash: str) -> str | None:
    """Why ``workload`` has to be ensured, or None. A failed job or service is the substrate's to retry, not ours."""
    if seen is None:
        return "not there yet"
    if workload.kind == "batch":
        return None  # it ran, or runs: never twice
    if seen.content_hash != content_hash:
        return "its content changed"
    if seen.state == "stopped":
        return "it was stopped"
    return None


def blockers(workload: Workload, observed: Observed, pending: frozenset[str] | set[str] = frozenset()) -> tuple[str, ...]:
    """The requirements that are not ready now, or are themselves about to change."""
    states = {seen.name: seen.state for seen in observed.workloads}
    return tuple(name for name in workload.requires if name in pending or states.get(name) not in SATISFIED)


def by_requirement(desired: tuple[Workload, ...]) -> tuple[Workload, ...]:
    """Requirements before what requires them, else in the given order. ValueError names a missing requirement or a circle."""
    waiting = {workload.name: workload for workload in desired}
    known = set(waiting)
    ordered: list[Workload] = []
    done: set[str] = set()
    while waiting:
        free = next((workload for workload in waiting.values() if done.issuperset(workload.requires)), None)
        if free is None:
            missing = sorted({name for workload in waiting.values() for name in workload.requires} - known)
            named = f"nobody provides {', '.join(missing)}" if missing else f"they require each other: {', '.join(waiting)}"
            raise ValueError(f"the workloads can't be ordered: {named}")
        ordered.append(waiting.pop(free.name))
        done.add(free.name)
    return tuple(ordered)
