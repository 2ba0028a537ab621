"""Who gets in where, beside what is declared: the tests of ``tests/matrix``, run by pytest with the services they need, and counted."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import tempfile

from benchmarks.report import Figure, Report
from tests.matrix.cells import FOLDER

ROOT = pathlib.Path(__file__).parents[1]


def run(rounds: int | None) -> Report:
    """``rounds`` is not used: a matrix holds or does not."""
    import os

    del rounds
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/matrix"]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, FOLDER: folder}, capture_output=True, text=True, timeout=1800, check=False
        )
        parts = {path.stem: json.loads(path.read_text()) for path in sorted(pathlib.Path(folder).glob("*.json"))}
    if not parts or (done.returncode != 0 and not any(part["wrong"] for part in parts.values())):
        raise RuntimeError(f"the matrix did not run:\n{done.stdout[-4000:]}")
    tried = sum(part["cells"] for part in parts.values())
    wrong = [cell for part in parts.values() for cell in part["wrong"]]
    return Report(
        "matrix",
        (Figure("cells", tried, "cells", ">= 500"), Figure("wrong", len(wrong), "cells", "<= 0")),
        lines=tuple(f"{name}: {part['cells']} cells, {len(part['wrong'])} wrong" for name, part in parts.items()) + tuple(wrong),
    )
