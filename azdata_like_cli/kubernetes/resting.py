"""``bdc stop`` and ``bdc start`` on Kubernetes: an annotation of the resource, which the controller follows in its order."""

from __future__ import annotations

import json
from typing import cast

from azdata_like_cli.kubernetes import following, pods, resource
from azdata_like_cli.kubernetes.places import not_there
from bdc import kubectl
from bdc.contexts import Place

Json = dict[str, object]

STOPPED = "openbdc.dev/stopped"


def stop(place: Place, name: str, why: str, wait: following.Wait) -> None:
    """Until no pod of a pool runs. NotFoundError where there is no such cluster."""
    if kubectl.read(place, resource.path(place, name)) is None:
        raise not_there(name, place)
    _annotate(place, name, why)
    wait.until(lambda: _stopping(place, name), f"the stop of cluster {name!r}")


def start(place: Place, name: str, wait: following.Wait) -> Json:
    """Until all is ready; the resource."""
    if kubectl.read(place, resource.path(place, name)) is None:
        raise not_there(name, place)
    _annotate(place, name, None)
    return following.cluster_ready(wait, name)


def _annotate(place: Place, name: str, why: str | None) -> None:
    patch = json.dumps({"metadata": {"annotations": {STOPPED: why}}})
    kubectl.call(place, "patch", "bigdataclusters.openbdc.dev", name, "--type=merge", "--field-manager=bdc", "--patch", patch)


def _stopping(place: Place, name: str) -> list[tuple[str, pods.Seen]] | None:
    found = kubectl.read(place, resource.path(place, name)) or {}
    status = cast(Json, found.get("status") or {})
    if status.get("state") == "stopped" and resource.condition(status, "Progressing").get("status") == "False":
        return None
    why = following.deployment(place)
    if why is not None:
        return [("cluster", pods.Seen("waiting", f"the controller, which stops it, does not run: {why.reason}"))]
    return [("cluster", pods.Seen("stopping", str(status.get("message") or "")))]
