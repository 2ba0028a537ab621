"""Service accounts: one for each pool, without a token and without rights. Nothing in a pool talks to Kubernetes."""

from __future__ import annotations

from controller.substrates.kubernetes.groups import Group
from controller.substrates.kubernetes.place import Json, Place
from controller.substrates.kubernetes.pods import account_name


def service_account(group: Group, place: Place) -> Json:
    """Of the group's pool; groups of one pool share it."""
    metadata = place.metadata(account_name(group), place.labels(group.main.pool))
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": False}
