"""Whether a cluster speaks TLS, and who in it has a certificate for which names. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable

from controller.spec import ClusterSpec
from pools.encryption import GIVEN, PREFIX
from pools.postgresql import is_loopback
from pools.workload import Workload

LOOPBACK = ("127.0.0.1", "::1", "localhost")
ENDING = ".crt"
PEOPLE = frozenset({"control", "gateway", "master-0"})
"""Those that people reach: they get the names of ``spec.security.tls.names`` too."""


def encrypted(spec: ClusterSpec, listen: str = LOOPBACK[0]) -> bool:
    """``listen``: where the pools listen (``Facts.listen``)."""
    wanted = spec.spec.security.tls.enabled
    if wanted is not None:
        return wanted
    network = spec.spec.network
    return not is_loopback(network.bind) or network.tls.certificate is not None


def named(workloads: Iterable[Workload]) -> tuple[str, ...]:
    """The names under which the authority makes certificates for these workloads."""
    found = {secret.name for workload in workloads for secret in workload.secrets if secret.name.startswith(PREFIX)}
    names = {name.removeprefix(PREFIX).removesuffix(ENDING) for name in found if name.endswith(ENDING)}
    return tuple(sorted(names - {"ca", GIVEN}))


def wanted(spec: ClusterSpec, workloads: Iterable[Workload], hosts: Callable[[str], Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Name → hosts of each certificate; ``hosts``: under which names the substrate makes a workload reachable."""
    more = spec.spec.security.tls.names
    return {name: tuple(dict.fromkeys((*hosts(name), *(more if name in PEOPLE else ())))) for name in named(workloads)}


def bound(spec: ClusterSpec, name: str) -> str:
    """The address on which the workload ``name``, which people reach, listens on one machine."""
    return (spec.spec.gateway.bind if name == "gateway" else None) or spec.spec.network.bind


def machine_hosts(bind: str, machine: Iterable[str]) -> tuple[str, ...]:
    """On one machine: loopback, and ``bind``; where that is any address, ``machine``: its names and addresses."""
    if is_loopback(bind):
        return tuple(dict.fromkeys((*LOOPBACK, bind)))
    if ipaddress.ip_address(bind).is_unspecified:
        return tuple(dict.fromkeys((*LOOPBACK, *machine)))
    return tuple(dict.fromkeys((*LOOPBACK, *(name for name in machine if not _address(name)), bind)))


def _address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
