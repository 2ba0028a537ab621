"""The cells of the matrix: what was tried, what is declared, what came. All wrong ones are told at the end of a test."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

FOLDER = "BDC_MATRIX_FOLDER"
"""Environment variable: a folder in which each part leaves its counts as JSON."""


@dataclass
class Cells:
    """Of one protocol."""

    name: str
    tried: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, cell: str, declared: str, found: str) -> None:
        """One of them: ``declared`` and ``found`` are words such as ``in``, ``401``, ``28P01``."""
        self.tried += 1
        if declared != found:
            self.wrong.append(f"{cell}: declared {declared}, found {found}")


@contextmanager
def cells(name: str, least: int) -> Iterator[Cells]:
    """Collect, leave the counts where they were asked for, and fail with all that is wrong. ``least``: so many cells there must be."""
    found = Cells(name)
    yield found
    if folder := os.environ.get(FOLDER):
        (pathlib.Path(folder) / f"{name}.json").write_text(json.dumps({"cells": found.tried, "wrong": found.wrong}))
    assert not found.wrong, f"{len(found.wrong)} of {found.tried} cells differ from what is declared:\n" + "\n".join(found.wrong[:40])
    assert found.tried >= least, f"only {found.tried} cells of {name}"
