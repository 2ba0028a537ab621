"""Values that are calculated from columns: expressions of the pipeline whose results are PostgreSQL's to the last digit.

What is in no table here stays here: doubles, quotients of numerics, whatever follows Unicode's tables or the session's time zone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from bson import Int64
from sqlglot import exp

from virtualization.binding.datatypes import type_name
from virtualization.connectors.mongodb import arithmetic, dates, texts
from virtualization.connectors.mongodb.conditions import Operand, Resolve
from virtualization.connectors.mongodb.constants import constant, mixed
from virtualization.connectors.mongodb.types import Expression, Kind, kind
from virtualization.connectors.mongodb.values import TEXT, Handler, Value, numeric
from virtualization.errors import DefinitionError
from virtualization.refusal import RefusedError, refuse
from virtualization.types import pg_type

T = TypeVar("T")
HANDLERS: Mapping[type[exp.Expr], Handler] = {**arithmetic.HANDLERS, **dates.HANDLERS, **texts.HANDLERS}


class Computed:
    """Fields that hold calculated values, beside those that ``resolve`` knows. ``prefix``: of their names."""

    def __init__(self, resolve: Resolve, prefix: str) -> None:
        self._operand = resolve
        self._prefix = prefix
        self._known: dict[str, Operand] = {}
        self._new: dict[str, Expression] = {}
        self._count = 0
        self.looked = 0
        """How often ``resolve`` gave a calculated field, new or not."""

    def resolve(self, node: exp.Expr) -> Operand | None:
        """For ``conditions``: an operand that is known, or a field for what can be calculated; None for all else."""
        node = node.unnest()
        found = self._operand(node)
        if found is not None or type(node) not in HANDLERS or node.find(exp.Column, exp.AggFunc, exp.Window) is None:
            return found
        key = node.sql("postgres")
        if key not in self._known:
            value = self.value(node)
            field = f"{self._prefix}{self._count}"
            self._count += 1
            self._new[field] = value.expression
            self._known[key] = Operand(field, value.kind)
        self.looked += 1
        return self._known[key]

    def attempt(self, make: Callable[[], T]) -> tuple[T, dict[str, Expression]]:
        """What ``make`` gives, and the fields that it needs and nobody needed before; those of a refusal are forgotten."""
        known = dict(self._known)
        try:
            made = make()
        except RefusedError:
            self._known, self._new = known, {}
            raise
        new, self._new = self._new, {}
        return made, new

    def value(self, node: exp.Expr) -> Value:
        """See ``values.Values``."""
        node = node.unnest()
        found = self._operand(node)
        if found is not None:
            if found.kind.raw:
                raise mixed(node)
            return Value(found.reference, found.kind)
        made = _constant(node)
        if made is not None:
            return made
        handler = HANDLERS.get(type(node))
        if handler is None:
            raise refuse(node, "not_on_list", f"{type(node).__name__} is not on the connector's list")
        return handler(self, node)


def _constant(node: exp.Expr) -> Value | None:
    sign, inner = ("-", node.this.unnest()) if isinstance(node, exp.Neg) else ("", node)
    if isinstance(inner, exp.Literal) and not inner.is_string:
        return _number(node, sign + str(inner.name))
    if isinstance(node, exp.Literal):
        return Value({"$literal": constant(node, TEXT)}, TEXT)
    if not isinstance(node, exp.Cast) or not isinstance(node.this.unnest(), exp.Literal | exp.Neg):
        return None
    try:
        of = kind(type_name(node.to))
    except DefinitionError:
        return None
    if of.name not in ("integer", "text", "date", "timestamp"):
        return None  # a numeric's digits would have to be those of the text
    made = constant(node, of)
    return Value({"$literal": made}, of, str(made) if of.name == "integer" else None)


def _number(node: exp.Expr, text: str) -> Value:
    digits = text.lstrip("-")
    if digits.isdigit() and int(digits) < 2**63:
        of = Kind("integer", pg_type("integer" if int(digits) < 2**31 else "bigint"))
        return Value(Int64(int(text)), of, text)
    whole, _, fraction = digits.partition(".")
    shape = numeric(len(whole) + len(fraction), len(fraction))
    return Value(constant(node, shape), shape, text)
