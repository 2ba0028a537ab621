"""The chart as tests use it: rendered, installed into a namespace of their own."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.services.kubernetes import ControlPlane

CHART = Path(__file__).parent.parent.parent / "helm" / "openbdc"
CI = sorted((CHART / "ci").glob("*.yaml"))
MONITORING = ("servicemonitors", "prometheusrules")
_number = itertools.count(1)


@contextmanager
def namespace(kubernetes: ControlPlane) -> Iterator[str]:
    """A namespace that is asked to go at the end (nobody waits for it)."""
    name = f"chart-{os.getpid() % 10000}-{next(_number)}"
    kubernetes.kubectl("create", "namespace", name)
    try:
        yield name
    finally:
        kubernetes.kubectl("delete", "namespace", name, "--wait=false")


def render(kubernetes: ControlPlane, namespace: str, *words: str | Path) -> list[dict[str, Any]]:
    """The manifests."""
    text = kubernetes.run("helm", "template", "openbdc", CHART, "--kube-version", "1.35", "--namespace", namespace, *words)
    return [document for document in yaml.safe_load_all(text) if document]


def helm(kubernetes: ControlPlane, namespace: str, *words: str | Path) -> str:
    """helm in that namespace."""
    return kubernetes.run("helm", *words, "--namespace", namespace)


def kinds(documents: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """(kind, name) of manifests."""
    return {(document["kind"], document["metadata"]["name"]) for document in documents}
