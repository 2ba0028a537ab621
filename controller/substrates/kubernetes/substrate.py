"""The Kubernetes substrate: carries out workloads as objects of a namespace (Protocol ``controller.substrate.Substrate``)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from controller.kubernetes.api import Api, ApiError, path_of, path_of_object
from controller.kubernetes.names import CONTROLLER_SERVICE
from controller.spec import ClusterSpec
from controller.substrate import Observed, ObservedWorkload
from controller.substrates.kubernetes.applying import applied, what_restarts
from controller.substrates.kubernetes.arrows import VERSIONS
from controller.substrates.kubernetes.claims import CLAIM, to_remember
from controller.substrates.kubernetes.differences import other_images
from controller.substrates.kubernetes.endings import telling
from controller.substrates.kubernetes.groups import Group, groups, planned
from controller.substrates.kubernetes.listing import Listing, listing, warnings
from controller.substrates.kubernetes.manifests import Manifests, manifests, name_of
from controller.substrates.kubernetes.ownership import edits
from controller.substrates.kubernetes.place import CONTENT, OBJECTS, ROLE, WORKLOAD, Json, Place
from controller.substrates.kubernetes.reading import Seen, container_names, newest
from controller.substrates.kubernetes.states import observed, settled
from pools.workload import Workload

CONTROL = "control"
CONTROLLER_PODS = "app.kubernetes.io/name=openbdc,app.kubernetes.io/component=control"
"""The chart's labels."""
LOG_BYTES = 1_000_000
LAST_LINES = 30


@dataclass(frozen=True)
class _Wanted:
    """What the current pass wants: workload → its group, group → its manifests."""

    place: Place
    groups: dict[str, Group] = field(default_factory=dict)
    manifests: dict[str, Manifests] = field(default_factory=dict)


class KubernetesSubstrate:
    """``KubernetesSubstrate(api, place)``: nothing is kept between passes but what the last ones said, so that one pass need not list
    twice. Safe in several threads."""

    def __init__(self, api: Api, place: Place) -> None:
        self._api = api
        self._wanted = _Wanted(place)
        self._there = Listing()
        self._applied: dict[str, tuple[str, int]] = {}
        """Group → birth and generation of its set as we left it: an older list, also of another thread, is told by it."""

    def wanted(self, spec: ClusterSpec, desired: tuple[Workload, ...]) -> tuple[Workload, ...]:
        """Divides the workloads into pods. Each member of a pod requires what any of them requires: a pod comes as a whole."""
        place = replace(self._wanted.place, spec=spec.spec.kubernetes)
        found = {workload.name: group for group in groups(desired) for workload in group.members}
        self._wanted = _Wanted(place, found)
        return planned(desired)

    def observe(self) -> Observed:
        """What is there now: eleven lists, and where something is not ready what Kubernetes says about it."""
        place = self._wanted.place
        there = self._there = listing(self._api, place)
        current = _current(there)
        restless = not all(map(settled, current.values()))
        waiting = any(claim.get("status", {}).get("phase") != "Bound" for claim in there.claims.values())
        events = warnings(self._api, place, waiting) if restless else {}
        seen = Seen(there.pods, there.claims, events, self._last_line)
        found = [ObservedWorkload(CONTROL, "ready", "")]  # it is the one who asks
        for workloads in current.values():
            edited = edited_by_hand(workloads, there)
            content = "" if edited else _content(workloads)
            found += observed(workloads, seen, content, edited)
        return Observed(tuple(found))

    def adopt(self) -> None:
        """Have each set remember the claim that was bound to it, so that another one in its place is noticed. By what was observed last."""
        for manifest in self._there.sets.values():
            found = to_remember(manifest, self._there.claims)
            if found is not None:
                self._api.merge(path_of_object(manifest), {"metadata": {"annotations": {CLAIM: found}}})

    def content_hash(self, workload: Workload) -> str:
        """Digest of all manifests of the pod that the workload is in."""
        return "" if workload.name == CONTROL else self._manifests(workload).content

    def ensure(self, workload: Workload) -> str:
        """Apply the pod that the workload is in, and all around it; a sentence that says what differed."""
        wanted, there = self._manifests(workload), self._there
        before = there.sets.get(name_of(wanted.pods))
        if before is not None and what_restarts(before, wanted.pods):
            away = self._away(before, other_images(before, wanted.pods))
            if away is not None:
                return f"waits with its restart until {away} is back"
        done = applied(self._api, wanted, there, stale(wanted, there))
        self._applied[_group_of(wanted.pods)] = _generation(done.pods)
        if done.refused is not None:
            raise done.refused
        return done.sentence

    def stop(self, name: str, forget: bool = True) -> None:
        """Delete the pod and all around it but the claim; a batch that is not to be forgotten is suspended, which ends its pod."""
        there = self._there if self._there.sets else listing(self._api, self._wanted.place)
        group = next((_group_of(entry) for entry in there.sets.values() if name in _names(entry)), name)
        for key, manifest in (*there.sets.items(), *there.around.items()):
            if manifest["metadata"]["labels"].get(WORKLOAD) != group:
                continue
            if not forget and key.startswith("Job/"):
                self._api.merge(path_of_object(manifest), {"spec": {"suspend": True}})
            elif forget or not _of_a_job(group, there):
                self._api.delete(path_of_object(manifest))

    def clients(self, workload: Workload) -> int | None:
        """Nobody can tell: connections are the pod's own business."""
        return None

    def host(self, name: str) -> str:
        """The name of the group's Service; the controller's is the chart's."""
        if name == CONTROL:
            return self._wanted.place.host(CONTROLLER_SERVICE)
        group = self._wanted.groups.get(name)
        return self._wanted.place.host(group.name if group else name)

    def tail(self, name: str, lines: int) -> tuple[str, ...]:
        """The last lines of its container's log; none where it has not run yet."""
        if name == CONTROL:
            return self._tail(CONTROLLER_PODS, "controller", lines)
        group = self._wanted.groups.get(name)
        return self._tail(f"{WORKLOAD}={group.name if group else name}", name, lines)

    def delete_claims(self) -> None:
        """Delete all volume claims of the cluster, and with them what it kept."""
        for claim in listing(self._api, self._wanted.place).claims.values():
            self._api.delete(path_of("v1", "PersistentVolumeClaim", claim["metadata"]["namespace"], claim["metadata"]["name"]))

    def _away(self, ready: Json, new_images: bool) -> str | None:
        """Who is not there just now, so that this one, which is, has to wait with its restart: its like, as it would leave nobody; and
        with ``new_images`` whatever runs as it is wanted already, as each pod has to prove its image before the next one gets its own.
        One that is not ready itself has nothing to lose."""
        if ready["kind"] == "Job" or not settled(ready):
            return None
        role = ready["metadata"]["labels"][ROLE]
        for entry in _current(self._there).values():
            if entry is ready or self._back(entry):
                continue
            like = entry["metadata"]["labels"][ROLE] == role and role != VERSIONS  # which have nothing to do with each other
            if like or (new_images and self._as_wanted(entry)):
                return _group_of(entry)
        return None

    def _back(self, entry: Json) -> bool:
        """It is ready, as we left it and not as it was before."""
        return settled(entry) and not self._outdated(entry)

    def _outdated(self, entry: Json) -> bool:
        return _generation(entry) < self._applied.get(_group_of(entry), ("", 0))

    def _as_wanted(self, entry: Json) -> bool:
        """What is not yet so is changed in its own turn, which may be what makes it ready; batches are nobody's business."""
        group = self._wanted.groups.get(_group_of(entry))
        if group is None or group.main.kind == "batch":
            return False
        return self._outdated(entry) or self._manifests(group.main).content == _content(entry)

    def _manifests(self, workload: Workload) -> Manifests:
        """Made once for each pass and pod."""
        wanted = self._wanted
        group = wanted.groups.get(workload.name) or Group(workload)
        if group.name not in wanted.manifests:
            wanted.manifests[group.name] = manifests(group, wanted.place)
        return wanted.manifests[group.name]

    def _tail(self, selector: str, container: str, lines: int) -> tuple[str, ...]:
        namespace = self._wanted.place.namespace
        pod = newest(self._api.list(path_of("v1", "Pod", namespace), selector=selector))
        return () if pod is None else self._log(pod["metadata"]["name"], container, lines)

    def _log(self, pod: str, container: str, lines: int) -> tuple[str, ...]:
        query = {"container": container, "tailLines": str(lines), "limitBytes": str(LOG_BYTES)}
        try:
            text = self._api.text(f"{path_of('v1', 'Pod', self._wanted.place.namespace, pod)}/log", query)
        except ApiError as error:
            if error.number in (400, 404):  # it has not run yet, or its log is gone
                return ()
            raise
        return tuple(text.splitlines())

    def _last_line(self, pod: str, container: str) -> str:
        return telling(self._log(pod, container, LAST_LINES))


