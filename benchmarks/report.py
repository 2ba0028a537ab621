"""What a benchmark returns and how it is printed: a readable table, and as the last line one JSON object with stable keys."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """One measured value. ``reach`` is what it should reach, as text such as ``<= 15`` or ``>= 500000``; None: stated only."""

    key: str
    value: float
    unit: str
    reach: str | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Does the value reach what it should? None where nothing is asked."""
        if self.reach is None:
            return None
        sign, number = self.reach.split()
        return self.value <= float(number) if sign == "<=" else self.value >= float(number)


@dataclass(frozen=True)
class Report:
    """All figures of one benchmark, and lines of text that explain how they came about."""

    name: str
    figures: tuple[Figure, ...]
    lines: tuple[str, ...] = ()
    more: dict[str, object] = field(default_factory=dict)
    """Further keys of the JSON object: rounds, versions, peers' raw values."""

    def show(self) -> None:
        """Print it."""
        print(f"\n{self.name} on {machine()}")
        for line in self.lines:
            print(f"  {line}")
        for figure in self.figures:
            verdict = {None: "", True: "reached", False: "NOT reached"}[figure.reached]
            asked = f"(to reach: {figure.reach.replace('<=', '≤').replace('>=', '≥')}) {verdict}" if figure.reach else ""
            print(f"  {figure.key:<16} {figure.value:>14,.3f} {figure.unit:<8} {asked} {figure.note}".rstrip())
        print(json.dumps({"name": self.name, **{f.key: round(f.value, 4) for f in self.figures}, **self.more}))
        sys.stdout.flush()


def machine() -> str:
    """Cores, memory and Python, without names or addresses."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{os.cpu_count()} cores, {pages / 2**30:.0f} GiB, Python {platform.python_version()}, {platform.system()} {platform.release()}"


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0–1) of the values lie, nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]
