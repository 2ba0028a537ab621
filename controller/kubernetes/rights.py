"""What the controller may do, as one list that people review: (API group, resource, verbs, names; no names: all).

The chart grants this and nothing else, a whole life of a cluster needs all of it (tests/helm), and ``bdc doctor`` looks whether it is
granted.
"""

from __future__ import annotations

from dataclasses import dataclass

Right = tuple[str, str, str, str]
"""(group, resource, verb, name or ``*``)."""


@dataclass(frozen=True)
class Grant:
    """``verbs`` and ``names``: words; ``names`` empty: every name. ``NAMESPACE`` and ``CLUSTER`` in a name are filled in."""

    group: str
    resources: str
    verbs: str
    names: str = ""

    def rights(self, namespace: str, cluster: str) -> set[Right]:
        """One by one."""
        names = [name.replace("NAMESPACE", namespace).replace("CLUSTER", cluster) for name in self.names.split()] or ["*"]
        return {(self.group, resource, verb, name) for resource in self.resources.split() for verb in self.verbs.split() for name in names}


IN_THE_NAMESPACE = (
    Grant("openbdc.dev", "bigdataclusters", "get list watch patch"),
    Grant("openbdc.dev", "bigdataclusters/status", "patch"),
    Grant("openbdc.dev", "bigdataclusters/finalizers", "update"),
    Grant("apps", "statefulsets deployments", "list watch create patch delete"),
    Grant("batch", "jobs", "list watch create patch delete"),
    Grant("", "services configmaps", "list create patch delete"),
    Grant("", "serviceaccounts", "list create patch"),
    Grant("networking.k8s.io", "networkpolicies ingresses", "list create patch delete"),
    Grant("policy", "poddisruptionbudgets", "list create patch delete"),
    Grant("", "persistentvolumeclaims", "list delete"),
    Grant("", "pods", "list watch"),
    Grant("", "pods/log", "get"),
    Grant("", "events", "list create"),
    Grant("", "resourcequotas limitranges", "list"),
    Grant("", "secrets", "create"),
    Grant("", "secrets", "get patch delete", "openbdc-secrets"),
    Grant("", "secrets", "get watch patch delete", "openbdc-store"),
    Grant("", "secrets", "get", "openbdc-admin"),
    Grant("", "namespaces", "get", "NAMESPACE"),
    Grant("coordination.k8s.io", "leases", "create"),
    Grant("coordination.k8s.io", "leases", "get update", "openbdc-CLUSTER"),
)
AROUND_IT = (
    Grant("apiextensions.k8s.io", "customresourcedefinitions", "create"),
    Grant("apiextensions.k8s.io", "customresourcedefinitions", "get patch", "bigdataclusters.openbdc.dev"),
)
FOR_THE_DOCTOR = (
    Grant("storage.k8s.io", "storageclasses", "list"),
    Grant("", "nodes", "list"),
)
"""Around the namespace, where the chart's value ``rbac.readCluster`` says so."""


def declared(grants: tuple[Grant, ...], namespace: str, cluster: str) -> set[Right]:
    """All of them."""
    return set().union(*(grant.rights(namespace, cluster) for grant in grants))
