"""Images that can't be pulled, and pools that run another version than the controller."""

from __future__ import annotations

from collections.abc import Iterator

from controller.kubernetes.api import Json
from controller.kubernetes.doctor.ground import Ground
from controller.kubernetes.names import WORKLOAD_LABEL
from controller.operations.doctor import Finding, ok, problem, warning
from controller.substrates.kubernetes.programs import reference
from controller.substrates.kubernetes.reading import container_status, containers
from controller.substrates.kubernetes.states import PULLING

OURS = "/openbdc/"
CORRECT = "correct spec.kubernetes.images: registry, tag, pullSecrets (bdc apply)"


def images(ground: Ground) -> Iterator[Finding]:
    """Of the pods that are there."""
    pods = ground.ours("v1", "Pod")
    stuck = [finding for pod in pods for finding in _stuck(pod)]
    yield from stuck
    spec = ground.spec().spec.kubernetes.images
    own = _tag(reference("control", spec, ground.version))
    others: dict[str, list[str]] = {}
    for pod in pods:
        if "deletionTimestamp" in pod["metadata"] or pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            continue
        for container in containers(pod):
            image = container["image"]
            if OURS in image and _tag(image) != own:
                others.setdefault(image, []).append(pod["metadata"]["labels"].get(WORKLOAD_LABEL, pod["metadata"]["name"]))
    for image, names in others.items():
        yield warning(
            f"{', '.join(sorted(set(names)))} run {image}, the controller is of version {own}",
            "bdc upgrade takes pool after pool along; or set spec.kubernetes.images.tag",
        )
    if not stuck and not others:
        count = len({container["image"] for pod in pods for container in containers(pod)})
        yield ok(f"{count} images are there, OpenBDC's of version {own}")


def _stuck(pod: Json) -> Iterator[Finding]:
    for container in containers(pod):
        waiting = container_status(pod, container["name"]).get("state", {}).get("waiting", {})
        if waiting.get("reason") in PULLING:
            why = waiting.get("message") or waiting["reason"]
            yield problem(f"{pod['metadata']['name']}: the image {container['image']} can't be pulled: {why}", CORRECT)


def _tag(image: str) -> str:
    """``registry:5000/openbdc/data:1.0`` → ``1.0``; of a digest the digest."""
    name = image.rpartition("/")[2]
    return name.partition("@")[2] or name.partition(":")[2] or "latest"
