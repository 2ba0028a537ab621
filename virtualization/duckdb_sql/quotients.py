"""Quotients of sums, averages above all: DuckDB gives dividend and divisor, the quotient is made here with PostgreSQL's digits.

PostgreSQL shows at least 16 significant digits, counted in groups of four (``select_div_scale`` in its numeric.c), so the number of
digits depends on the value. A quotient can be shown, rounded, ordered by, and compared with constants and other values; for the two
latter it becomes a text whose byte order is the order of numbers. Nothing is calculated with it.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

import pyarrow as pa

_SIGNIFICANT = 16
_GROUP = 4
_BASE = 10**_GROUP
_EXACT = Context(prec=400)
_WHOLE_DIGITS = 80
_COMPLEMENT = str.maketrans("0123456789", "9876543210")

KEY_FUNCTION = "bdc_quotient_key"
"""DuckDB's name of ``keys``."""
NO_PLACES = -1


def quotient_text(column: Any, places: int | None) -> pa.Array[Any]:  # noqa: ANN401 Arrow's arrays of structs
    """``column``: structs of two decimals s and n (NULL as a whole). One Python step per row: groups, not rows of a table."""
    found = [None if one is None else _shown(one["s"], one["n"], places) for one in column.to_pylist()]
    return pa.array(found, pa.string())


def keys(dividends: Any, divisors: Any, places: Any) -> Any:  # noqa: ANN401 Arrow's arrays; DuckDB evaluates these annotations
    """Texts in the order of the quotients, equal where those are; operands as texts (called by DuckDB)."""
    rows = zip(dividends.to_pylist(), divisors.to_pylist(), places.to_pylist(), strict=True)
    made = [None if s is None or n is None else _key(Decimal(s), Decimal(n), None if to == NO_PLACES else to) for s, n, to in rows]
    return pa.array(made, pa.string())


def _shown(dividend: Decimal | None, divisor: Decimal | None, places: int | None) -> str | None:
    if dividend is None or divisor is None:
        return None
    text = quotient(dividend, divisor)
    return text if places is None else f"{_rounded(Decimal(text), places):f}"


def _rounded(value: Decimal, places: int) -> Decimal:
    """Half away from zero; a zero has no sign."""
    made = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)
    return made if made else abs(made)


def _key(dividend: Decimal, divisor: Decimal, places: int | None) -> str:
    text = _shown(dividend, divisor, places) or ""
    whole, _, fraction = text.lstrip("-").partition(".")
    digits = whole.rjust(_WHOLE_DIGITS, "0") + fraction.rstrip("0")
    return "0" + digits.translate(_COMPLEMENT) + "~" if text.startswith("-") else "1" + digits


def quotient(dividend: Decimal, divisor: Decimal) -> str:
    """As PostgreSQL's numeric division prints it; the scales of both are those that they are written with."""
    sign, unscaled, scale = _parts(dividend)
    divisor_sign, divisor_unscaled, divisor_scale = _parts(divisor)
    weight = _quotient_weight((unscaled, scale), (divisor_unscaled, divisor_scale))
    places = max(_SIGNIFICANT - weight * _GROUP, scale, divisor_scale, 0)
    shifted = places - scale + divisor_scale
    numerator = unscaled * 10 ** max(shifted, 0)
    denominator = divisor_unscaled * 10 ** max(-shifted, 0)
    value, rest = divmod(numerator, denominator)
    value += 2 * rest >= denominator
    shown = str(value).rjust(places + 1, "0")
    minus = "-" if sign != divisor_sign and value else ""
    return f"{minus}{shown[: len(shown) - places]}.{shown[len(shown) - places :]}" if places else minus + shown


def _parts(number: Decimal) -> tuple[int, int, int]:
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    return sign, int("".join(map(str, digits))), -exponent


def _quotient_weight(dividend: tuple[int, int], divisor: tuple[int, int]) -> int:
    """In groups of four digits: how far before the point the quotient begins, as PostgreSQL estimates it."""
    weight, first = _first_group(*dividend)
    other_weight, other_first = _first_group(*divisor)
    estimate = weight - other_weight
    return estimate - 1 if first <= other_first else estimate


def _first_group(unscaled: int, scale: int) -> tuple[int, int]:
    """The weight of the first group that is not zero, and its value; 0 and 0 for zero."""
    if not unscaled:
        return 0, 0
    groups = -(-scale // _GROUP)
    number = unscaled * 10 ** (groups * _GROUP - scale)
    weight = -groups
    while number >= _BASE:
        number //= _BASE
        weight += 1
    return weight, number
