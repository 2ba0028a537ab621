"""Progress events: one line per change of a workload's state or reason."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping


def write(event: Mapping[str, object]) -> None:
    """One JSON line on standard output. A reader that went away does not stop us: what was begun is finished."""
    try:
        sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stdout = open("/dev/null", "w", encoding="utf-8")  # noqa: SIM115, PTH123 - for the rest of this process


class Progress:
    """Tells each change once. ``seconds``: since this program began."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._told: dict[str, tuple[str, str]] = {}

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return round(time.monotonic() - self._begun, 2)

    def tell(self, workload: str, state: str, reason: str) -> None:
        """One event, unless it was the last one of this workload."""
        if self._told.get(workload) == (state, reason):
            return
        self._told[workload] = (state, reason)
        write({"event": "progress", "workload": workload, "state": state, "reason": reason, "seconds": self.seconds})

    def know(self, entries: Iterable[Mapping[str, object]]) -> None:
        """What is so already is no news: only what changes from here on is told."""
        for entry in entries:
            self._told[str(entry["name"])] = (str(entry["state"]), str(entry["reason"]))

    def tell_all(self, entries: Iterable[Mapping[str, object]]) -> None:
        """The entries of the supervisor's list."""
        for entry in entries:
            self.tell(str(entry["name"]), str(entry["state"]), str(entry["reason"]))
