"""All objects of a pod group. Pure: the same group and place give the same manifests."""

from __future__ import annotations

from dataclasses import dataclass

from controller.substrates.kubernetes.accounts import service_account
from controller.substrates.kubernetes.arrows import network_policy
from controller.substrates.kubernetes.budgets import budgets
from controller.substrates.kubernetes.config import config_maps
from controller.substrates.kubernetes.groups import Group, digest
from controller.substrates.kubernetes.place import Json, Place
from controller.substrates.kubernetes.pods import pod_template
from controller.substrates.kubernetes.services import exposed_ports, services
from controller.substrates.kubernetes.sets import workload_set


@dataclass(frozen=True)
class Manifests:
    """``around``: what the pod needs, applied before ``pods``, the set that makes it; ``content``: digest of all."""

    around: tuple[Json, ...]
    pods: Json
    content: str

    @property
    def all(self) -> tuple[Json, ...]:
        """In the order in which they are applied."""
        return (*self.around, self.pods)


def manifests(group: Group, place: Place) -> Manifests:
    """SubstrateError for what can't be said in a pod."""
    files = config_maps(group, place)
    template = pod_template(group, place, files)
    around = (
        service_account(group, place),
        *files,
        *services(group, place),
        network_policy(group, place, exposed_ports(group, place)),
        *budgets(group, place),
    )
    content = digest([*around, workload_set(group, place, template, "")])
    return Manifests(around, workload_set(group, place, template, content), content)


def name_of(manifest: Json) -> str:
    """``StatefulSet/data-0``."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"
