"""What is counted of each call: plain numbers of the event loop, no locks. Read in ``pools/app/metrics.py``."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

from pools.exposition import BOUNDS


@dataclass
class Tally:
    """Of one version.

    calls    those that were let in; ``refused``: those whose inputs were wrong, which no worker has seen
    errors   code → calls that failed with it
    runs     result → runs by its schedule that are over, or were missed
    counts   calls that are over by their seconds, the last one above all bounds; ``seconds``: their sum
    """

    calls: int = 0
    refused: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0
    runs: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Calls that failed."""
        return sum([*self.errors.values()])

    def fail(self, code: str) -> None:
        """One more."""
        self.errors[code] = self.errors.get(code, 0) + 1

    def ran(self, result: str, count: int = 1) -> None:
        """A run by its schedule is over; ``missed``: so many."""
        self.runs[result] = self.runs.get(result, 0) + count

    def took(self, seconds: float) -> None:
        """A call is over."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds
