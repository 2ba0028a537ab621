"""Read tickets that are used again: the same statement, but for the integers that go beside the ticket, as of the same state."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from virtualization.connectors.datapool.access import Sign

GOOD_SECONDS = 60.0
"""A ticket is used for so long: it ends minutes later (``pools.compute.engine.READ_SECONDS``)."""

KEPT = 16


class Tickets:
    """Of one fragment and those that are made from it (``with_text``). Thread-safe."""

    def __init__(self, sign: Sign) -> None:
        self.sign = sign
        self._known: dict[Hashable, tuple[float, str]] = {}

    def ticket(self, key: Hashable, claims: Callable[[], Mapping[str, Any]]) -> str:
        """Signed now or a moment ago; ``key`` names all that ``claims`` depends on."""
        now = time.monotonic()
        known = self._known.get(key)
        if known is None or known[0] < now:
            if len(self._known) >= KEPT:
                self._known.clear()
            known = self._known[key] = (now + GOOD_SECONDS, self.sign(claims()))
        return known[1]
