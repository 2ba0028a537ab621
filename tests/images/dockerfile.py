"""Reads a Dockerfile into its instructions: as much of the grammar as ``images/`` uses."""

from __future__ import annotations

import pathlib
import re
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).parent.parent.parent
FOLDER = ROOT / "images"
NAMES = tuple(sorted(str(path.parent.relative_to(FOLDER)) for path in FOLDER.rglob("Dockerfile")))


@dataclass(frozen=True)
class Instruction:
    word: str
    """In capitals."""
    text: str
    """The rest, continued lines joined."""


def instructions(name: str) -> list[Instruction]:
    """Of the image ``name``."""
    lines = (FOLDER / name / "Dockerfile").read_text().splitlines()
    joined = re.sub(r"\\\n\s*", "", "\n".join(line for line in lines if not line.startswith("#")))
    return [Instruction(word.upper(), rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


def final_stage(name: str) -> list[Instruction]:
    """What makes the image itself."""
    found = instructions(name)
    begin = max(at for at, one in enumerate(found) if one.word == "FROM")
    return found[begin:]


def pins(lock: str) -> dict[str, set[str]]:
    """Package → versions (one per marker) of ``locks/<lock>.txt``."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)", (ROOT / f"locks/{lock}.txt").read_text(), re.MULTILINE
    ):
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), set()).add(version)
    return found
