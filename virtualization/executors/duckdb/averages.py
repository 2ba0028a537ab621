"""avg of integers and numerics: DuckDB gives sum and count, the quotient is made here with the digits that PostgreSQL chooses.

PostgreSQL shows at least 16 significant digits, counted in groups of four (``select_div_scale`` in its numeric.c), so the number of
digits depends on the value. An average can be shown or passed through, but neither compared nor calculated with.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa

_SIGNIFICANT = 16
_GROUP = 4
_BASE = 10**_GROUP


def average_text(column: Any, scale: int) -> pa.Array[Any]:  # noqa: ANN401 Arrow's arrays of structs
    """``column``: structs of s (a decimal with this scale) and n. One Python step per group of the result."""
    sums, counts = column.field("s").to_pylist(), column.field("n").to_pylist()
    return pa.array([_quotient(total, count, scale) for total, count in zip(sums, counts, strict=True)], pa.string())


def _quotient(total: Decimal | None, count: int, scale: int) -> str | None:
    if total is None:
        return None
    sign, digits, _ = total.as_tuple()
    unscaled = int("".join(map(str, digits)))
    places = max(_SIGNIFICANT - _quotient_weight(unscaled, scale, count) * _GROUP, scale, 0)
    quotient, rest = divmod(unscaled * 10 ** (places - scale), count)
    quotient += 2 * rest >= count
    shown = str(quotient).rjust(places + 1, "0")
    minus = "-" if sign and quotient else ""
    return f"{minus}{shown[: len(shown) - places]}.{shown[len(shown) - places :]}" if places else minus + shown


def _quotient_weight(unscaled: int, scale: int, count: int) -> int:
    """In groups of four digits: how far before the point the quotient begins, as PostgreSQL estimates it."""
    fraction_groups = -(-scale // _GROUP)
    weight, first = _first_group(unscaled * 10 ** (fraction_groups * _GROUP - scale))
    count_weight, count_first = _first_group(count)
    estimate = (weight - fraction_groups if unscaled else 0) - count_weight
    return estimate - 1 if first <= count_first else estimate


def _first_group(number: int) -> tuple[int, int]:
    weight = 0
    while number >= _BASE:
        number //= _BASE
        weight += 1
    return weight, number
