"""Apply the manifests of a pod group and say what that means: server-side apply of each, the set last."""

from __future__ import annotations

import json
from dataclasses import dataclass

from controller.errors import SubstrateError
from controller.kubernetes.api import Api, path_of_object
from controller.substrates.kubernetes.differences import first_difference
from controller.substrates.kubernetes.listing import Listing
from controller.substrates.kubernetes.manifests import Manifests, name_of
from controller.substrates.kubernetes.ownership import foreign, owned, shown, taken_back
from controller.substrates.kubernetes.place import OBJECTS, Json


@dataclass(frozen=True)
class Applied:
    """``sentence``: ``created``, ``restarts: … changed``, ``updated``; ``pods``: the set as it is now; ``refused``: what Kubernetes can't
    change of it, while everything else is applied."""

    sentence: str
    pods: Json
    refused: SubstrateError | None = None


def applied(api: Api, wanted: Manifests, there: Listing, stale: tuple[Json, ...] = ()) -> Applied:
    """``stale``: what goes because of it."""
    before = there.objects.get(name_of(wanted.pods))
    if before is not None and _given_up(before):
        api.delete(path_of_object(before), propagation="Foreground")
        return Applied("failed for good: it is deleted, and made anew", before)
    said = [*_handed_back(api, wanted, there), *_what(before, wanted.pods)]
    pods, unchangeable = _with_claims_of(before, wanted.pods)
    digests = {name_of(manifest): owned(api.apply(manifest)) for manifest in (*wanted.around, pods)}
    now = api.merge(path_of_object(wanted.pods), {"metadata": {"annotations": {OBJECTS: json.dumps(digests, sort_keys=True)}}})
    for job in stale:
        api.delete(path_of_object(job))
    refused = (
        SubstrateError(unchangeable, where=name_of(wanted.pods), hint="docs/guide/kubernetes.md, Day 2: Volumes") if unchangeable else None
    )
    return Applied("; ".join(said), now, refused)


def _handed_back(api: Api, wanted: Manifests, there: Listing) -> list[str]:
    """Fields that others own are given back before ours are applied, which alone would leave what they added."""
    said = []
    for manifest in wanted.all:
        now = there.objects.get(name_of(manifest))
        change = taken_back(now, manifest) if now is not None else None
        if now is None or change is None:
            continue
        api.merge(path_of_object(manifest), change)
        managers = foreign(now)
        fields = ", ".join(shown(path) for paths in managers.values() for path in paths[:3])
        said.append(f"{', '.join(managers)} had changed {fields} of {name_of(manifest)}: taken back")
    return said


def what_restarts(before: Json, wanted: Json) -> str | None:
    """The field for whose sake a pod is made anew."""
    return first_difference(before["spec"]["template"], wanted["spec"]["template"])


def _what(before: Json | None, wanted: Json) -> list[str]:
    if before is None:
        return ["created"]
    if wanted["kind"] == "Job":
        return []
    differs = what_restarts(before, wanted)
    return [f"restarts: {differs} changed" if differs else "updated without a restart"]


def _with_claims_of(before: Json | None, wanted: Json) -> tuple[Json, str | None]:
    """The set with the claim templates that are there, which can't change; a sentence where others are wanted."""
    if before is None or "volumeClaimTemplates" not in wanted["spec"]:
        return wanted, None
    now, then = (_claim(manifest) for manifest in (before, wanted))
    differ = [f"{field} {now[field]} → {then[field]}" for field in then if now.get(field) != then[field]]
    if not differ:
        return wanted, None
    kept = {**wanted, "spec": {**wanted["spec"], "volumeClaimTemplates": before["spec"]["volumeClaimTemplates"]}}
    name = wanted["metadata"]["name"]
    return kept, (
        f"the volume claim of {name} can't change ({', '.join(differ)}): Kubernetes keeps the claims of a StatefulSet as they were made."
        f" Set spec.kubernetes.storage back; to make the volume itself larger: kubectl edit pvc data-{name}-0"
    )


def _claim(manifest: Json) -> dict[str, str]:
    """What people may want to change, as text; a class that is not named is not compared."""
    spec = manifest["spec"]["volumeClaimTemplates"][0]["spec"]
    found = {"size": str(spec["resources"]["requests"]["storage"])}
    if spec.get("storageClassName"):
        found["class"] = str(spec["storageClassName"])
    return found


def _given_up(manifest: Json) -> bool:
    conditions = manifest.get("status", {}).get("conditions", ())
    batch = manifest["spec"].get("backoffLimit") == 0
    return manifest["kind"] == "Job" and not batch and any(entry["type"] == "Failed" and entry["status"] == "True" for entry in conditions)
