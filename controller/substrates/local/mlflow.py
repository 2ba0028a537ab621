"""Which MLflow this machine has: the one in the folder that the spec names, else in the folder of artifacts.

It has an environment of its own always: it wants an older Arrow than the cluster, and is larger than the rest together.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from controller.spec import ClusterSpec
from controller.substrates.local.programs import ProgramMissingError, artifacts

OLDEST = (3, 5)
"""Served by uvicorn, which takes a Unix socket."""
WANTED = "mlflow>=3.13,<4"
PROBE = """
import importlib.metadata, json
names = {one.metadata["Name"] for one in importlib.metadata.distributions() if one.metadata["Name"]}
print(json.dumps(importlib.metadata.version("mlflow") if "mlflow" in names else None))
"""


def mlflow_folder(spec: ClusterSpec) -> Path:
    """Where its program is looked for."""
    given = spec.spec.pools.app.tracking.bin
    return Path(given) if given else artifacts() / "mlflow" / "bin"


def mlflow_program(spec: ClusterSpec) -> str | None:
    """Its path; None where tracking is off, or it is not there. A look at the disk, no more."""
    path = mlflow_folder(spec) / "mlflow"
    return str(path) if spec.spec.pools.app.tracking.enabled and os.access(path, os.X_OK) else None


def install_line(spec: ClusterSpec) -> str:
    """What brings it."""
    folder = mlflow_folder(spec).parent
    return f"python3 -m venv {folder} && {folder}/bin/pip install '{WANTED}' (800 MB), then bdc start"


def check_mlflow(spec: ClusterSpec) -> str:
    """Its version. ProgramMissingError with the line to run, where it is not there or too old."""
    path, hint = mlflow_folder(spec) / "mlflow", install_line(spec)
    if not os.access(path, os.X_OK):
        raise ProgramMissingError(f"MLflow is not installed: there is no program {path}", hint)
    python = path.with_name("python")
    try:
        done = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, timeout=30, check=True, cwd="/")
        version = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ProgramMissingError(f"{python} can't be asked for MLflow: {error}", hint) from error
    if version is None:
        raise ProgramMissingError(f"{path} is not the whole of MLflow (mlflow-skinny has no server)", hint)
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise ProgramMissingError(f"MLflow {version} in {path.parent} is too old; {'.'.join(map(str, OLDEST))} or newer is needed", hint)
    return str(version)
