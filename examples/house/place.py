"""The folder of one demonstration: everything of it is in there, and what a killed one left is removed by the next.

The cluster's OS users belong to the machine, so that a demonstration beside another one (or beside a cluster ``house`` of yours) takes
another name.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from console import BDC
from steps import RECORD

BASE, PREFIX = Path("/var/tmp"), "openbdc-house-"
HELD = "held"
"""Locked as long as its demonstration runs."""


@contextmanager
def stage(spark: Path) -> Iterator[tuple[Path, str]]:
    """A folder for everything, the cluster's name, and the variables that keep ``bdc`` in the folder. What is left of the cluster is
    deleted."""
    leftovers()
    place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=BASE))
    place.chmod(0o755)  # the pools' OS users go through it
    with (place / HELD).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        cluster = free_name()
        os.environ |= {
            **variables(place),
            "BDC_PASSWORD": secrets.token_urlsafe(12),
            "BDC_SPARK_PYTHON": str(spark.resolve() / "bin/python"),
            "HOUSE_DATA": str(place / "legacy" / "raw"),
            RECORD: str(place / "steps.jsonl"),
        }
        for name in ("BDC_CONTEXT", "PGDATABASE", "SPARK_REMOTE", "MLFLOW_TRACKING_URI"):
            os.environ.pop(name, None)
        (place / "work").mkdir()
        try:
            yield place, cluster
        finally:
            remove(place)


def variables(place: Path) -> dict[str, str]:
    """What keeps ``bdc`` in this folder."""
    return {"BDC_HOME": str(place / "home"), "BDC_CONFIG": str(place / "config")}


def free_name() -> str:
    """``house``, or the first of ``house-2``, … that no OS user of a cluster has."""
    taken = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for number in count(1) if f"bdc-{(name := 'house' if number == 1 else f'house-{number}')}-control" not in taken)


def leftovers() -> None:
    """Remove what killed demonstrations left: their clusters with OS users and processes, and their folders."""
    for place in BASE.glob(f"{PREFIX}*"):
        try:
            held = (place / HELD).open("a")
        except OSError:  # somebody else's, or one that is just beginning
            continue
        with held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # it runs
            print(f"house: removing what a demonstration left that was killed: {place}", flush=True)
            remove(place)
            for process in processes(place):
                os.kill(process, signal.SIGTERM)


def remove(place: Path) -> None:
    """Delete its cluster, if there is one, and then the folder, which stays where the cluster does: only it tells what runs."""
    clusters = place / "home/clusters"
    for cluster in clusters.glob("*/"):
        subprocess.run([BDC, "delete", cluster.name, "--yes"], env=os.environ | variables(place), check=False)
    if not any(clusters.glob("*/")):
        shutil.rmtree(place, ignore_errors=True)


def processes(place: Path) -> list[int]:
    """Those whose environment or command line names a folder, this one excepted."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(place).encode() in (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue  # it ended in the meantime
    return [process for process in found if process != os.getpid()]
