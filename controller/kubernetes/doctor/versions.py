"""Versions of Kubernetes, the definition of the resource, the chart and the controller against each other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from controller.kubernetes.api import Json, path_of
from controller.kubernetes.definition import BY_HAND
from controller.kubernetes.definition import PATH as DEFINITION
from controller.kubernetes.doctor.ground import Ground
from controller.operations.doctor import Finding, ok, problem, warning
from controller.spec.crd import VERSION, VERSION_ANNOTATION
from controller.substrates.kubernetes.substrate import CONTROLLER_PODS

LEAST = (1, 29)
"""CEL rules in definitions are generally available from here on."""
CHART = "helm.sh/chart"


def versions(ground: Ground) -> Iterator[Finding]:
    """One finding for each that does not fit; else one for all."""
    server, _ = ground.api.version()
    bad: list[Finding] = []
    if _numbers(server) < LEAST:
        bad.append(problem(f"Kubernetes {server} is older than {LEAST[0]}.{LEAST[1]}", "upgrade Kubernetes"))
    definition = ground.api.get(DEFINITION) or {}
    crd = (definition.get("metadata", {}).get("annotations") or {}).get(VERSION_ANNOTATION, "unknown")
    served = [entry["name"] for entry in definition.get("spec", {}).get("versions", ()) if entry.get("served")]
    if VERSION not in served:
        bad.append(problem(f"the CustomResourceDefinition of OpenBDC {crd} does not serve {VERSION}", BY_HAND))
    elif crd != ground.version:
        fix = "helm upgrade openbdc …, to have one version of all"
        bad.append(warning(f"the CustomResourceDefinition is of OpenBDC {crd}, this controller of {ground.version}", fix))
    controllers = ground.api.list(path_of("v1", "Pod", ground.namespace), selector=CONTROLLER_PODS)
    bad += _controllers(controllers, ground.version)
    yield from bad
    if not bad:
        charts = {_label(pod, CHART) for pod in controllers} or {"none"}
        yield ok(f"Kubernetes {server}, OpenBDC {ground.version} with its CustomResourceDefinition; chart: {', '.join(sorted(charts))}")


def _controllers(pods: list[Json], version: str) -> Iterator[Finding]:
    others = sorted({_label(pod, "app.kubernetes.io/version") for pod in pods} - {version, ""})
    if others:
        fix = "helm upgrade openbdc … with the chart of this version; kubectl rollout status deployment/openbdc"
        yield warning(f"the chart is of version {', '.join(others)}, this controller of {version}", fix)


def _label(pod: Json, name: str) -> str:
    return str((pod["metadata"].get("labels") or {}).get(name, ""))


def _numbers(version: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
