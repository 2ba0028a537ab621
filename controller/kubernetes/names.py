"""Names of the objects that belong to the controller itself, and the labels that all objects of a cluster have."""

from __future__ import annotations

from controller.kubernetes.api import Json
from controller.spec.crd import GROUP

STORE = "openbdc-store"
SECRETS = "openbdc-secrets"  # (the name of a Secret)
ADMIN = "openbdc-admin"
CONTROLLER_SERVICE = "openbdc"
"""The Service in front of the controllers; the chart's."""
FINALIZER = f"{GROUP}/ordered-deletion"
DOCUMENT = f"{GROUP}/document"
"""Annotation with the text that `bdc apply` sent, comments included."""
STOPPED = f"{GROUP}/stopped"
"""Annotation of the resource: as long as it is there no pod of the pools runs; its value says why (`bdc stop`, `bdc backup`)."""
CLUSTER_LABEL = f"{GROUP}/cluster"
WORKLOAD_LABEL = f"{GROUP}/workload"
COMPONENT_LABEL = "app.kubernetes.io/component"


def lease_name(cluster: str) -> str:
    """Of the Lease that says which controller leads."""
    return f"openbdc-{cluster}"


def labels(cluster: str, component: str) -> dict[str, str]:
    """Of an object of ours; ``component``: the pool."""
    return {
        "app.kubernetes.io/managed-by": "openbdc",
        "app.kubernetes.io/part-of": cluster,
        COMPONENT_LABEL: component,
        CLUSTER_LABEL: cluster,
    }


def kept_metadata(name: str, namespace: str, cluster: str) -> Json:
    """Of an object that outlives the custom resource, as the volumes do: without its secrets they could not be read again."""
    return {"name": name, "namespace": namespace, "labels": labels(cluster, "control")}
