"""Conditions as stages, in an order in which each finds what it looks at.

Those that look at columns only come first: an error in a calculation is not wanted for rows that are none. The others keep their order, as
the first that needs a calculated value makes its field, and the later ones look at that field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from virtualization.connectors.mongodb.conditions import Filter, condition
from virtualization.connectors.mongodb.expressions import Computed
from virtualization.connectors.mongodb.types import Expression

Stage = dict[str, Any]


@dataclass(frozen=True)
class Filtered:
    """``fields`` are calculated for it; ``calculated``: it looks at such fields, made for it or for another before."""

    fields: dict[str, Expression]
    filter: Filter
    calculated: bool

    def stages(self) -> list[Stage]:
        """Of the pipeline."""
        return ([{"$set": self.fields}] if self.fields else []) + [{"$match": self.filter}]


def filtered(part: exp.Expr, computed: Computed) -> Filtered:
    """Where ``part`` is true; RefusedError."""
    before = computed.looked
    made, fields = computed.attempt(lambda: condition(part, computed.resolve))
    return Filtered(fields, made, calculated=computed.looked > before)


def plain_first(filters: Iterable[Filtered]) -> list[Filtered]:
    """In the order of their stages."""
    return sorted(filters, key=lambda one: one.calculated)
