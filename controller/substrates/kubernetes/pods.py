"""The pod template of a group."""

from __future__ import annotations

from controller.spec.kubernetes import Pods, Toleration
from controller.substrates.kubernetes.containers import container, preparing
from controller.substrates.kubernetes.groups import Group, digest
from controller.substrates.kubernetes.place import RESTART, ROLE, WORKLOAD, Json, Place
from controller.substrates.kubernetes.programs import IMAGES
from controller.substrates.kubernetes.volumes import volumes

SPREAD = {"preferred": "ScheduleAnyway", "required": "DoNotSchedule"}
STOP_MARGIN = 10
"""Seconds that a pod gets to end beyond what its workloads ask for."""


def pod_template(group: Group, place: Place, files: tuple[Json, ...]) -> Json:
    """``files``: the ConfigMaps that are mounted; other content makes a new pod."""
    pool = group.main.pool
    user = IMAGES[pool].user
    where = place.spec.pods.get(pool, Pods())
    spec: Json = {
        "serviceAccountName": account_name(group),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": round(max(workload.stop_seconds for workload in group.members)) + STOP_MARGIN,
        "restartPolicy": _restart_policy(group),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            # PostgreSQL refuses a folder that others may read, which a change of every file at each start would make
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **_containers(group, place),
        "volumes": volumes(group, place),
        **_placement(group, place, where),
    }
    if place.spec.images.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in place.spec.images.pull_secrets]
    if pool == "app":
        spec["shareProcessNamespace"] = True  # Kubernetes' own first process takes in what apps leave behind
    annotations = {RESTART: digest([file["data"] for file in files])}
    return {"metadata": {"labels": place.labels(pool, group.name, group.role), "annotations": annotations}, "spec": spec}


def account_name(group: Group) -> str:
    """One service account for each pool; none of them may do anything."""
    return f"openbdc-{group.main.pool}"


def _restart_policy(group: Group) -> str:
    if group.main.kind == "batch":
        return "Never"
    return "OnFailure" if group.main.kind == "job" else "Always"


def _containers(group: Group, place: Place) -> Json:
    """What has to be done before, sidecars among it, in the order of the members; then the main one."""
    before: list[Json] = []
    for workload in group.members:
        before += [preparing(step, workload, group, place) for step in workload.prepare]
        if workload is not group.main:
            before.append(container(workload, group, place))
    found: Json = {"containers": [container(group.main, group, place)]}
    return {"initContainers": before, **found} if before else found


def _placement(group: Group, place: Place, where: Pods) -> Json:
    found: Json = {}
    if where.node_selector:
        found["nodeSelector"] = where.node_selector
    if where.tolerations:
        found["tolerations"] = [_toleration(toleration) for toleration in where.tolerations]
    if where.spread != "none" and group.shape != "Job":
        alone = {} if group.main.role is None else {WORKLOAD: group.name}  # one app's pods don't care where those of others are
        like = {"matchLabels": {**place.labels(group.main.pool), ROLE: group.role, **alone}}
        rule = {"maxSkew": 1, "topologyKey": where.spread_by, "whenUnsatisfiable": SPREAD[where.spread], "labelSelector": like}
        found["topologySpreadConstraints"] = [rule]
    return found


def _toleration(given: Toleration) -> Json:
    return {name: value for name, value in given.model_dump(mode="json", by_alias=True).items() if value is not None}
