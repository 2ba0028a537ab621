"""Which of a residual's edges become flows of keys, and in which order.

Small fragments are read first and give their keys to bigger ones, which then give theirs. A flow must pay: its giver has to be much
smaller than its taker, since the keys cost the taker's source work for each; a taker that is small itself is read in the time that
waiting for keys would take. Over a link that was measured the seconds decide: a thin one is worth more keys. ``forced`` (option
``pushdown`` of a table or source) tries a flow whatever is expected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlglot import exp

from virtualization.computed import Computed
from virtualization.plan import Fragment, KeyFlow, TakesKeys
from virtualization.planner.costs import Link, Moved, keys_pay
from virtualization.planner.key_types import same_kind
from virtualization.planner.keys import Edge, edges, reads
from virtualization.types import row_bytes

PAYS_BELOW = 0.3
"""A giver has to be expected to have fewer rows than this share of its taker's."""

SMALL_ROWS = 2_000.0
"""A taker with so few rows is read whole."""

FEWEST_KEYS = 1_000
"""So many are always told."""

DOUBT = 5.0
"""A giver may be expected to have so many times more rows than its taker takes keys: the estimate is a guess, and reading ends in time."""

TELLING_SHARE = 0.5
"""Keys that are more than this share of the values that the taker's column has leave out too little."""

FAN_OUT = 10.0
"""Rows of a taker per key, where nobody knows."""


@dataclass(frozen=True)
class Modes:
    """What somebody asked for: numbers of fragments that take keys whatever is expected, and of those that never do."""

    forced: frozenset[int] = frozenset()
    off: frozenset[int] = frozenset()


AS_IT_PAYS = Modes()


class Known(Protocol):
    """What is known of fragments, by number."""

    def distinct(self, number: int, column: str) -> float | None:
        """How many values a column has in its table; None: nobody knows."""
        ...

    def measured_link(self, number: int) -> Link | None:
        """The link to the source; None: nobody has measured it, or an engine reads the source itself."""
        ...


class Nothing:
    """A ``Known``."""

    def distinct(self, number: int, column: str) -> None:
        """Not known."""

    def measured_link(self, number: int) -> None:
        """Not known."""


NOTHING = Nothing()


def choose(
    query: exp.Expr,
    fragments: Sequence[Fragment],
    estimates: Sequence[float],
    modes: Modes = AS_IT_PAYS,
    known: Known = NOTHING,
) -> tuple[KeyFlow, ...]:
    """The flows among ``fragments`` that ``query``, the residual, allows."""
    read = reads(query)
    read_before = sum((reads(fragment.query) for fragment in fragments if isinstance(fragment, Computed)), Counter[int]())
    types = [{column.name: column.type for column in fragment.columns} for fragment in fragments]
    possible = [edge for edge in edges(query) if _possible(edge, fragments, types, (read + read_before)[edge.taker.fragment])]
    rows = dict(enumerate(estimates))
    flows: list[KeyFlow] = []
    waiting = {number for number in read if number in rows}
    while waiting:
        giver = min(waiting, key=lambda number: (rows[number], number))
        waiting.discard(giver)
        for edge in possible:
            taker = edge.taker.fragment
            if edge.giver.fragment != giver or taker not in waiting or taker in modes.off:
                continue
            most = _most(fragments[taker], rows[taker])
            moved, link = Moved(rows[taker], row_bytes(types[taker].values())), known.measured_link(taker)
            if taker in modes.forced or (_pays(rows[giver], moved, most, link) and _tells(edge, rows[giver], known)):
                flows.append(KeyFlow(giver, edge.giver.column, taker, edge.taker.column, most))
                rows[taker] = min(rows[taker], rows[giver] * FAN_OUT)
    return tuple(flows)


def _possible(edge: Edge, fragments: Sequence[Fragment], types: Sequence[dict[str, str]], read: int) -> bool:
    taker, giver = edge.taker, edge.giver
    if read != 1 or not isinstance(fragments[taker.fragment], TakesKeys):
        return False
    given, taken = types[giver.fragment].get(giver.column), types[taker.fragment].get(taker.column)
    return given is not None and taken is not None and same_kind(given, taken)


def _most(taker: Fragment, rows: float) -> int:
    """How many keys pay: of a taker of few rows, few."""
    return int(max(FEWEST_KEYS, min(taker.most_keys, rows * PAYS_BELOW))) if isinstance(taker, TakesKeys) else 0


def _pays(giver: float, taker: Moved, most: int, link: Link | None) -> bool:
    if giver > most * DOUBT:
        return False
    if link is None:
        return taker.rows > SMALL_ROWS and giver <= taker.rows * PAYS_BELOW
    return keys_pay(giver, taker, link)


def _tells(edge: Edge, rows: float, known: Known) -> bool:
    """Not all suppliers to whoever buys from one of them: ``rows`` of the giver have as many keys at most."""
    given, taken = (known.distinct(place.fragment, place.column) for place in (edge.giver, edge.taker))
    return taken is None or min(rows, rows if given is None else given) <= taken * TELLING_SHARE
