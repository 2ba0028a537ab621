"""What a calculated value is, and what says how to calculate one: see ``expressions``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sqlglot import exp

from virtualization.connectors.mongodb.types import Expression, Kind
from virtualization.refusal import refuse
from virtualization.types import pg_type

TEXT = Kind("text", pg_type("text"))
BIGINT = Kind("integer", pg_type("bigint"))
_NUMERIC = pg_type("numeric")
_ALLOWED = frozenset({"this", "expression", "typed", "safe"})


@dataclass(frozen=True)
class Value:
    """An expression, and what it gives. ``literal``: the number as it was written, where it is a constant."""

    expression: Expression
    kind: Kind
    literal: str | None = None


class Values(Protocol):
    """Whoever knows the parts of an expression."""

    def value(self, node: exp.Expr) -> Value:
        """RefusedError for what is not calculated at the source."""
        ...


Handler = Callable[[Values, exp.Expr], Value]


def numeric(digits: int, scale: int) -> Kind:
    """A calculated numeric."""
    return Kind("numeric", _NUMERIC, digits=(digits, scale))


def check(node: exp.Expr, *more: str) -> None:
    """RefusedError where a call has parts that nobody looks at."""
    for name, value in node.args.items():
        if value and name not in _ALLOWED and name not in more:
            raise refuse(node, "not_on_list", f"the part {name}")


def of_kind(node: exp.Expr, value: Value, *names: str) -> Value:
    """RefusedError where it is of another kind."""
    if value.kind.name not in names:
        raise refuse(node, "type", f"{value.kind.of.text} is not calculated with at the source")
    return value
