"""Services: one for each pod group, and one for each endpoint that is exposed, with an Ingress where one is asked for.

Each has an address of its own (no headless one): a pod that is made anew has another address, which Java, DNS servers and connection pools
would look for at the old one for half a minute.
"""

from __future__ import annotations

from controller.spec.kubernetes import Exposure
from controller.substrates.kubernetes.groups import Group
from controller.substrates.kubernetes.place import CLUSTER, WORKLOAD, Json, Place

ENDPOINTS = {
    "master": ("master", "sql"),
    "compute": ("compute", "sql"),
    "nmnode": ("webhdfs", "http"),
    "app-proxy": ("app", "app"),
    "gateway": ("gateway", "api"),
}
"""Role → key of ``spec.kubernetes.endpoints``, and the name of its port."""
OPEN = frozenset({"gateway"})
"""Roles that are made to be reached by everybody, also from inside of the Kubernetes cluster."""


def services(group: Group, place: Place) -> tuple[Json, ...]:
    """What makes a group's ports reachable; nothing for a group without ports."""
    numbers = {port.name: port.number for workload in group.members for port in workload.ports}
    if not numbers:
        return ()
    ports = [_port(group, name, number) for name, number in numbers.items()]
    # also while the pod is not ready yet: a server may look up its own name, and who waits for it says so more clearly than DNS does
    spec: Json = {"publishNotReadyAddresses": True, "selector": _selector(group, place), "ports": ports}
    metadata = place.metadata(group.name, place.labels(group.main.pool, group.name))
    own: Json = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    return (own, *_exposed(group, place, numbers))


def exposed_ports(group: Group, place: Place) -> frozenset[str]:
    """Names of the ports that are reached from outside of the cluster's own pods."""
    return frozenset((_port_name(group),)) if group.role in OPEN or _wanted(_exposure(group, place)) else frozenset()


def _exposed(group: Group, place: Place, numbers: dict[str, int]) -> tuple[Json, ...]:
    exposure, name = _exposure(group, place), f"{group.name}-outside"
    if exposure is None or not _wanted(exposure):
        return ()
    number = numbers[_port_name(group)]
    metadata = {**place.metadata(name, place.labels(group.main.pool, group.name)), "annotations": dict(exposure.annotations)}
    port = _port(group, _port_name(group), number)
    if exposure.node_port is not None and group.first:
        port["nodePort"] = exposure.node_port
    spec = {"type": exposure.type, "selector": _selector(group, place), "ports": [port]}
    service: Json = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    return (service, *_ingress(exposure, metadata, number))


def _port(group: Group, name: str, number: int) -> Json:
    port: Json = {"name": name, "port": number, "targetPort": number, "protocol": "TCP"}
    ready = group.main.ready
    if ready is not None and ready.kind == "https" and ready.port == name:
        port["appProtocol"] = "https"  # for proxies that would speak HTTP to it
    return port


def _ingress(exposure: Exposure, metadata: Json, number: int) -> tuple[Json, ...]:
    wanted = exposure.ingress
    if wanted.host is None:
        return ()
    backend = {"service": {"name": metadata["name"], "port": {"number": number}}}
    spec: Json = {"rules": [{"host": wanted.host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]}
    if wanted.ingress_class is not None:
        spec["ingressClassName"] = wanted.ingress_class
    if wanted.tls_secret is not None:
        spec["tls"] = [{"hosts": [wanted.host], "secretName": wanted.tls_secret}]
    return ({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec},)


def _wanted(exposure: Exposure | None) -> bool:
    return exposure is not None and (exposure.type != "ClusterIP" or exposure.ingress.host is not None)


def _exposure(group: Group, place: Place) -> Exposure | None:
    return place.spec.endpoints.get(ENDPOINTS[group.role][0]) if group.role in ENDPOINTS else None


def _port_name(group: Group) -> str:
    return ENDPOINTS[group.role][1]


def _selector(group: Group, place: Place) -> Json:
    return {CLUSTER: place.cluster, WORKLOAD: group.name}
