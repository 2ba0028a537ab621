"""The scenario's steps as the notebooks check them: what was expected, what was found, and what can't be had here.

Every line is printed as it comes and, where ``BDC_HOUSE_RECORD`` names a file, appended to it as JSON, so that ``demo.py`` can sum up.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

RECORD = "BDC_HOUSE_RECORD"


class StepError(AssertionError):
    """The figure is not the expected one."""


def check(step: int, what: str, expected: object, found: object, within: float | None = None) -> None:
    """Print and note it; StepError unless ``found`` is ``expected``, numbers up to ``within``."""
    fits = found == expected if within is None else abs(float(str(found)) - float(str(expected))) <= within
    shown = f"{expected}" if within is None else f"{expected} ± {within:g}"
    _note(step, what, f"expected {shown}, found {_short(found)}", "ok" if fits else "WRONG")
    if not fits:
        raise StepError(f"step {step}, {what}: expected {shown}, found {found}")


def measure(step: int, what: str, limit: float, found: float, *, least: bool = False) -> None:
    """A time or a ratio, which depends on what else the machine does: told, and named in the summary, but no error."""
    fits = found >= limit if least else found <= limit
    _note(step, what, f"expected {'≥' if least else '≤'} {limit:g}, found {found:.4g}", "ok" if fits else "missed")


def left_out(step: int, what: str, why: str) -> None:
    """What can't be shown here."""
    _note(step, what, why, "left out")


def recorded(path: Path) -> list[dict[str, str]]:
    """What was noted there."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _note(step: int, what: str, told: str, outcome: str) -> None:
    print(f"  step {step:>2}  {what}: {told}  {outcome}", flush=True)
    if RECORD in os.environ:
        with Path(os.environ[RECORD]).open("a") as file:
            file.write(json.dumps({"step": step, "what": what, "told": told, "outcome": outcome}) + "\n")


def _short(found: object) -> str:
    return f"{found:.4f}" if isinstance(found, float) else str(found)
