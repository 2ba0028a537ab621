"""Which share of a column's values lies in a range, where its least and greatest value are known: they are taken to be spread evenly."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from contextlib import suppress

from sqlglot import exp

from virtualization.catalog import ColumnFacts

_BELOW: Mapping[type[exp.Expr], bool] = {exp.LT: True, exp.LTE: True, exp.GT: False, exp.GTE: False}
LEAST = 0.001
"""A range is never taken for empty: statistics are older than the rows."""


def place(text: str) -> float | None:
    """A number, date or timestamp on a line; None: it is none of these."""
    readers: tuple[Callable[[str], float], ...] = (float, lambda given: datetime.datetime.fromisoformat(given).timestamp())
    for read in readers:
        with suppress(ValueError, OverflowError, OSError):
            return read(text)
    return None


def upper_end(condition: exp.Expr) -> bool | None:
    """Does a comparison bound values from above (True) or below (False)? None: it is none of these."""
    return _BELOW.get(type(condition))


def within(condition: exp.Expr, facts: ColumnFacts) -> float | None:
    """The share that meets ``column < constant``, ``column BETWEEN a AND b`` and the like; None where that can't be told."""
    ends = [place(text) if text is not None else None for text in (facts.least, facts.greatest)]
    least, greatest = ends
    if least is None or greatest is None or greatest <= least:
        return None

    def below(node: exp.Expr | None) -> float | None:
        constant = _constant(node)
        return None if constant is None else min(1.0, max(0.0, (constant - least) / (greatest - least)))

    if isinstance(condition, exp.Between):
        low, high = below(condition.args.get("low")), below(condition.args.get("high"))
        return None if low is None or high is None else max(LEAST, high - low)
    side = _BELOW.get(type(condition))
    found = below(condition.expression) if side is not None else None
    return None if found is None else max(LEAST, found if side else 1 - found)


def _constant(node: exp.Expr | None) -> float | None:
    while isinstance(node, exp.Cast | exp.Paren):
        node = node.this
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
        return -float(node.this.name)
    return place(node.name) if isinstance(node, exp.Literal) else None
