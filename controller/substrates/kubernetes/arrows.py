"""Who may reach whom: the arrows of the architecture as one table, and the NetworkPolicy of each pod group made from it.

Whoever is selected by a policy is reached by nobody else; what comes through a port-forward enters the pod's own network and is no
matter of policies, and the node's probes are let in by every network plugin that follows the specification.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.substrates.kubernetes.groups import Group
from controller.substrates.kubernetes.place import CLUSTER, COMPONENT, PART_OF, ROLE, Json, Place

CONTROL = "control"
SPARK = ("spark-connect", "spark-job")
GATEWAY = "gateway"
APPS = "app-proxy"
VERSIONS = "app-version"
"""Users' programs. Nobody calls their pods: they call the proxy."""

ARROWS: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = (
    ((CONTROL, "master-setup", "compute", VERSIONS, *SPARK), "master", ("sql",)),
    ((CONTROL, "master", VERSIONS), "compute", ("sql",)),
    ((CONTROL, VERSIONS, GATEWAY, *SPARK), "compute", ("flight",)),
    (("compute",), "data", ("data",)),
    ((CONTROL, "hdfs-setup", "compute", "storage", VERSIONS, *SPARK), "nmnode", ("http",)),
    (("compute", "storage", *SPARK), "nmnode", ("rpc",)),
    ((CONTROL, "compute", "nmnode", "storage", VERSIONS, *SPARK), "storage", ("http",)),
    (("storage", *SPARK), "storage", ("data", "ipc")),
    (("compute",), "storage", ("data",)),
    ((VERSIONS, GATEWAY), "spark-connect", ("connect",)),
    ((CONTROL, "compute", VERSIONS, *SPARK), APPS, ("app",)),
    ((CONTROL, VERSIONS), APPS, ("pods",)),
    ((GATEWAY, "compute", APPS, VERSIONS), CONTROL, ("api",)),
    ((GATEWAY,), "nmnode", ("http",)),
    ((GATEWAY,), "storage", ("http",)),
    ((GATEWAY,), APPS, ("app",)),
    ((CONTROL,), GATEWAY, ("api",)),
)
"""(who ask, whom, the names of the ports)."""

OUTWARD = frozenset({"compute", VERSIONS, *SPARK})
"""Roles whose pods reach out of the cluster: to sources, and to what users' programs want. Others reach what the arrows say, and DNS."""

OBSERVED = "metrics"
"""A port of this name is open to all pods of the Kubernetes cluster: whoever collects metrics is not ours."""


def network_policy(group: Group, place: Place, exposed: frozenset[str]) -> Json:
    """``exposed``: names of ports that are reached from outside."""
    metadata = place.metadata(group.name, place.labels(group.main.pool, group.name))
    selector = {"matchLabels": place.labels(group.main.pool, group.name, group.role)}
    spec: Json = {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": list(_incoming(group, place, exposed))}
    if group.role not in OUTWARD:
        spec |= {"policyTypes": ["Ingress", "Egress"], "egress": [_names(), *_outgoing(group, place)]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def _incoming(group: Group, place: Place, exposed: frozenset[str]) -> Iterator[Json]:
    numbers = {port.name: port.number for workload in group.members for port in workload.ports}
    for asking, asked, ports in ARROWS:
        open_to_them = [_port(numbers[name]) for name in ports if name in numbers]
        if asked == group.role and open_to_them:
            yield {"from": _pods(asking, place), "ports": open_to_them}
    if exposed & numbers.keys():
        yield {"ports": [_port(numbers[name]) for name in sorted(exposed & numbers.keys())]}
    if OBSERVED in numbers:
        yield {"from": [{"namespaceSelector": {}}], "ports": [_port(numbers[OBSERVED])]}


def _outgoing(group: Group, place: Place) -> Iterator[Json]:
    """To the pods at the other end, whose own policies say which ports are open; and to servers that are not ours, wherever they are."""
    asked = tuple(dict.fromkeys(asked for asking, asked, _ in ARROWS if group.role in asking))
    if asked:
        yield {"to": _pods(asked, place)}
    if outward := sorted({number for workload in group.members for number in workload.outward}):
        yield {"ports": [_port(number) for number in outward]}


def _names() -> Json:
    return {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}


def _pods(roles: tuple[str, ...], place: Place) -> list[Json]:
    """Peers: our pods of these roles; the controller's pods are the chart's."""
    ours = [role for role in roles if role != CONTROL]
    chart = {"matchLabels": {"app.kubernetes.io/name": "openbdc", COMPONENT: CONTROL, PART_OF: place.cluster}}
    selector = {"matchLabels": {CLUSTER: place.cluster}, "matchExpressions": [{"key": ROLE, "operator": "In", "values": ours}]}
    return [*([{"podSelector": chart}] if CONTROL in roles else []), *([{"podSelector": selector}] if ours else [])]


def _port(number: int) -> Json:
    return {"port": number, "protocol": "TCP"}
