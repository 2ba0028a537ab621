"""``bdc delete NAME`` on Kubernetes: the resource in the controller's order, then the controller; volume claims stay unless asked."""

from __future__ import annotations

from typing import cast

from azdata_like_cli.kubernetes import chart, checks, following, resource
from azdata_like_cli.kubernetes.creating import ADMIN_SECRET
from azdata_like_cli.kubernetes.places import not_there
from bdc import kubectl
from bdc.contexts import Place
from bdc.errors import NotFoundError

Json = dict[str, object]


def check(place: Place, name: str) -> None:
    """NotFoundError unless something of the cluster is there; programs and an API server too."""
    checks.programs()
    checks.server(place)
    if kubectl.read(place, resource.path(place, name)) is None and _deployment(place) is None:
        raise not_there(name, place)


def _deployment(place: Place) -> Json | None:
    return kubectl.read(place, f"/apis/apps/v1/namespaces/{place.namespace}/deployments/openbdc")


def take_down(place: Place, name: str, *, volumes: bool, wait: following.Wait) -> list[str]:
    """Until nothing runs; the names of the volume claims that are left. ``volumes``: these go too, with all data."""
    path = resource.path(place, name)
    if kubectl.read(place, path) is not None:
        if volumes:
            _ask_for_volumes(place, name)
        kubectl.call(place, "delete", "--raw", path)
        following.cluster_gone(wait, name)
    chart.uninstall(place)
    if volumes:
        _forget(place, f"/api/v1/namespaces/{place.namespace}/secrets/{ADMIN_SECRET}")
    return claims(place, name)


def _ask_for_volumes(place: Place, name: str) -> None:
    patch = '{"spec":{"kubernetes":{"storage":{"onDelete":"delete"}}}}'
    kubectl.call(place, "patch", "bigdataclusters.openbdc.dev", name, "--type=merge", "--field-manager=bdc", "--patch", patch)


def claims(place: Place, name: str) -> list[str]:
    """The cluster's volume claims."""
    path = f"/api/v1/namespaces/{place.namespace}/persistentvolumeclaims?labelSelector=openbdc.dev%2Fcluster%3D{name}"
    found = kubectl.read(place, path) or {}
    return sorted(str(cast(Json, one["metadata"])["name"]) for one in cast("list[Json]", found.get("items") or []))


def _forget(place: Place, path: str) -> None:
    try:
        kubectl.call(place, "delete", "--raw", path)
    except NotFoundError:
        return
