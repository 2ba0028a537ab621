"""Decimals as PostgreSQL's numeric: as text with the full scale, and in its binary form of base-10000 digits."""

from __future__ import annotations

import re
import struct

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from virtualization.encoding.strings import AnyArray, BinaryArray, masked, pc, values
from virtualization.errors import DataError

BASE_DIGITS = 4
_BASE = 10**BASE_DIGITS
_LAST_PLAIN_SCALE = 6  # Arrow shows an exponent when the first digit is more than six places behind the point
_NEGATIVE, _NAN, _INFINITY, _MINUS_INFINITY = 0x4000, 0xC000, 0xD000, 0xF000
_SPECIAL = {"nan": (_NAN, 0), "infinity": (_INFINITY, 0x20), "-infinity": (_MINUS_INFINITY, 0x20)}
"""Signs and scales as PostgreSQL sends them."""
_NUMBER = re.compile(r"(-?)0*(\d*)(?:\.(\d*))?")


def decimal_text(column: AnyArray) -> BinaryArray:
    """decimal128(p, s) with all s digits behind the point."""
    scale = column.type.scale
    text = pc.cast(column, pa.string())
    if scale > _LAST_PLAIN_SCALE:
        exponent = pc.match_substring(text, "E")
        if pc.any(exponent).as_py():
            text = pc.replace_with_mask(text, exponent, _plain(column.filter(exponent), scale))
    return text.cast(pa.binary())


def _plain(column: AnyArray, scale: int) -> AnyArray:
    """Numbers below one, from their unscaled digits."""
    unscaled = pa.Array.from_buffers(pa.decimal128(38, 0), len(column), column.buffers(), offset=column.offset)
    shown = pc.cast(unscaled, pa.string())
    sign = pc.if_else(pc.starts_with(shown, "-"), "-0.", "0.")
    return pc.binary_join_element_wise(sign, pc.utf8_lpad(pc.utf8_ltrim(shown, "-"), scale, "0"), "")


def decimal_binary(column: AnyArray) -> BinaryArray:
    """decimal128(p, s), without nulls, as numeric_send gives it: no zero groups of digits at either end."""
    scale = column.type.scale
    groups, negative = _groups(column)
    fraction_groups = -(-scale // BASE_DIGITS)
    rows, width = groups.shape
    filled = groups != 0
    some = filled.any(1)
    first = np.where(some, filled.argmax(1), 0)
    end = np.where(some, width - filled[:, ::-1].argmax(1), 0)
    matrix = np.empty((rows, BASE_DIGITS + width), ">u2")
    matrix[:, 0] = end - first
    matrix[:, 1] = np.where(some, width - fraction_groups - 1 - first, 0).astype(np.int16).view(np.uint16)
    matrix[:, 2] = np.where(negative, _NEGATIVE, 0)
    matrix[:, 3] = scale
    matrix[:, 4:] = groups
    keep = np.ones(matrix.shape, np.bool_)
    places = np.arange(width)
    keep[:, 4:] = (places >= first[:, None]) & (places < end[:, None])
    return masked(matrix.view(np.uint8), np.repeat(keep, 2, axis=1))


def _groups(column: AnyArray) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    """The base-10000 digits of absolute values, aligned to the decimal point, and which are negative."""
    precision, scale = column.type.precision, column.type.scale
    halves = values(column, "<u8", 2)
    low, high = halves[0::2].copy(), halves[1::2].copy()
    negative = high >> np.uint64(63) != 0
    low[negative], high[negative] = ~low[negative] + np.uint64(1), ~high[negative] + (low[negative] == 0)
    limbs = [low] if not high.any() else _limbs(low, high)
    fraction_groups, partial = -(-scale // BASE_DIGITS), scale % BASE_DIGITS
    whole_groups = max(-(-(precision - scale) // BASE_DIGITS), 1)
    groups = np.zeros((len(low), whole_groups + fraction_groups), np.uint64)
    for place in range(groups.shape[1] - 1, -1, -1):
        short = partial if partial and place == groups.shape[1] - 1 else BASE_DIGITS
        limbs, rest = _divide(limbs, 10**short)
        groups[:, place] = rest * np.uint64(10 ** (BASE_DIGITS - short))
    return groups, negative


def _limbs(low: npt.NDArray[np.uint64], high: npt.NDArray[np.uint64]) -> list[npt.NDArray[np.uint64]]:
    """128 bits as four numbers of 32 bits, the highest first."""
    mask, shift = np.uint64(0xFFFFFFFF), np.uint64(32)
    return [high >> shift, high & mask, low >> shift, low & mask]


def _divide(limbs: list[npt.NDArray[np.uint64]], by: int) -> tuple[list[npt.NDArray[np.uint64]], npt.NDArray[np.uint64]]:
    divisor, shift = np.uint64(by), np.uint64(32)
    quotients = [limbs[0] // divisor]
    rest = limbs[0] - quotients[0] * divisor
    for limb in limbs[1:]:
        rest = (rest << shift) | limb
        quotients.append(rest // divisor)
        rest = rest - quotients[-1] * divisor
    return quotients, rest


def numeric_text_binary(column: AnyArray) -> BinaryArray:
    """The text of unconstrained numerics in binary form; value by value, because any number of digits may come."""
    return pa.array([None if text is None else _encode(text) for text in column.to_pylist()], pa.binary())


def _encode(text: str) -> bytes:
    special = _SPECIAL.get(text.lower())
    if special is not None:
        return struct.pack(">4H", 0, 0, *special)
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise DataError("a numeric value is not written as PostgreSQL writes one")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    scale = len(fraction)
    whole = whole.rjust(-(-len(whole) // BASE_DIGITS) * BASE_DIGITS, "0")
    digits = whole + fraction.ljust(-(-scale // BASE_DIGITS) * BASE_DIGITS, "0")
    groups = [int(digits[at : at + BASE_DIGITS]) for at in range(0, len(digits), BASE_DIGITS)]
    weight = len(whole) // BASE_DIGITS - 1
    while groups and groups[0] == 0:
        del groups[0]
        weight -= 1
    while groups and groups[-1] == 0:
        del groups[-1]
    if not groups:
        return struct.pack(">4H", 0, 0, 0, scale)
    return struct.pack(f">HhHH{len(groups)}H", len(groups), weight, _NEGATIVE if sign else 0, scale, *groups)
