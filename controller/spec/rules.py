"""Rules that concern several fields of a spec; each is a function that yields ``(path, message, hint)``."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

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
    if network.tls.certificate is None or network.tls.key is None:
        yield (
            path,
            f"{network.bind} can be reached from other machines, and without TLS passwords and rows would cross the network in clear",
            "set network.tls.certificate and network.tls.key, or keep 127.0.0.1",
        )
    if spec.spec.pools.master.postgresql.bin is None:
        yield (
            path,
            "the PostgreSQL that comes with the product has no TLS, so the master must stay on loopback",
            "name a system PostgreSQL in pools.master.postgresql.bin, or keep 127.0.0.1",
        )


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


RULES: tuple[Callable[[ClusterSpec], Iterator[Finding]], ...] = (
    replication_needs_datanodes,
    ports_differ,
    bind_is_safe,
    certificate_has_key,
    databases_differ,
    spark_settings_are_free,
)


def _field(owner: str) -> str:
    """The field of ``spec.ports`` that decides the port of ``owner``."""
    if owner.endswith(" flight"):
        return "flight"
    for prefix, field in (("compute-", "compute"), ("data-", "data"), ("storage-", "datanode")):
        if owner.startswith(prefix):
            return field
    return owner
