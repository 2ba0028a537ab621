"""``app-create``: ``bdc app create`` until the version is ready, for an app that needs numpy and pandas: the first with its requirements,
whose environment is built, then others that find it there. Wheels lie in the package, so that no network is measured.
"""

from __future__ import annotations

import importlib.metadata
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.report import Figure, Report
from tests.apps.folders import python
from tests.services.cluster import Stage, cluster

NEEDED, ROUNDS = ("numpy", "pandas"), 5
CODE = """
import pandas

def run(n):
    return int(pandas.Series(range(n)).sum())
"""


def wheels(place: pathlib.Path) -> pathlib.Path:
    """A folder with the wheels of this environment's versions and of what they need, fetched once."""
    wanted = [f"{name}=={importlib.metadata.version(name)}" for name in NEEDED]
    pip = shutil.which("pip3") or sys.exit("this benchmark fetches wheels with pip3, which is not there")
    fetch = [pip, "download", "-q", "--only-binary", ":all:", "--python-version", ".".join(map(str, sys.version_info[:2]))]
    subprocess.run([*fetch, "-d", str(place), *wanted], check=True)
    return place


def package(folder: pathlib.Path, found: pathlib.Path, version: str) -> pathlib.Path:
    """A version with the wheels in it."""
    python(folder, CODE, "{n: int}", "{result: int}", "requirements: [numpy, pandas]")
    spec = folder / "spec.yaml"
    spec.write_text(spec.read_text().replace("version: v1", f"version: {version}"))
    (folder / "sample.json").write_text('{"n": 10}')
    shutil.copytree(found, folder / "wheels")
    return folder


def created(stage: Stage, folder: pathlib.Path) -> float:
    """Seconds of the command, which ends when the version is ready."""
    begun = time.monotonic()
    stage.bdc("app", "create", "-s", str(folder))
    return time.monotonic() - begun


def run(rounds: int | None) -> Report:
    """``rounds``: of those that find the environment there."""
    with tempfile.TemporaryDirectory(prefix="openbdc-app-create-") as temporary:
        place = pathlib.Path(temporary)
        found = wheels(place / "wheels")
        size = sum(path.stat().st_size for path in found.iterdir()) / 2**20
        with cluster() as stage:
            fresh = created(stage, package(place / "v0", found, "v0"))
            cached = [created(stage, package(place / f"v{one}", found, f"v{one}")) for one in range(1, (rounds or ROUNDS) + 1)]
    return Report(
        "app-create",
        (
            Figure("cached_s", statistics.median(cached), "s", "<= 5", f"the slowest {max(cached):.2f}"),
            Figure("fresh_s", fresh, "s", "<= 60", "once"),
        ),
        (f"numpy, pandas and what they need: {size:.0f} MB of wheels in the package; each version is called with its sample before Ready",),
        more={"rounds": len(cached), "wheels_mb": round(size, 1)},
    )
