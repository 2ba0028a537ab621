"""Volume claims of a set: one that gets no volume, one whose volume is gone, one that somebody deletes or that is another one than before.

Kubernetes makes a deleted claim again at once, empty, and its pod starts on it as if nothing had been. So the set remembers (annotation
``openbdc.dev/claim``) the uid of the claim that it had: another one means that what was kept is lost, which only a person may accept.
Pure; what is to be remembered is written by ``KubernetesSubstrate.adopt``.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.substrates.kubernetes.place import Json
from controller.substrates.kubernetes.reading import Said, Seen, describe, unix, warned

CLAIM = "openbdc.dev/claim"
"""Annotation of a set: uid of the claim that holds what it keeps."""
ACCEPTED = "openbdc.dev/accepted"
EMPTY = "empty"
"""Annotation of a claim, by which somebody says that an empty one may take the place of the one that is lost."""


def of(workloads: Json, claims: dict[str, Json]) -> Iterator[Json]:
    """The claims of a set's only pod that are there."""
    for template in workloads["spec"].get("volumeClaimTemplates", ()):
        found = claims.get(f"{template['metadata']['name']}-{workloads['metadata']['name']}-0")
        if found is not None:
            yield found


def pending(workloads: Json, seen: Seen, message: str) -> str | None:
    """Why a pod without a node waits for a volume. ``message``: the scheduler's."""
    for claim in of(workloads, seen.claims):
        named = claim["spec"].get("storageClassName")
        if claim.get("status", {}).get("phase") != "Pending" or (named and "PersistentVolumeClaim" not in message):
            continue
        name, said = claim["metadata"]["name"], warned(claim, seen)
        if not named:
            return (
                f"claim {name} gets no volume: there is no default StorageClass, and the spec names none"
                " (kubectl get storageclass; then set spec.kubernetes.storage.storageClass)"
            )
        return f"claim {name} of StorageClass {named} gets no volume yet{': ' + said if said else ''} ({describe('pvc', claim)})"
    return None


def lost(workloads: Json, seen: Seen, said: Said) -> Said:
    """What is said of the pod, unless its claim is in a worse state than it can know."""
    for claim in of(workloads, seen.claims):
        name, namespace = claim["metadata"]["name"], claim["metadata"]["namespace"]
        since = unix(claim["metadata"].get("creationTimestamp"))
        if claim.get("status", {}).get("phase") == "Lost":
            return Said("failed", f"the volume of claim {name} is gone, and what was kept in it ({describe('pvc', claim)})", since)
        if "deletionTimestamp" in claim["metadata"]:
            return Said(
                "unready" if said.state == "ready" else said.state,
                f"claim {name} is being deleted: what it holds is lost once its pod ends; save it now (bdc backup)",
                unix(claim["metadata"]["deletionTimestamp"]),
            )
        if replaced(workloads, claim):
            return Said(
                "failed",
                f"claim {name} is another one than before (made {claim['metadata'].get('creationTimestamp')}): what was kept is lost."
                " Restore a backup, or go on with an empty volume:"
                f" kubectl -n {namespace} annotate pvc {name} {ACCEPTED}={EMPTY}",
                since,
            )
    return said


def replaced(workloads: Json, claim: Json) -> bool:
    """Whether it is not the claim that the set had, and nobody has accepted that."""
    known = remembered(workloads)
    accepted = (claim["metadata"].get("annotations") or {}).get(ACCEPTED) == EMPTY
    return known is not None and known != claim["metadata"].get("uid") and not accepted


def remembered(workloads: Json) -> str | None:
    """The uid of the claim that a set had."""
    found: str | None = (workloads["metadata"].get("annotations") or {}).get(CLAIM)
    return found


def to_remember(workloads: Json, claims: dict[str, Json]) -> str | None:
    """The uid of a bound claim that the set is to know from now on; None where it knows it, or may not."""
    for claim in of(workloads, claims):
        metadata = claim["metadata"]
        bound = claim.get("status", {}).get("phase") == "Bound" and "deletionTimestamp" not in metadata
        if bound and remembered(workloads) != metadata["uid"] and not replaced(workloads, claim):
            return str(metadata["uid"])
    return None
