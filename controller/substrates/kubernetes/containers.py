"""A workload as a container: command, environment, probes, resources, and what it may not do."""

from __future__ import annotations

import re
from math import ceil

from controller.spec.kubernetes import PodResources, Pods
from controller.substrates.kubernetes.groups import Group
from controller.substrates.kubernetes.place import Json, Place
from controller.substrates.kubernetes.programs import reference
from controller.substrates.kubernetes.rendering import FOLDERS, Filling, escaped
from controller.substrates.kubernetes.volumes import mounts
from pools.workload import Prepare, Probe, Workload

CONFINED: Json = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
PATIENCE = 10
"""A start may take so many times ``ready_seconds`` before it is given up and tried again: crash recovery and replays take their time."""
PREPARING = 'creates="$1" removes="$2"; shift 2; [ -e "$creates" ] && exit 0; [ -z "$removes" ] || rm -rf "$removes"; exec "$@"'
"""What ``prepare`` promises: nothing where it was done, and away with what a failed attempt left."""


ALONE = ("/usr/bin/flock", "--no-fork", "--timeout", "300")
"""Before PostgreSQL's command where it keeps something. Its own lock file names a process by its number, which in another pod means
nothing: after ``kubectl delete pod --force`` a second server would start on the folder while the first one still ends."""


def container(workload: Workload, group: Group, place: Place) -> Json:
    """The running container of a workload; beside the main one it is a sidecar that starts earlier and ends later."""
    filling = Filling(workload, place)
    found: Json = {"name": workload.name, **_common(workload, group, place), "command": _command(workload, group, filling)}
    if workload.ports:
        found["ports"] = [{"name": port.name, "containerPort": port.number, "protocol": "TCP"} for port in workload.ports]
    if workload.ready is not None:
        found |= _probes(workload.ready, workload, filling)
    if workload.stop_signal != "TERM":
        # Kubernetes sends TERM, which to PostgreSQL means: wait until all clients have left
        found["lifecycle"] = {"preStop": {"exec": {"command": ["/bin/sh", "-c", f"kill -{workload.stop_signal} 1"]}}}
    if workload is not group.main:
        found["restartPolicy"] = "Always"
    return found


def _command(workload: Workload, group: Group, filling: Filling) -> list[str]:
    command = filling.command(workload.command)
    if workload.command[0] == "{program:postgres}" and group.shape == "StatefulSet":
        return [*ALONE, f"{FOLDERS['data']}/lock", *command]
    return command


def preparing(step: Prepare, workload: Workload, group: Group, place: Place) -> Json:
    """A ``prepare`` step as an init container."""
    filling = Filling(workload, place)
    paths = [filling.text(step.creates), filling.text(step.removes or "")]
    command = ["/bin/sh", "-c", escaped(PREPARING), "prepare", *paths, *filling.command(step.command)]
    return {"name": preparing_name(workload, step), **_common(workload, group, place), "command": command}


def preparing_name(workload: Workload, step: Prepare) -> str:
    """``compute-0-scratch.initdb`` as a name: letters, digits and dashes."""
    return f"{workload.name}-{re.sub('[^a-z0-9]+', '-', step.name.lower()).strip('-')}"


def _common(workload: Workload, group: Group, place: Place) -> Json:
    images = place.spec.images
    filling = Filling(workload, place)
    environment = {"HOME": "/tmp", **workload.environment}  # noqa: S108 (an emptyDir; the root file system is read only)
    return {
        "image": reference(workload.pool, images, place.version),
        "imagePullPolicy": images.pull_policy,
        "env": [{"name": name, "value": escaped(filling.text(value))} for name, value in environment.items()],
        "volumeMounts": mounts(workload, group, place),
        "resources": _resources(workload, place.spec.pods.get(workload.pool, Pods()).resources),
        "securityContext": CONFINED,
    }


def _resources(workload: Workload, given: PodResources) -> Json:
    """Asked for: what it takes when little happens; the limit: a quarter above where it refuses or spills by itself."""
    size = workload.memory_mb
    requests = {"cpu": given.cpu_request or "100m", "memory": given.memory_request or f"{max(64, ceil((size or 256) / 4))}Mi"}
    limits = {
        "cpu": given.cpu_limit or (str(workload.cpus) if workload.cpus else None),
        "memory": given.memory_limit or (f"{ceil(size * 1.25) + 128}Mi" if size else None),
    }
    kept = {name: value for name, value in limits.items() if value is not None}
    return {"requests": requests, **({"limits": kept} if kept else {})}


def _probes(probe: Probe, workload: Workload, filling: Filling) -> Json:
    """No liveness probe: a server that is slow is not helped by being killed, and on one machine nobody does it either."""
    how = {**_how(probe, filling), "timeoutSeconds": ceil(probe.seconds)}
    return {
        "startupProbe": {**how, "periodSeconds": 1, "failureThreshold": ceil(workload.ready_seconds * PATIENCE)},
        "readinessProbe": {**how, "periodSeconds": 5, "failureThreshold": 3},
    }


def _how(probe: Probe, filling: Filling) -> Json:
    match probe.kind:
        case "exec":
            return {"exec": {"command": filling.command(probe.command)}}
        case "http" | "https":
            return {"httpGet": {"path": probe.path, "port": probe.port, "scheme": probe.kind.upper()}}
        case "tcp":
            return {"tcpSocket": {"port": probe.port}}
