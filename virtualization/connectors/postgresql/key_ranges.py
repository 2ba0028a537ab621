"""Many keys of another source over several connections at once, in one exported snapshot: each connection looks for its share of them.

Rows of a statement whose column is among some keys are those of the keys' shares, each row in one: for whole numbers, of which no two that
differ are equal there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

import pyarrow as pa

from virtualization.connectors.postgresql import narrowing
from virtualization.connectors.postgresql.facts import Facts
from virtualization.plan import OutputColumn

FEWEST_KEYS = 10_000
"""Of one connection. An index finds so many in some 15 ms; several connections cost four more round trips."""


@dataclass(frozen=True)
class Keyed:
    """``text`` asked for ``keys`` of ``column``; ``again``: it was asked for keys of another column before. At most ``connections``."""

    text: str
    columns: Sequence[OutputColumn]
    column: str
    keys: Any = field(repr=False, compare=False)
    facts: Facts = field(repr=False, compare=False)
    again: bool
    connections: int

    at_once = True
    settings: ClassVar[Sequence[str]] = ()
    """See ``parallel.Scan``."""

    def facts_text(self) -> str:
        """See ``parallel.Scan``."""
        return "SELECT pg_export_snapshot() AS snapshot, 0::bigint AS pages"

    def statements(self, pages: int, connections: int) -> list[str]:
        """One per share; ``pages`` is not looked at."""
        return [narrowing.with_condition(self.text, self.columns, one, again=self.again) for one in self._conditions(connections)]

    def pays(self) -> bool:
        """Are there shares for several connections?"""
        return pa.types.is_integer(self.keys.type) and self._shares(self.connections) > 1

    def _shares(self, connections: int) -> int:
        return max(1, min(connections, len(self.keys) // FEWEST_KEYS))

    def _conditions(self, connections: int) -> list[str]:
        count = self._shares(connections)
        places = [len(self.keys) * number // count for number in range(count + 1)]
        shares = [self.keys.slice(low, high - low) for low, high in pairwise(places)]
        found = [narrowing.condition(self.columns, self.column, share, self.facts) for share in shares]
        assert None not in found, "the source was told all of these keys at once"
        return [one for one in found if one is not None]
