"""PodDisruptionBudgets: a drain of nodes takes one shard, one DataNode, one compute replica at a time, and the master last of all."""

from __future__ import annotations

from controller.substrates.kubernetes.groups import Group
from controller.substrates.kubernetes.place import CLUSTER, ROLE, WORKLOAD, Json, Place

HELD = frozenset({"master", "compute", "data", "nmnode", "storage"})
"""Roles with a budget; jobs and Spark's servers go with the node."""


def budgets(group: Group, place: Place) -> tuple[Json, ...]:
    """One for each role, made with its first group, and one for each version of an app with several pods. At most one of a kind may be
    away: so drains go on, one by one, and are held up while another one is not back."""
    if group.main.replicas > 1:
        return (_budget(group, place, group.name, {WORKLOAD: group.name}),)
    if group.role not in HELD or not group.first:
        return ()
    return (_budget(group, place, group.role, {ROLE: group.role}),)


def _budget(group: Group, place: Place, name: str, like: dict[str, str]) -> Json:
    metadata = place.metadata(name, place.labels(group.main.pool, group.name))
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": {CLUSTER: place.cluster, **like}},
        # a pod that is not ready anyway keeps no drain waiting
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}
