"""PodDisruptionBudgets: a drain of nodes takes one shard, one DataNode, one compute replica at a time, and the master last of all."""

from __future__ import annotations

from controller.substrates.kubernetes.groups import Group
from controller.substrates.kubernetes.place import CLUSTER, ROLE, Json, Place

HELD = frozenset({"master", "compute", "data", "nmnode", "storage"})
"""Roles with a budget; jobs and Spark's servers go with the node."""


def budgets(group: Group, place: Place) -> tuple[Json, ...]:
    """One for each role, made with its first group. At most one of a kind may be away: so drains go on, one by one, and are held up while
    another one is not back."""
    if group.role not in HELD or not group.first:
        return ()
    metadata = place.metadata(group.role, place.labels(group.main.pool, group.name))
    spec = {
        "maxUnavailable": 1,
        "selector": {"matchLabels": {CLUSTER: place.cluster, ROLE: group.role}},
        # a pod that is not ready anyway keeps no drain waiting
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return ({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec},)
