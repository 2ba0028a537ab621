"""Routes that show the cluster: spec, status, endpoints, logs. All answers come from the last pass."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request

from controller.api import bodies
from controller.api.access import guarded_router
from controller.api.services import services_of
from controller.errors import UnknownNameError
from controller.status import ClusterStatus, EndpointStatus, ResourceStatus, ServiceStatus

router = guarded_router("cluster", "/api/v1/bdc")
MAX_LINES = 10_000


@router.get("", summary="The cluster in short")
def cluster(request: Request) -> bodies.Cluster:
    """Name, id, state and the spec in force."""
    services = services_of(request)
    status, spec = services.view.status(), services.view.spec()
    return bodies.Cluster(
        name=status["name"],
        id=services.cluster_id,
        state=status["state"],
        health=status["health"],
        details=status["details"],
        spec=spec.model_dump(mode="json", by_alias=True),
    )


@router.get("/status", summary="The status tree", response_model_exclude_unset=True)
def status(request: Request, all: bool = False) -> ClusterStatus:
    """Cluster, services, resources and, with ``all=true``, the instances of each."""
    tree = services_of(request).view.status()
    return tree if all else {**tree, "services": [_without_instances(service) for service in tree["services"]]}


@router.get("/services/{service}/status", summary="The status of one service", response_model_exclude_unset=True)
def service_status(request: Request, service: str) -> ServiceStatus:
    """One service with its resources and instances."""
    return _service(services_of(request).view.status(), service)


@router.get("/services/{service}/resources/{resource}/status", summary="The status of one resource", response_model_exclude_unset=True)
def resource_status(request: Request, service: str, resource: str) -> ResourceStatus:
    """One resource with its instances."""
    resources = _service(services_of(request).view.status(), service)["resources"]
    found = next((entry for entry in resources if entry["name"] == resource), None)
    if found is None:
        known = ", ".join(entry["name"] for entry in resources)
        raise UnknownNameError(f"service {service!r} has no resource {resource[:60]!r}", where="resource", hint=f"it has: {known}")
    return found


@router.get("/endpoints", summary="All addresses")
def endpoints(request: Request) -> list[EndpointStatus]:
    """The addresses under which the cluster is reached."""
    return services_of(request).view.endpoints()


@router.get("/endpoints/{name}", summary="One address")
def endpoint(request: Request, name: str) -> EndpointStatus:
    """The address of that name."""
    known = services_of(request).view.endpoints()
    found = next((entry for entry in known if entry["name"] == name), None)
    if found is None:
        names = ", ".join(entry["name"] for entry in known)
        raise UnknownNameError(f"there is no endpoint {name[:60]!r}", where="name", hint=f"there are: {names}")
    return found


@router.get("/logs/{workload}", summary="The end of a workload's log")
def logs(request: Request, workload: str, lines: Annotated[int, Query(ge=1, le=MAX_LINES)] = 100) -> bodies.LogLines:
    """Standard output and error of the process, oldest line first; for admins, because logs name data."""
    return bodies.LogLines(lines=list(services_of(request).view.tail(workload, lines)))


def _service(tree: ClusterStatus, name: str) -> ServiceStatus:
    found = next((entry for entry in tree["services"] if entry["name"] == name), None)
    if found is None:
        known = ", ".join(entry["name"] for entry in tree["services"])
        raise UnknownNameError(f"there is no service {name[:60]!r}", where="service", hint=f"there are: {known}")
    return found


def _without_instances(service: ServiceStatus) -> ServiceStatus:
    return {**service, "resources": [{**resource, "instances": []} for resource in service["resources"]]}
