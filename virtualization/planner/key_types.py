"""Types whose values can be compared as keys, on whatever side: what equality means is the same everywhere, also through a third one."""

from __future__ import annotations

from virtualization.types import PgType, pg_type

_INTEGERS = ("smallint", "integer", "bigint")
_TEXTS = ("text", "character varying")
_ALONE = ("date", "timestamp without time zone", "timestamp with time zone")


def comparable(giver: PgType, taker: PgType) -> bool:
    """Is a value of ``giver``'s type, written as PostgreSQL writes it, equal to one of ``taker``'s exactly when SQL's ``=`` says so?

    Not character(n), whose blanks don't count, nor floating point (NaN, -0), nor what travels as text (numerics without a scale, uuid)."""
    if giver.array or taker.array:
        return False
    if giver.name in _INTEGERS or giver.name == taker.name == "numeric":
        exact = taker.name in _INTEGERS or (taker.name == "numeric" and not taker.travels_as_text)
        return exact and (giver.name in _INTEGERS or not giver.travels_as_text)
    if giver.name in _TEXTS:
        return taker.name in _TEXTS
    return giver.name == taker.name and giver.name in _ALONE


def same_kind(giver: str, taker: str) -> bool:
    """``comparable`` for types as ``format_type`` prints them."""
    return comparable(pg_type(giver), pg_type(taker))
