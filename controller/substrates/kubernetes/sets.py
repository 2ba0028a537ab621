"""What keeps a group's pod there: a StatefulSet, a Deployment or a Job, each with one pod, or with some that are alike."""

from __future__ import annotations

from controller.substrates.kubernetes.groups import Group
from controller.substrates.kubernetes.place import CLUSTER, CONTENT, WORKLOAD, Json, Place
from controller.substrates.kubernetes.volumes import claim_templates

RETRIES = 1000
"""Of a job's container: it is tried until it succeeds, with the pauses that Kubernetes makes."""


def workload_set(group: Group, place: Place, template: Json, content: str) -> Json:
    """``content``: digest of the group's manifests."""
    if group.shape == "Job":
        return _job(group, place, template, content)
    labels = place.labels(group.main.pool, group.name, group.role)
    metadata = {**place.metadata(group.name, labels), "annotations": {CONTENT: content}}
    spec: Json = {
        "replicas": group.main.replicas,
        "selector": {"matchLabels": {CLUSTER: place.cluster, WORKLOAD: group.name}},
        "template": template,
    }
    if group.shape == "StatefulSet":
        spec |= {
            "serviceName": group.name,
            # in the ordered way a pod that never gets ready would hold up its own replacement by a better one
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "revisionHistoryLimit": 3,
            "volumeClaimTemplates": claim_templates(group, place),
        }
    elif group.main.role is not None:
        # the next one takes calls before this one ends
        spec |= {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}, "revisionHistoryLimit": 3}
    else:
        # the history of queries and the keys of sessions are of one replica: never two of them
        spec |= {"strategy": {"type": "Recreate"}, "revisionHistoryLimit": 3}
    return {"apiVersion": "apps/v1", "kind": group.shape, "metadata": metadata, "spec": spec}


def job_name(group: Group, content: str) -> str:
    """A job that is done stays, and says by its name with which content; a batch runs once, whatever its content is."""
    return group.name if group.main.kind == "batch" else f"{group.name}-{content[:8]}"


def _job(group: Group, place: Place, template: Json, content: str) -> Json:
    labels = {**place.labels(group.main.pool, group.name, group.role), CONTENT: content}
    metadata = {**place.metadata(job_name(group, content), labels), "annotations": {CONTENT: content}}
    retries = 0 if group.main.kind == "batch" else RETRIES
    spec = {"backoffLimit": retries, "completions": 1, "parallelism": 1, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
