"""``k8s-create``: seconds from the custom resource applied to all ready, on a real node that has the images, and of its deletion."""

from __future__ import annotations

import time

from benchmarks.report import Figure, Report, median
from tests.services.kubernetes import Node
from tests.services.kubernetes.product import Json, product

SPEC: Json = {"profile": "kubernetes", "kubernetes": {"storage": {"onDelete": "delete"}}}
"""Everything that the profile brings: master, compute, two shards, NameNode, two DataNodes."""


def run(rounds: int | None) -> Report:
    """Apply and delete; the controller is installed once."""
    ready, gone = [], []
    with Node() as node, product(node, "create") as place:
        place.install()
        for _ in range(rounds or 3):
            began = time.perf_counter()
            place.apply(SPEC)
            place.wait_ready(600)
            ready.append(time.perf_counter() - began)
            began = time.perf_counter()
            place.kubectl("delete", "bigdatacluster", place.name, "--timeout=300s", seconds=320)
            place.until(lambda: not place.get("pods", "-l", "openbdc.dev/cluster")["items"], "all pods are gone")
            gone.append(time.perf_counter() - began)
    return Report(
        "k8s-create",
        (Figure("ready_s", median(ready), "s", "<= 60"), Figure("delete_s", median(gone), "s")),
        ("ready after " + ", ".join(f"{s:.1f}" for s in ready) + " s; gone after " + ", ".join(f"{s:.1f}" for s in gone) + " s",),
        {"rounds": len(ready)},
    )
