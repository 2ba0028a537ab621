"""Rules that concern several fields of a spec; each is a function that yields ``(path, message, hint)``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator

from controller.spec.directory_rules import DIRECTORY_RULES
from controller.spec.model import ClusterSpec
from controller.spec.ports import port_numbers
from pools.storage.spark import reserved

Finding = tuple[tuple[str, ...], str, str | None]
SETTING = re.compile(r"[A-Za-z0-9._-]{1,200}")


def replication_needs_datanodes(spec: ClusterSpec) -> Iterator[Finding]:
    """HDFS can't keep more copies than there are DataNodes: every file would stay under-replicated for ever."""
    storage = spec.spec.pools.storage
    if storage.enabled and storage.replication > storage.data_nodes:
        yield (
            ("spec", "pools", "storage", "replication"),
            f"{storage.replication} copies need as many DataNodes, but dataNodes is {storage.data_nodes}",
            "lower replication or raise dataNodes",
        )


def ports_differ(spec: ClusterSpec) -> Iterator[Finding]:
    """No two services listen on one number, and each number is a port."""
    owners: dict[int, str] = {}
    for owner, number in port_numbers(spec).named():
        path = ("spec", "ports", _field(owner))
        if number > 65535:
            yield path, f"{owner} would get port {number}, the highest is 65535", "choose a lower base"
        elif number in owners:
            yield path, f"port {number} of {owner} is already taken by {owners[number]}", "give one of them another number"
        else:
            owners[number] = owner


def bind_is_safe(spec: ClusterSpec) -> Iterator[Finding]:
    """Beyond loopback only with TLS: passwords and rows would cross the network in clear."""
    network = spec.spec.network
    path = ("spec", "network", "bind")
    try:
        address = ipaddress.ip_address(network.bind)
    except ValueError:
        yield path, f"{network.bind!r} is not an IP address", "for example 127.0.0.1"
        return
    if address.is_loopback:
        return
    if spec.spec.security.tls.enabled is False:
        yield (
            path,
            f"{network.bind} can be reached from other machines, and without TLS passwords and rows would cross the network in clear",
            "leave security.tls.enabled out, or keep 127.0.0.1",
        )


def gateway_has_an_address(spec: ClusterSpec) -> Iterator[Finding]:
    """Any one will do: it speaks TLS always."""
    bind = spec.spec.gateway.bind
    try:
        ipaddress.ip_address(bind or "127.0.0.1")
    except ValueError:
        yield ("spec", "gateway", "bind"), f"{bind!r} is not an IP address", "for example 0.0.0.0"


def certificate_has_key(spec: ClusterSpec) -> Iterator[Finding]:
    """A certificate without its key (or the reverse) is a mistake, whatever ``bind`` is."""
    tls = spec.spec.network.tls
    for name, other in (("certificate", "key"), ("key", "certificate")):
        if getattr(tls, name) is not None and getattr(tls, other) is None:
            yield ("spec", "network", "tls", name), f"{name} is given without {other}", f"give network.tls.{other} too"


def databases_differ(spec: ClusterSpec) -> Iterator[Finding]:
    """Each database once, and none of PostgreSQL's own."""
    seen: set[str] = set()
    for index, name in enumerate(spec.spec.pools.master.databases):
        path = ("spec", "pools", "master", "databases", str(index))
        if name in seen:
            yield path, f"{name!r} is listed twice", None
        if name in ("postgres", "template0", "template1"):
            yield path, f"{name!r} is one of PostgreSQL's own databases", "choose another name"
        seen.add(name)


def spark_settings_are_free(spec: ClusterSpec) -> Iterator[Finding]:
    """Settings that the cluster itself makes (address, token, memory) can't be set by hand; each is one line of a property file."""
    for name, value in spec.spec.pools.storage.spark.conf.items():
        path = ("spec", "pools", "storage", "spark", "conf", name)
        if reserved(name):
            yield path, f"{name} is set by the cluster itself", "spec.pools.storage.spark has memoryMegabytes and cores"
        elif not name.startswith("spark.") or not SETTING.fullmatch(name):
            yield path, f"{name[:100]!r} is no setting of Spark", "for example spark.sql.shuffle.partitions"
        elif not value.isprintable():
            yield path, f"the value of {name} holds a line break or another control character", None


def kubernetes_names_are_known(spec: ClusterSpec) -> Iterator[Finding]:
    """Mappings by pool, claim or endpoint: each key is one that there is."""
    kubernetes = spec.spec.kubernetes
    given: dict[tuple[str, ...], Iterable[str]] = {
        ("pods",): kubernetes.pods,
        ("storage", "claims"): kubernetes.storage.claims,
        ("endpoints",): kubernetes.endpoints,
    }
    for path, known in KUBERNETES_NAMES.items():
        for name in given[path]:
            if name not in known:
                yield ("spec", "kubernetes", *path, name), f"{name!r} is not known here", f"known here: {', '.join(known)}"


def exposed_master_has_tls(spec: ClusterSpec) -> Iterator[Finding]:
    """A master that is reached from outside of the namespace: passwords and rows would cross the network in clear."""
    kubernetes = spec.spec.kubernetes
    master = kubernetes.endpoints.get("master")
    encrypted = kubernetes.tls_secret is not None or spec.spec.security.tls.enabled
    if master is not None and master.type != "ClusterIP" and not encrypted:
        yield (
            ("spec", "kubernetes", "endpoints", "master", "type"),
            f"{master.type} makes the master reachable from outside, and without TLS passwords and rows would cross the network in clear",
            "set security.tls.enabled, or name a certificate in kubernetes.tlsSecret, or keep ClusterIP and port-forwards",
        )


def ingress_is_for_http(spec: ClusterSpec) -> Iterator[Finding]:
    """An Ingress carries HTTP only."""
    for name, exposure in spec.spec.kubernetes.endpoints.items():
        if exposure.ingress.host is not None and name not in ("webhdfs", "app"):
            yield (
                ("spec", "kubernetes", "endpoints", name, "ingress", "host"),
                f"{name} speaks no HTTP, an Ingress can't carry it",
                "set its type to LoadBalancer or NodePort",
            )


KUBERNETES_NAMES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("pods",): ("master", "compute", "data", "storage", "app", "gateway"),
    ("storage", "claims"): ("master", "data", "nameNode", "dataNode", "app"),
    ("endpoints",): ("master", "compute", "webhdfs", "app", "gateway"),
}

RULES: tuple[Callable[[ClusterSpec], Iterator[Finding]], ...] = (
    replication_needs_datanodes,
    ports_differ,
    bind_is_safe,
    gateway_has_an_address,
    certificate_has_key,
    databases_differ,
    spark_settings_are_free,
    kubernetes_names_are_known,
    exposed_master_has_tls,
    ingress_is_for_http,
    *DIRECTORY_RULES,
)


def _field(owner: str) -> str:
    """The field of ``spec.ports`` that decides the port of ``owner``."""
    if owner.endswith(" flight"):
        return "flight"
    for prefix, field in (("compute-", "compute"), ("data-", "data"), ("storage-", "datanode")):
        if owner.startswith(prefix):
            return field
    return owner
