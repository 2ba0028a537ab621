"""What a value of a document is as a value of a declared column: one definition, carried out by the server, for reading and for filters
and groups alike.

Each column has a *kind*; ``typed`` is the expression that gives a value of that kind, null for one that is missing or null, and for
anything else (a value of another type, or one that the type can't hold exactly) what the table's policy says: an error, or null.
No value is rounded, cut or reinterpreted: 5.0 is the integer 5, 5.5 is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from bson import Decimal128, Int64, MinKey

from virtualization.errors import DefinitionError
from virtualization.types import PgType, pg_type

Name = Literal["integer", "numeric", "double", "boolean", "text", "date", "timestamp", "bytes", "document"]
Expression = Any
"""An aggregation expression: what is between the brackets of JSON."""
Cases = Callable[[Expression, "Kind"], list[tuple[Expression, Expression]]]

ERROR, NULL, TEXT = "error", "null", "text"
POLICIES = (ERROR, NULL, TEXT)
STRANGER = {"$literal": MinKey()}
"""Stands for a value that does not fit, where they are counted."""

NOTHING_THERE = ["missing", "null", "undefined"]
"""Types of what is NULL."""

_WHOLE = ["int", "long"]
_NUMBERS = ["int", "long", "double", "decimal"]
_DAY = Int64(86_400_000)
_FIRST, _LAST = Int64(-210_866_803_200_000), Int64(9_223_372_036_854_774)
"""Milliseconds that a timestamp here holds: from 4714 BC (PostgreSQL) to 294247 (Arrow)."""
_EXACT_DOUBLE = 2.0**53
BITS = {"smallint": 15, "integer": 31, "bigint": 63}
DECIMAL_DIGITS = 34
"""Of a decimal of MongoDB (IEEE 754 decimal128)."""


@dataclass(frozen=True)
class Kind:
    """``of``: the declared type; ``raw``: values come as they are, and are shown as text here (documents, mixed texts); ``digits``: of a
    calculated numeric, all and after the point (its PostgreSQL type says none)."""

    name: Name
    of: PgType
    raw: bool = False
    digits: tuple[int, int] | None = None

    @property
    def shape(self) -> tuple[int, int] | None:
        """Of a numeric whose digits are known: all, and those after the point."""
        return self.digits or self.of.precision_and_scale

    @property
    def scale(self) -> int | None:
        """Digits after the point, where they are known."""
        return None if self.shape is None else self.shape[1]


def kind(declared: str, policy: str = ERROR) -> Kind:
    """Of a declared type; DefinitionError for one that documents have nothing for."""
    of = pg_type(declared)
    if not of.array:
        if of.name in ("text", "character varying"):
            return Kind("text", of, raw=policy == TEXT)
        if of.name in ("json", "jsonb", "uuid"):
            return Kind("document", of, raw=True)
        if of.name in _KINDS and (of.precision_and_scale is None or not of.travels_as_text):
            return Kind(_KINDS[of.name], of)
    known = ", ".join(sorted({*_KINDS, "text", "character varying(n)", "json", "jsonb", "uuid"}))
    raise DefinitionError(f'a column of a MongoDB collection can\'t be declared "{declared}"', hint=f"Types: {known}.")


_KINDS: dict[str, Name] = {
    "smallint": "integer", "integer": "integer", "bigint": "integer", "numeric": "numeric", "double precision": "double",
    "boolean": "boolean", "date": "date", "timestamp without time zone": "timestamp", "timestamp with time zone": "timestamp",
    "bytea": "bytes",
}  # fmt: skip


def typed(value: Expression, of: Kind, stranger: Expression | None, wire: bool = False) -> Expression:
    """``value`` as one of kind ``of``. ``stranger``: what one that does not fit becomes; None: the server ends the query (its error 40066).
    ``wire``: in the form that travels (see ``wired``)."""
    if of.raw:
        return value
    branches = [{"case": _is(value, NOTHING_THERE), "then": None}]
    branches += [{"case": case, "then": wired(then, of) if wire else then} for case, then in _cases(value, of)]
    return {"$switch": {"branches": branches, **({} if stranger is None else {"default": stranger})}}


def wired(value: Expression, of: Kind) -> Expression:
    """A typed value as it travels: decimals as text, dates as milliseconds (the driver knows no dates before 1 and after 9999)."""
    if of.name == "numeric":
        return {"$toString": value}
    if of.name in ("date", "timestamp"):
        return {"$toLong": value}
    return value


def _decimal(value: Decimal) -> Any:  # noqa: ANN401 a value of BSON
    return Decimal128(value)


def _is(value: Expression, types: list[str]) -> Expression:
    return {"$in": [{"$type": value}, types]}


def _cases(value: Expression, of: Kind) -> list[tuple[Expression, Expression]]:
    """(condition, value) of each form in which a value fits."""
    made: dict[str, Cases] = {
        "integer": _integer, "numeric": _numeric, "double": _double, "text": _text, "date": _date, "timestamp": _timestamp,
        "boolean": _as_it_is("bool"), "bytes": _as_it_is("binData"),
    }  # fmt: skip
    return made[of.name](value, of)


def _as_it_is(stored: str) -> Cases:
    return lambda value, of: [({"$eq": [{"$type": value}, stored]}, value)]


def _integer(value: Expression, of: Kind) -> list[tuple[Expression, Expression]]:
    bits = BITS[of.of.name]
    whole = {"$eq": [value, {"$trunc": value}]}
    held = [{"$gte": [value, Int64(-(2**bits))]}, {"$lt": [value, 2.0**bits]}]  # NaN is less than all, in the order of BSON
    # the driver and servers keep the width of a number: all become the same one, so that groups and minima do too
    return [({"$and": [_is(value, _NUMBERS), *held, whole]}, {"$toLong": value})]


def _numeric(value: Expression, of: Kind) -> list[tuple[Expression, Expression]]:
    shape = of.of.precision_and_scale
    exact: list[Expression] = [_is(value, ["int", "long", "decimal"])]
    doubles: list[Expression] = [
        {"$eq": [{"$type": value}, "double"]}, {"$gt": [value, -_EXACT_DOUBLE]}, {"$lt": [value, _EXACT_DOUBLE]},
        {"$eq": [value, {"$trunc": value}]},
    ]  # fmt: skip
    if shape is not None:
        limit = Decimal(10) ** (shape[0] - shape[1])
        held = [{"$gt": [value, _decimal(-limit)]}, {"$lt": [value, _decimal(limit)]}]
        exact += [*held, {"$eq": [value, {"$round": [value, shape[1]]}]}]
        doubles += held
    return [({"$and": exact}, {"$toDecimal": value}), ({"$and": doubles}, {"$toDecimal": {"$toLong": value}})]


def _double(value: Expression, of: Kind) -> list[tuple[Expression, Expression]]:
    made = {"$convert": {"input": value, "to": "double", "onError": None, "onNull": None}}
    fits = {"$and": [_is(value, ["int", "long", "decimal"]), {"$ne": [made, None]}]}
    return [({"$eq": [{"$type": value}, "double"]}, value), (fits, made)]


def _text(value: Expression, of: Kind) -> list[tuple[Expression, Expression]]:
    length = of.of.typmod - 4 if of.of.typmod >= 0 else None
    text: Expression = {"$eq": [{"$type": value}, "string"]}
    if length is not None:
        text = {"$and": [text, {"$lte": [{"$strLenCP": value}, length]}]}
    cases = [(text, value)]
    if length is None or length >= 24:
        cases.append(({"$eq": [{"$type": value}, "objectId"]}, {"$toString": value}))
    return cases


def _held(value: Expression) -> list[Expression]:
    return [{"$eq": [{"$type": value}, "date"]}, {"$gte": [{"$toLong": value}, _FIRST]}, {"$lte": [{"$toLong": value}, _LAST]}]


def _timestamp(value: Expression, of: Kind) -> list[tuple[Expression, Expression]]:
    return [({"$and": _held(value)}, value)]


def _date(value: Expression, of: Kind) -> list[tuple[Expression, Expression]]:
    return [({"$and": [*_held(value), {"$eq": [{"$mod": [{"$toLong": value}, _DAY]}, 0]}]}, value)]
