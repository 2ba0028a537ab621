"""Floating point as PostgreSQL prints it (``extra_float_digits`` >= 1): the shortest digits that read back the same.

Arrow's cast finds the same digits, but differs in three ways, each put right for just the rows concerned:
where the exponent starts to be shown, how many digits it has, and which digits are meant when the shortest ones lie exactly
between two floats (PostgreSQL does not rely on how such a tie is rounded by the reader).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from virtualization.encoding.strings import AnyArray, BinaryArray, Integers, Mask, pc, values

Floats = npt.NDArray[np.floating[Any]]
_LOWEST_DECIMAL = -4
_ARROW_PLAIN = 1e10
"""Below it, and from 1e-6 on, Arrow shows no exponent."""


@dataclass(frozen=True)
class _Format:
    dtype: str
    bits: int
    """Of the significand."""
    first_exponent: int
    """From this power of ten on PostgreSQL shows an exponent."""
    powers: Floats
    """Powers of ten as floats of this format; the first is 10 ** lowest."""
    lowest: int
    exponents: BinaryArray
    """Their texts: ``e-05``, ``e+20``."""


@cache
def _format(dtype: str, bits: int, first_exponent: int, lowest: int, highest: int) -> _Format:
    texts = [f"e{'-' if power < 0 else '+'}{abs(power):02d}" for power in range(lowest, highest + 1)]
    powers = np.array([float(f"1e{power}") for power in range(lowest, highest + 1)]).astype(dtype)
    return _Format(dtype, bits, first_exponent, powers, lowest, pa.array(texts, pa.string()))


def _double() -> _Format:
    """Made on first use: Arrow imports pandas with the first array, if it is installed."""
    return _format("<f8", 53, 15, -324, 308)


def _single() -> _Format:
    return _format("<f4", 24, 6, -45, 38)


def double_text(column: AnyArray) -> BinaryArray:
    """float64 as PostgreSQL's float8out."""
    return _text(column, _double())


def single_text(column: AnyArray) -> BinaryArray:
    """float32 as PostgreSQL's float4out."""
    return _text(column, _single())


def _text(column: AnyArray, of: _Format) -> BinaryArray:
    numbers = values(column, of.dtype)
    sizes = np.abs(numbers)
    plain_end = min(_ARROW_PLAIN, 10.0**of.first_exponent)
    with np.errstate(invalid="ignore"):
        odd: Mask = ~((sizes == 0) | ((sizes >= of.powers[_LOWEST_DECIMAL - of.lowest]) & (sizes < plain_end)))
    text = pc.cast(pa.array(numbers), pa.string())
    if odd.any():
        where = pa.array(odd)
        text = pc.replace_with_mask(text, where, _odd(numbers[odd], text.filter(where), of))
    return text.cast(pa.binary())


def _odd(numbers: Floats, text: AnyArray, of: _Format) -> AnyArray:
    """The texts of numbers that Arrow shows in another way."""
    finite = np.isfinite(numbers)
    sizes = np.where(finite, np.abs(numbers), of.powers[0])
    power = np.searchsorted(of.powers, sizes, side="right") - 1
    exponent = power + of.lowest
    mantissa = pc.list_element(pc.split_pattern(pc.utf8_ltrim(text, "-"), "e"), 0)
    digits = pc.utf8_trim(pc.replace_substring(mantissa, ".", ""), "0")
    digits = pc.if_else(pa.array(finite), digits, pa.scalar("1"))
    shown = _with_exponent(digits, pa.array(power), of)
    for plain in np.unique(exponent[(exponent >= _LOWEST_DECIMAL) & (exponent < of.first_exponent)]):
        where = pa.array(exponent == plain)
        shown = pc.replace_with_mask(shown, where, _plain(digits.filter(where), int(plain) + 1))
    shown = pc.binary_join_element_wise(pc.if_else(pa.array(np.signbit(numbers)), "-", ""), shown, "")
    ties = _ties(sizes, digits, exponent, of) & finite
    if ties.any():
        shown = pc.replace_with_mask(shown, pa.array(ties), pa.array([_beside_tie(number, of) for number in numbers[ties]], pa.string()))
    if not finite.all():
        named = pc.if_else(pa.array(np.isnan(numbers)), "NaN", pc.if_else(pa.array(numbers > 0), "Infinity", "-Infinity"))
        shown = pc.if_else(pa.array(finite), shown, named)
    return shown


def _with_exponent(digits: AnyArray, power: AnyArray, of: _Format) -> AnyArray:
    first, more = pc.utf8_slice_codeunits(digits, 0, 1), pc.utf8_slice_codeunits(digits, 1)
    point = pc.if_else(pc.equal(more, ""), "", ".")
    return pc.binary_join_element_wise(first, point, more, of.exponents.take(power), "")


def _plain(digits: AnyArray, places: int) -> AnyArray:
    """Digits with the point after ``places`` of them (places > 0: numbers below 0.0001 have an exponent)."""
    whole = pc.utf8_rpad(pc.utf8_slice_codeunits(digits, 0, places), places, "0")
    more = pc.utf8_slice_codeunits(digits, places)
    return pc.binary_join_element_wise(whole, pc.if_else(pc.equal(more, ""), "", "."), more, "")


def _ties(sizes: Floats, digits: AnyArray, exponent: Integers, of: _Format) -> Mask:
    """Where the shown decimal may lie exactly between two floats: it then has one factor 2 less than the float's last bit."""
    number = pc.cast(digits, pa.int64()).to_numpy(zero_copy_only=False)
    length = pc.utf8_length(digits).to_numpy(zero_copy_only=False)
    twos = np.frexp((number & -number).astype(np.float64))[1] - 1 + exponent - (length - 1)
    last_bit = np.frexp(sizes)[1] - of.bits
    return np.asarray(twos == last_bit - 1)


def _beside_tie(number: np.floating[Any], of: _Format) -> str:
    """The shortest decimal strictly inside the interval of decimals that read as ``number`` (rare: one by one)."""
    exact = Fraction(float(number))
    last_bit = Fraction(2) ** (int(np.frexp(number)[1]) - of.bits)
    for precision in range(1, 18):
        shown = f"{float(number):.{precision - 1}e}"
        distance = Fraction(shown) - exact
        below = exact.numerator == 2 ** (exact.numerator.bit_length() - 1) and (distance < 0) == (exact > 0)
        if abs(distance) < last_bit / (4 if below else 2):
            break
    mantissa, _, power = shown.partition("e")
    sign, digits = ("-" if number < 0 else ""), mantissa.lstrip("-").replace(".", "").rstrip("0")
    if _LOWEST_DECIMAL <= int(power) < of.first_exponent:
        whole, more = digits[: int(power) + 1].ljust(int(power) + 1, "0"), digits[int(power) + 1 :]
        return sign + whole + ("." + more if more else "")
    return f"{sign}{digits[0]}{'.' + digits[1:] if digits[1:] else ''}e{'-' if int(power) < 0 else '+'}{abs(int(power)):02d}"
