"""The checks, by name, in the order in which things have to be right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from controller.kubernetes.api import ApiError
from controller.kubernetes.doctor.ground import Ground
from controller.kubernetes.doctor.images import images
from controller.kubernetes.doctor.limits import quotas
from controller.kubernetes.doctor.network import clock, dns
from controller.kubernetes.doctor.nodes import nodes
from controller.kubernetes.doctor.probes import probes
from controller.kubernetes.doctor.rights import rights
from controller.kubernetes.doctor.storage import claims, storage_classes
from controller.kubernetes.doctor.versions import versions
from controller.operations.doctor import Check, Finding

ASKING: dict[str, Callable[[Ground], Iterator[Finding]]] = {
    "versions": versions,
    "rights": rights,
    "nodes": nodes,
    "storage class": storage_classes,
    "claims": claims,
    "quotas": quotas,
    "images": images,
    "probes": probes,
    "clock": clock,
}
"""Checks that ask the API server."""


def checks(ground: Ground) -> dict[str, Check]:
    """What ``bdc doctor`` adds to what holds on every substrate. Once the API server does not answer it is not asked again: one that hangs
    would take ten seconds each time."""
    away: list[ApiError] = []

    def asking(check: Callable[[Ground], Iterator[Finding]]) -> Iterator[Finding]:
        if away:
            raise away[0]
        try:
            yield from check(ground)
        except ApiError as error:
            if error.unreachable:
                away.append(error)
            raise

    return {**{name: partial(asking, check) for name, check in ASKING.items()}, "dns": lambda: dns(ground)}
