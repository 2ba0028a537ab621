"""``footprint``: resident memory of all pools, idle, shared pages counted once (proportional set size)."""

from __future__ import annotations

import re
import time
from pathlib import Path

from benchmarks.report import Figure, Report
from tests.services import cluster as stage

SETTLE_SECONDS = 10


def proportional_mb(pid: int) -> float:
    """The process's share of memory: private pages, and its part of the shared ones; 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def workload_of(pid: int) -> str:
    """The name of the workload that a process belongs to."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return "ended"
    found = re.search(rb"OPENBDC_WORKLOAD=([^\0]+)", environment)
    return found[1].decode() if found else "supervisor"


def children() -> dict[int, list[int]]:
    """Of every process of the machine."""
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it ended in the meantime
            found.setdefault(parent, []).append(int(entry.name))
    return found


def measure(place: stage.Stage) -> dict[str, float]:
    """MiB per workload. PostgreSQL's backends overwrite their environment: they are counted as children of their server."""
    sums: dict[str, float] = {}
    below, marked = children(), set(place.processes())
    counted: set[int] = set()
    for pid in marked:
        name = workload_of(pid)
        family = [pid]
        while family:
            one = family.pop()
            if one not in counted:
                counted.add(one)
                sums[name] = sums.get(name, 0.0) + proportional_mb(one)
                family += [child for child in below.get(one, []) if child not in marked]
    return sums


def run(rounds: int | None) -> Report:
    """Create a cluster, let it settle, add up."""
    with stage.cluster() as place:
        time.sleep(SETTLE_SECONDS)
        sums = measure(place)
    lines = tuple(f"{name:<20} {mb:8.1f} MiB" for name, mb in sorted(sums.items(), key=lambda item: -item[1]))
    return Report(
        "footprint",
        (Figure("rss_mb", sum(sums.values()), "MiB", "<= 1200"),),
        lines,
        {"workloads": {n: round(v, 1) for n, v in sums.items()}},
    )