def edited_by_hand(workloads: Json, there: Listing) -> tuple[str, ...]:
    """What somebody did to a set, or to what is around it, since we applied them."""
    try:
        before: dict[str, str] = json.loads(workloads["metadata"].get("annotations", {})[OBJECTS])
    except (KeyError, ValueError):
        return ("its last change was not finished",)
    objects = there.objects
    found = [f"{name} was deleted" for name in before if name not in objects]
    for name, digest in before.items():
        found += [f"{edit} of {name}" for edit in (edits(objects[name], digest) if name in objects else ())]
    return tuple(found)


def stale(wanted: Manifests, there: Listing) -> tuple[Json, ...]:
    """What goes once the group is applied: Jobs of the same workload with other content, and what the group had around it and has no more,
    such as a way in from outside."""
    group, names = _group_of(wanted.pods), set(map(name_of, wanted.all))
    jobs = (manifest for manifest in there.sets.values() if manifest["kind"] == "Job" and _group_of(manifest) == group)
    around = (manifest for manifest in there.around.values() if manifest["metadata"]["labels"].get(WORKLOAD) == group)
    return tuple(manifest for manifest in (*jobs, *around) if name_of(manifest) not in names)


def _current(there: Listing) -> dict[str, Json]:
    """The set of each group; of several Jobs of one workload the youngest."""
    found: dict[str, Json] = {}
    for manifest in sorted(there.sets.values(), key=lambda manifest: manifest["metadata"]["creationTimestamp"]):
        if "deletionTimestamp" not in manifest["metadata"]:
            found[_group_of(manifest)] = manifest
    return found


def _content(manifest: Json) -> str:
    return str(manifest["metadata"].get("annotations", {}).get(CONTENT, ""))


def _generation(manifest: Json) -> tuple[str, int]:
    return manifest["metadata"]["creationTimestamp"], int(manifest["metadata"].get("generation", 0))


def _group_of(manifest: Json) -> str:
    return str(manifest["metadata"]["labels"][WORKLOAD])


def _names(workloads: Json) -> list[str]:
    return container_names(workloads["spec"]["template"]["spec"])


def _of_a_job(group: str, there: Listing) -> bool:
    return any(key.startswith("Job/") and _group_of(manifest) == group for key, manifest in there.sets.items())
