"""The ranges that predicates leave, and whether a file whose statistics are known can hold a row inside of them."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlglot import exp

from virtualization.types import PgType

_INTEGERS = ("smallint", "integer", "bigint")
_READERS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(_INTEGERS, int), "numeric": Decimal, "text": str,
    "date": datetime.date.fromisoformat, "timestamp without time zone": datetime.datetime.fromisoformat,
}  # fmt: skip
"""Types whose values Parquet's and Delta's statistics order as PostgreSQL does. Not among them: floating point (statistics leave NaN
out, which PostgreSQL takes for the greatest), timestamps with a zone, and texts that the declared type changes."""


@dataclass(frozen=True)
class Range:
    """Values of ``column`` (its name in the table) from ``least`` to ``greatest``; None: no such end. NULL is never inside."""

    column: str
    least: Any = None
    greatest: Any = None


@dataclass(frozen=True)
class Bounds:
    """What statistics say of one column of one file: no value lies outside; ``none``: all are NULL."""

    least: Any = None
    greatest: Any = None
    none: bool = False


def ranges(predicate: exp.Expr, types: Mapping[str, PgType]) -> tuple[Range, ...]:
    """Ranges outside of which ``predicate`` (a conjunct that the reader takes) is not true; none where nothing is known."""
    node = predicate.unnest()
    if isinstance(node, exp.And):
        return (*ranges(node.this, types), *ranges(node.expression, types))
    if isinstance(node, exp.Between):
        return _range(node.this, node.args["low"], node.args["high"], types)
    if isinstance(node, exp.In) and node.expressions:
        found = [_range(node.this, value, value, types) for value in node.expressions]
        if all(found):
            told = [one[0] for one in found]
            return (Range(told[0].column, min(one.least for one in told), max(one.greatest for one in told)),)
        return ()
    return _comparison(node, types)


def range_of(column: str, of: PgType, values: Sequence[Any]) -> tuple[Range, ...]:
    """The range that holds ``values`` of a column, none where statistics can't be compared with them."""
    if not values or of.array or of.name not in _READERS:
        return ()
    return (Range(column, min(values), max(values)),)


def _comparison(node: exp.Expr, types: Mapping[str, PgType]) -> tuple[Range, ...]:
    if not isinstance(node, (exp.EQ, exp.LT, exp.LTE, exp.GT, exp.GTE)):
        return ()
    left, right = node.this.unnest(), node.expression.unnest()
    upwards = isinstance(node, (exp.GT, exp.GTE))
    if not isinstance(left, exp.Column):
        left, right, upwards = right, left, not upwards
    if isinstance(node, exp.EQ):
        return _range(left, right, right, types)
    return _range(left, right, None, types) if upwards else _range(left, None, right, types)


def _range(column: exp.Expr, least: exp.Expr | None, greatest: exp.Expr | None, types: Mapping[str, PgType]) -> tuple[Range, ...]:
    reader = _READERS.get(types[column.name].name) if isinstance(column, exp.Column) and not types[column.name].array else None
    if reader is None:
        return ()
    try:
        ends = [None if end is None else reader(_constant(end)) for end in (least, greatest)]
    except (ValueError, ArithmeticError):
        return ()  # a form that only the engine reads: nothing is skipped
    return (Range(column.name, *ends),)


def _constant(node: exp.Expr) -> str:
    """The text of a constant; ValueError for anything else."""
    node = node.unnest()
    if isinstance(node, exp.Cast):
        return _constant(node.this)
    if isinstance(node, exp.Neg):
        return "-" + _constant(node.this)
    if not isinstance(node, exp.Literal):
        raise ValueError("not a constant")  # noqa: TRY004 - as a text that is no number
    return str(node.this)


def may_hold(bounds: Bounds | None, asked: Range) -> bool:
    """Can a file have a row inside of ``asked``? Yes, where statistics say nothing that can be compared."""
    if bounds is None:
        return True
    if bounds.none:
        return False
    for least, greatest in ((asked.least, bounds.greatest), (bounds.least, asked.greatest)):
        if least is not None and greatest is not None and _comparable(least, greatest) and greatest < least:
            return False
    return True


def _comparable(one: Any, other: Any) -> bool:  # noqa: ANN401
    numbers = (int, Decimal)
    return type(one) is type(other) or (isinstance(one, numbers) and isinstance(other, numbers))
