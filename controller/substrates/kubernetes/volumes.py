"""Volumes of a pod, and where its containers see them. Each container has its own data, files and secrets; the pod shares ``{run}``."""

from __future__ import annotations

from pathlib import PurePosixPath

from controller.spec.kubernetes import Claim
from controller.substrates.kubernetes.arrows import VERSIONS
from controller.substrates.kubernetes.config import key_of
from controller.substrates.kubernetes.groups import Group
from controller.substrates.kubernetes.place import Json, Place
from controller.substrates.kubernetes.rendering import FOLDERS, TEMPORARY
from controller.workloads import POD_CERTIFICATE
from pools.workload import Workload

SECRETS = "openbdc-secrets"
"""The Secret that is the cluster's secret store."""
READABLE = 0o440
"""Of secrets: the pod's group, which is fsGroup, reads them."""
CERTIFICATE = str(PurePosixPath(POD_CERTIFICATE.certificate).parent)
CERTIFIED = frozenset({"gateway", "master"})
"""Pools whose pods show a customer's certificate, where there is one."""
SHARED_MEMORY = "512Mi"
"""For PostgreSQL's parallel workers; a container's own 64 MB end a large parallel hash join with an error."""
PROGRAMS_MAY = {"data": "10Gi", "tmp": "2Gi", "run": "256Mi", "logs": "256Mi"}
"""So much people's programs may write, each pod of theirs: above it the kubelet ends the pod, before the node's disk is full for all.
``data`` holds the package and what its requirements install. Nothing else of a pod can be written to."""
DATA_CLAIM = "data"
CLAIMS = {"master": "master", "data": "data", "nmnode": "nameNode", "storage": "dataNode", "app-proxy": "app"}
"""Role → key of ``spec.kubernetes.storage.claims``."""


def volumes(group: Group, place: Place) -> list[Json]:
    """Of the pod; the claim of a StatefulSet comes from its template."""
    found = [_empty(name, name, group) for name in ("run", "logs", "tmp")]
    if any(map(_shares_memory, group.members)):
        found.append({"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": SHARED_MEMORY}})
    if _certified(group.main, place):
        found.append({"name": "tls", "secret": {"secretName": place.spec.tls_secret, "defaultMode": READABLE}})
    for workload in group.members:
        if not _claimed(workload, group):
            found.append(_empty(_name(workload, "data"), "data", group))
        if workload.files:
            items = [{"key": key_of(file.path), "path": file.path} for file in workload.files]
            found.append({"name": _name(workload, "config"), "configMap": {"name": workload.name, "items": items}})
        if workload.secrets:
            kept = [{"key": secret.name, "path": secret.file} for secret in workload.secrets]
            source = {"secretName": SECRETS, "defaultMode": READABLE, "items": kept}
            found.append({"name": _name(workload, "secrets"), "secret": source})
    return found


def _empty(name: str, kind: str, group: Group) -> Json:
    """A folder that goes with the pod. ``kind``: of ``PROGRAMS_MAY``."""
    return {"name": name, "emptyDir": {"sizeLimit": PROGRAMS_MAY[kind]} if group.role == VERSIONS else {}}


def mounts(workload: Workload, group: Group, place: Place) -> list[Json]:
    """Of one container. All but data, run, logs and the temporary folder is read only."""
    data = DATA_CLAIM if _claimed(workload, group) else _name(workload, "data")
    found: list[Json] = [
        {"name": data, "mountPath": FOLDERS["data"]},
        {"name": "run", "mountPath": FOLDERS["run"]},
        {"name": "logs", "mountPath": FOLDERS["logs"]},
        {"name": "tmp", "mountPath": TEMPORARY},
    ]
    if _shares_memory(workload):
        found.append({"name": "shm", "mountPath": "/dev/shm"})  # noqa: S108 (where PostgreSQL makes it)
    if _certified(workload, place):
        found.append({"name": "tls", "mountPath": CERTIFICATE, "readOnly": True})
    if workload.files:
        found.append({"name": _name(workload, "config"), "mountPath": FOLDERS["config"], "readOnly": True})
    if workload.secrets:
        found.append({"name": _name(workload, "secrets"), "mountPath": FOLDERS["secrets"], "readOnly": True})
    return found


def claim_templates(group: Group, place: Place) -> list[Json]:
    """The claim of a StatefulSet. It has no owner: rows and files outlive the cluster."""
    if group.shape != "StatefulSet":
        return []
    storage = place.spec.storage
    wanted = storage.claims.get(CLAIMS.get(group.role, ""), Claim())
    name = wanted.storage_class or storage.storage_class
    spec: Json = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": wanted.size}}}
    if name is not None:
        spec["storageClassName"] = name
    labels = place.labels(group.main.pool, group.name)
    return [{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": DATA_CLAIM, "labels": labels}, "spec": spec}]


def claim_of(group: str) -> str:
    """The name of the claim that Kubernetes makes for a group's only pod."""
    return f"{DATA_CLAIM}-{group}-0"


def _certified(workload: Workload, place: Place) -> bool:
    return workload.pool in CERTIFIED and place.spec.tls_secret is not None


def _shares_memory(workload: Workload) -> bool:
    return workload.command[0] == "{program:postgres}"


def _claimed(workload: Workload, group: Group) -> bool:
    return group.shape == "StatefulSet" and workload is group.main


def _name(workload: Workload, what: str) -> str:
    return f"{workload.name}-{what}"
