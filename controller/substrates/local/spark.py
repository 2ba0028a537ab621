"""Which Spark this machine has: the pyspark of the cluster's own environment, or of the Python that ``BDC_SPARK_PYTHON`` names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from controller.substrates.local.programs import ProgramMissingError

OLDEST = (4, 1)
VARIABLE = "BDC_SPARK_PYTHON"
PROBE = """
import importlib.metadata, importlib.util, json
found = importlib.util.find_spec("pyspark")
home = list(found.submodule_search_locations)[0] if found else None
print(json.dumps({"home": home, "version": importlib.metadata.version("pyspark") if found else None}))
"""


@dataclass(frozen=True)
class Spark:
    """``home``: SPARK_HOME; ``python``: the interpreter of Python workers and jobs."""

    home: str
    python: str
    version: str


def spark() -> Spark:
    """The Spark that is there. ProgramMissingError with the line to run."""
    python = os.environ.get(VARIABLE) or sys.executable
    hint = (
        f"{python} -m pip install 'openbdc-cluster[spark]' (430 MB); or name a Python that has pyspark 4.3 in {VARIABLE}, then 'bdc start'"
    )
    try:
        # a process of its own: what was installed a moment ago is found
        done = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, timeout=30, check=True, cwd="/")
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ProgramMissingError(f"{python} can't be asked for Spark: {error}", hint) from error
    if not found["home"]:
        raise ProgramMissingError(f"Spark is not installed: {python} has no package pyspark", hint)
    numbers = tuple(int(part) for part in found["version"].split(".")[:2])
    if numbers < OLDEST:
        raise ProgramMissingError(f"pyspark {found['version']} of {python} is too old; 4.1 or newer is needed", hint)
    return Spark(found["home"], python, found["version"])


def spark_program(name: str) -> str:
    """``spark-home`` or ``spark-python``."""
    found = spark()
    if name == "spark-home":
        return found.home
    if name == "spark-python":
        return found.python
    raise ValueError(f"no program named {name}")
