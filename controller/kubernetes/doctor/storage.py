"""Storage classes that the claims of the spec name or fall back to, and the claims that there are."""

from __future__ import annotations

from collections.abc import Iterator

from controller.kubernetes.api import Json
from controller.kubernetes.doctor.ground import Ground
from controller.kubernetes.doctor.quantities import number, size
from controller.operations.doctor import Finding, ok, problem, warning
from controller.substrates.kubernetes import claims as kept

DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
BY_HAND = "kubernetes.io/no-provisioner"
SET_CLASS = "set spec.kubernetes.storage.storageClass to one of kubectl get storageclass (bdc apply)"


def storage_classes(ground: Ground) -> Iterator[Finding]:
    """NotAllowedError where the chart grants no right to list them."""
    found = {entry["metadata"]["name"]: entry for entry in ground.around("storage.k8s.io/v1", "StorageClass")}
    defaults = sorted(name for name, entry in found.items() if _is_default(entry))
    there = {claim["metadata"]["name"] for claim in ground.ours("v1", "PersistentVolumeClaim")}
    wanted = [(pod, claim) for pod in ground.pods() for claim in pod.claims if f"{claim['metadata']['name']}-{pod.name}-0" not in there]
    named = sorted({claim["spec"]["storageClassName"] for _, claim in wanted if claim["spec"].get("storageClassName")})
    for name in (name for name in named if name not in found):
        yield problem(f"there is no StorageClass {name}, which the spec names", SET_CLASS)
    unnamed = [pod.name for pod, claim in wanted if not claim["spec"].get("storageClassName")]
    if unnamed and not defaults:
        yield problem(f"there is no default StorageClass, and the spec names none for {', '.join(unnamed)}", SET_CLASS)
    if len(defaults) > 1:
        yield warning(f"{len(defaults)} StorageClasses are the default: {', '.join(defaults)}; the newest is taken", SET_CLASS)
    for name in sorted({*named, *defaults} & found.keys()):
        yield _class(name, found[name], name in defaults)
    if not (named or defaults or unnamed):
        yield ok("all claims have their volume; no StorageClass is the default, none is needed")


def _is_default(entry: Json) -> bool:
    return any((entry["metadata"].get("annotations") or {}).get(name) == "true" for name in DEFAULT)


def _class(name: str, entry: Json, default: bool) -> Finding:
    shown = f"StorageClass {name}{' (default)' if default else ''} of {entry['provisioner']}"
    if entry["provisioner"] == BY_HAND:
        return warning(f"{shown}: nobody makes its volumes but people", "kubectl get pv; or another class with a provisioner")
    larger = "claims can be made larger" if entry.get("allowVolumeExpansion") else "claims can't be made larger later"
    return ok(f"{shown}; {larger}; on deletion of a claim its volume: {entry.get('reclaimPolicy', 'Delete')}")


def claims(ground: Ground) -> Iterator[Finding]:
    """Each that is not bound, goes, is another one than before, or still grows."""
    found = ground.ours("v1", "PersistentVolumeClaim")
    sets = ground.ours("apps/v1", "StatefulSet")
    well = 0.0
    for claim in found:
        bad = list(_claim(claim, sets))
        yield from bad
        well += 0.0 if bad else number(claim.get("status", {}).get("capacity", {}).get("storage", "0"))
    if found and well:
        yield ok(f"{len(found)} claims, {size(well)} of them bound to volumes and in order")
    if not found:
        yield ok("there are no volume claims yet")


def _claim(claim: Json, sets: list[Json]) -> Iterator[Finding]:
    metadata, status = claim["metadata"], claim.get("status", {})
    name = metadata["name"]
    describe = f"kubectl -n {metadata['namespace']} describe pvc {name}"
    if "deletionTimestamp" in metadata:
        yield problem(f"claim {name} is being deleted: what it holds is lost once its pod ends", "save it now: bdc backup")
    elif status.get("phase") != "Bound":
        yield problem(f"claim {name} is {status.get('phase', 'Pending')}: its pod can't start", describe)
    for owner in sets:
        if any(one["metadata"]["name"] == name for one in kept.of(owner, {name: claim})) and kept.replaced(owner, claim):
            fix = f"restore a backup; or kubectl -n {metadata['namespace']} annotate pvc {name} {kept.ACCEPTED}={kept.EMPTY}"
            yield problem(f"claim {name} is another one than before: what was kept is lost", fix)
    asked, has = claim["spec"]["resources"]["requests"]["storage"], status.get("capacity", {}).get("storage")
    if has is not None and number(asked) > number(has):
        yield warning(f"claim {name} has {has} and asks for {asked}", describe)
