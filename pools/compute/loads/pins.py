"""Pinned states: reads that name the same pin see one state of the data pool, however far apart they begin.

A Spark job's tasks read a table each on their own; what they share is a name (their query's number). The first of them to come decides
the state. A shard answers from an old state as long as it keeps it (``retention_seconds``, longer where nothing was compacted), and
says 72000 afterwards, so a pin needs no end of its own here.
"""

from __future__ import annotations

from collections import OrderedDict

from pools.compute.catalogs import Identity
from pools.compute.errors import StatementError
from virtualization.placement import ReadState

MOST_PINS = 100_000
"""The oldest is forgotten first: long after its reads have ended."""

LONGEST_PIN = 200


class Pins:
    """Of one replica, on its event loop; forgotten with it."""

    def __init__(self, most: int = MOST_PINS) -> None:
        self._most = most
        self._kept: OrderedDict[tuple[Identity, str], ReadState] = OrderedDict()

    def state(self, who: Identity, pin: object, now: ReadState | None) -> ReadState | None:
        """The pin's state: ``now`` where it has none yet. 22023 for what is no pin; without one (null) it is always ``now``."""
        if pin is None:
            return now
        if not isinstance(pin, str) or not 0 < len(pin) <= LONGEST_PIN:
            raise StatementError("22023", f"pin must be a text of 1 to {LONGEST_PIN} characters")
        if now is None:
            return self._kept.get((who, pin))
        state = self._kept.setdefault((who, pin), now)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return state
