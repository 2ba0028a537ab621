"""``cli``: processor time of ``bdc --help`` and of ``bdc status``."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

from benchmarks.report import Figure, Report, median
from tests.services import cluster as stage


def cpu_seconds(arguments: list[str], environment: dict[str, str]) -> float:
    """User and system time of one run of ``bdc``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([os.path.join(os.path.dirname(sys.executable), "bdc"), *arguments], env=environment, check=True, capture_output=True)  # noqa: PTH118, PTH120 - the virtual environment's link must stay unresolved
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def run(rounds: int | None) -> Report:
    """Alternate both commands against a running cluster."""
    spent: dict[str, list[float]] = {"--help": [], "status": []}
    with stage.cluster() as place:
        for _ in range(rounds or 15):
            for command, values in spent.items():
                values.append(cpu_seconds([command], place.environment))
    return Report(
        "cli",
        (
            Figure("help_cpu_s", median(spent["--help"]), "s", "<= 0.15"),
            Figure("status_cpu_s", median(spent["status"]), "s", "<= 0.35"),
        ),
        more={"rounds": rounds or 15},
    )
