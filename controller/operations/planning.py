"""``bdc plan``: what a spec would change in the cluster that runs, and what of it is refused. Asks, never changes anything."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from controller.errors import ControllerError
from controller.operations.changes import FieldChange, WorkloadChange, spec_changes, with_images, workload_changes
from controller.operations.refusals import Ground, Refusal, refusals
from controller.plan import SELF_STARTED, by_requirement, difference
from controller.spec import ClusterSpec, load_spec
from controller.spec.edit import set_value
from controller.substrate import Observed, Substrate
from controller.versions import is_older
from pools.workload import Workload

FILENAME = "the new spec"


@dataclass(frozen=True)
class ClusterPlan:
    """``base``: digest of the text that it was made against, so that an apply can tell whether the spec changed meanwhile."""

    name: str
    base: str
    changes: tuple[FieldChange, ...] = ()
    workloads: tuple[WorkloadChange, ...] = ()
    refused: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def changed(self) -> bool:
        """Whether anything would happen."""
        return bool(self.changes or self.workloads or self.refused)


@dataclass(frozen=True)
class Planner:
    """``current``: the spec in force; ``workloads``: what a spec makes run; ``resting``: names of what starts on first use and rests."""

    text: Callable[[], str]
    current: Callable[[], ClusterSpec]
    workloads: Callable[[ClusterSpec], tuple[Workload, ...]]
    substrate: Substrate
    resting: Callable[[tuple[Workload, ...]], frozenset[str]]
    ground: Callable[[ClusterSpec], Ground]
    image: Callable[[ClusterSpec, Workload], str] | None = None
    """What a workload's container runs; None: what runs are programs of the machine."""

    def plan(self, text: str | None) -> ClusterPlan:
        """Of a new spec, or (None) of the one that is in force against what runs. SpecError for a text that is not valid."""
        before, lying = self.current(), self.text()
        if text is None:
            return ClusterPlan(
                before.name, digest(lying), workloads=self.drift(before, self.substrate.observe()), notes=self._unread(lying, before)
            )
        after = load_spec(self.completed(text), FILENAME)
        refused = refusals(before, after, self.ground(before))
        found = self._changes(before, after) if not refused else ()
        return ClusterPlan(before.name, digest(lying), spec_changes(before, after), found, refused, notes(before, after, found))

    def _changes(self, before: ClusterSpec, after: ClusterSpec) -> tuple[WorkloadChange, ...]:
        desired = self._made(after)
        found = workload_changes(self._made(before), desired)
        if self.image is None:
            return found
        images = {one.name: (self.image(before, one), self.image(after, one)) for one in desired if one.name != SELF_STARTED}
        return with_images(found, desired, images)

    def completed(self, text: str) -> str:
        """A spec without a port block gets the one that the cluster has, as it did at create."""
        base = self.current().spec.ports.base
        if base is None or load_spec(text, FILENAME).spec.ports.base is not None:
            return text
        return set_value(text, "spec.ports.base", str(base), FILENAME)

    def drift(self, spec: ClusterSpec, observed: Observed) -> tuple[WorkloadChange, ...]:
        """Where what runs differs from what the spec in force asks for."""
        desired = self._made(spec)
        resting = self.resting(desired)
        wanted = {workload.name for workload in desired}
        gone = [
            WorkloadChange(seen.name, "stop", ("no longer part of the spec",))
            for seen in observed.workloads
            if seen.name not in wanted and seen.kind != "batch" and seen.name != SELF_STARTED
        ]
        return (*gone, *(change for workload in desired if workload.name not in resting for change in self._drifted(workload, observed)))

    def _drifted(self, workload: Workload, observed: Observed) -> tuple[WorkloadChange, ...]:
        if workload.name == SELF_STARTED:
            return ()
        seen = observed.find(workload.name)
        try:
            why = difference(workload, seen, self.substrate.content_hash(workload))
        except ControllerError as error:
            return (WorkloadChange(workload.name, "start", (f"it can't be described: {error.message}",)),)
        if why is None:
            return ()
        again = seen is not None and seen.state != "stopped"
        return (WorkloadChange(workload.name, "run" if workload.kind == "job" else "restart" if again else "start", (why,)),)

    def _unread(self, text: str, current: ClusterSpec) -> tuple[str, ...]:
        """Where the text that lies there is not the spec in force: why."""
        try:
            lying = load_spec(text)
        except ControllerError as error:
            return (f"the spec that lies there is not valid, the last valid one is in force: {error.message}",)
        if lying == current:
            return ()
        found = refusals(current, lying, Ground(self.ground(current).placed))
        if found:
            return (f"the spec that lies there is not accepted: {found[0].path}: {found[0].message} ({found[0].hint})",)
        return ("the spec was changed a moment ago; the controller's next pass carries it out",)

    def _made(self, spec: ClusterSpec) -> tuple[Workload, ...]:
        return by_requirement(self.workloads(spec))


def digest(text: str) -> str:
    """Of a spec's text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def notes(before: ClusterSpec, after: ClusterSpec, found: tuple[WorkloadChange, ...]) -> tuple[str, ...]:
    """What the lists do not say by themselves."""
    old, new = before.spec.pools, after.spec.pools
    said = []
    if dropped := [name for name in old.master.databases if name not in new.master.databases]:
        said.append(f"databases that are no longer named stay, with all that is in them: {', '.join(dropped)}")
    if old.storage.enabled and not new.storage.enabled:
        said.append("HDFS stops; its files stay on disk and can't be read until storage.enabled is true again")
    if old.storage.replication != new.storage.replication:
        said.append("files that are there keep their number of copies; new ones get the new number")
    if old.data.shards < new.data.shards and old.data.shards:
        said.append(f"tables stay on the shards they have; 'bdc scale data {new.data.shards}' adds shards and spreads them")
    said += image_notes(before, after)
    if any(change.name == "master-0" and change.action == "restart" for change in found):
        said.append("the master restarts: its sessions end, and are to be made anew")
    return tuple(said)


def image_notes(before: ClusterSpec, after: ClusterSpec) -> list[str]:
    """Of a change of images: how it goes, and whether it goes backwards."""
    old, new = before.spec.kubernetes.images, after.spec.kubernetes.images
    if old == new:
        return []
    said = ["one pod after the other gets its new image, each ready before the next; 'bdc upgrade' would also go back by itself"]
    if old.tag and new.tag and is_older(new.tag, than=old.tag):
        said.append(
            f"the images go backwards, from {old.tag} to {new.tag}: what the newer ones wrote need not be readable by the older ones"
        )
    return said
