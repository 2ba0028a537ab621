"""``create``: seconds from ``bdc create`` to ready with caches warm, and of ``bdc delete``."""

from __future__ import annotations

import time

from benchmarks.report import Figure, Report, median
from tests.services import cluster as stage


def run(rounds: int | None) -> Report:
    """Create and delete a cluster with every pool of profile local, HDFS included."""
    ready, gone = [], []
    with stage.folder() as place:
        for _ in range((rounds or 3) + 1):  # the first fills the caches of the operating system
            began = time.perf_counter()
            place.bdc("create", place.cluster)
            ready.append(time.perf_counter() - began)
            began = time.perf_counter()
            place.delete()
            gone.append(time.perf_counter() - began)
    later = ", ".join(f"{s:.1f}" for s in ready[1:])
    removed = ", ".join(f"{s:.1f}" for s in gone[1:])
    return Report(
        "create",
        (Figure("ready_s", median(ready[1:]), "s", "<= 15"), Figure("delete_s", median(gone[1:]), "s", "<= 5")),
        (f"first: {ready[0]:.1f} s; then {later} s; delete {removed} s",),
        {"rounds": len(ready) - 1},
    )
