"""Where a cluster's objects go, and what all of them carry: namespace, labels, owner."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from controller.spec.kubernetes import Kubernetes

Json = dict[str, Any]

MANAGED_BY = "app.kubernetes.io/managed-by"
PART_OF = "app.kubernetes.io/part-of"
COMPONENT = "app.kubernetes.io/component"
CLUSTER = "openbdc.dev/cluster"
WORKLOAD = "openbdc.dev/workload"
ROLE = "openbdc.dev/role"
"""Label: what pods of one kind share (``data``, ``compute``, ``storage``): arrows and budgets select by it."""
CONTENT = "openbdc.dev/content"
"""Label of Jobs, annotation of all sets: digest of the group's manifests."""
RESTART = "openbdc.dev/restart"
"""Annotation of the pod template: digest of the files that are mounted, so that other content makes a new pod."""
OBJECTS = "openbdc.dev/objects"
"""Annotation of a set: what belongs to its group, and the digest of the fields of each that are ours (``ownership.py``)."""

MANAGER = "openbdc"


@dataclass(frozen=True)
class Place:
    """``version``: the tag of images where the spec names none; ``owner``: an owner reference to the custom resource; None in tests."""

    namespace: str
    cluster: str
    version: str
    owner: Json | None = None
    spec: Kubernetes = field(default_factory=Kubernetes)

    def labels(self, pool: str, group: str | None = None, role: str | None = None) -> dict[str, str]:
        """The labels of every object of ours; ``group``: of those that go with one pod group."""
        labels = {MANAGED_BY: MANAGER, PART_OF: self.cluster, COMPONENT: pool, CLUSTER: self.cluster}
        if group is not None:
            labels[WORKLOAD] = group
        if role is not None:
            labels[ROLE] = role
        return labels

    def metadata(self, name: str, labels: dict[str, str]) -> Json:
        """Of an object that goes when the custom resource goes."""
        owners = {"ownerReferences": [self.owner]} if self.owner else {}
        return {"name": name, "namespace": self.namespace, "labels": labels, **owners}

    def host(self, name: str) -> str:
        """The name under which a pod group is reached inside of the Kubernetes cluster."""
        return f"{name}.{self.namespace}.svc"


def role_of(group: str) -> str:
    """``data-1`` → ``data``, ``storage-0-1`` → ``storage``, ``spark-job-7`` → ``spark-job``."""
    return re.sub(r"(-[0-9]+)+$", "", group)
