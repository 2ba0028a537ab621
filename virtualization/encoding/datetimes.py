"""Dates and times as PostgreSQL prints them with DateStyle ISO."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pyarrow as pa

from virtualization.encoding.strings import (
    AnyArray,
    BinaryArray,
    Bytes,
    Integers,
    Mask,
    fixed,
    masked,
    pc,
    two_digits,
    values,
    write_digits,
)
from virtualization.encoding.zones import MICROSECONDS, local_offsets
from virtualization.errors import DataError

DAY_MICROSECONDS = 86_400 * MICROSECONDS
FIRST_DAY, LAST_DAY = -2_440_588, 2_145_042_540  # PostgreSQL's dates: 4713-11-24 BC (the Julian day 0) to 5874897-12-31
FIRST_MOMENT = -210_866_803_200_000_000
"""PostgreSQL's first timestamp, 4713-11-24 BC, in microseconds since 1970; its last one is beyond Arrow's."""
_TABLE_START, _TABLE_DAYS = -25_567, 80_354  # 1900 to 2119
DAY_INFINITY, MOMENT_INFINITY = 2**31 - 1, 2**63 - 1


def date_text(column: AnyArray) -> BinaryArray:
    """date32 as ``2024-01-31``, ``0044-03-15 BC``, ``infinity``."""
    days = values(column, "<i4").astype(np.int64)
    endless = np.abs(days) >= DAY_INFINITY
    _check(((days < FIRST_DAY) | (days > LAST_DAY)) & ~endless, "date")
    matrix = np.full((len(days), 10), ord("-"), np.uint8)
    years = _write_date(matrix, np.where(endless, 0, days))
    return _finish(matrix, None, years, _signs(endless, days))


def timestamp_text(column: AnyArray) -> BinaryArray:
    """timestamp[us] as ``2024-01-31 12:00:00.5``."""
    moments = values(column, "<i8")
    return _timestamps(moments, moments, None)


def timestamptz_text(zone: str) -> Callable[[AnyArray], BinaryArray]:
    """An encoder of timestamp[us, UTC] as local time of ``zone`` with its offset: ``2024-01-31 13:00:00+01``."""

    def encode(column: AnyArray) -> BinaryArray:
        moments = values(column, "<i8")
        if zone.upper() in ("UTC", "GMT", "ETC/UTC"):
            return _timestamps(moments, moments, pa.scalar(b"+00", pa.binary()))
        finite = np.abs(moments) < MOMENT_INFINITY
        offsets = np.zeros(len(moments), np.int64)
        offsets[finite] = local_offsets(moments[finite], zone)
        distinct, at = np.unique(offsets, return_inverse=True)
        names = pa.array([_offset(int(seconds)) for seconds in distinct], pa.binary()).take(pa.array(at, pa.int64()))
        return _timestamps(moments, np.where(finite, moments + offsets * MICROSECONDS, moments), names)

    return encode


def time_text(column: AnyArray) -> BinaryArray:
    """time64[us] as ``12:00:00.5``; ``24:00:00`` is one of PostgreSQL's times."""
    moments = values(column, "<i8")
    _check((moments < 0) | (moments > DAY_MICROSECONDS), "time")
    matrix = np.empty((len(moments), 15), np.uint8)
    keep = _write_time(matrix, 0, moments)
    return fixed(matrix[:, :8]) if keep is None else masked(matrix, keep)


def _timestamps(moments: Integers, local: Integers, zone: AnyArray | pa.BinaryScalar | None) -> BinaryArray:
    endless = np.abs(moments) >= MOMENT_INFINITY
    _check((moments < FIRST_MOMENT) & ~endless, "timestamp")
    days, rest = np.divmod(np.where(endless, 0, local), DAY_MICROSECONDS)
    matrix = np.full((len(days), 26), ord("-"), np.uint8)
    years = _write_date(matrix, days)
    matrix[:, 10] = ord(" ")
    keep = _write_time(matrix, 11, rest)
    if keep is None:
        matrix = matrix[:, :19]
    return _finish(matrix, keep, years, _signs(endless, moments), zone)


def _write_date(matrix: Bytes, days: Integers) -> Integers:
    """Write ``YYYY-MM-DD`` into columns 0 to 9; returns the years (0 is 1 BC), which may not fit into the four digits."""
    if len(days) and days.min() >= _TABLE_START and days.max() < _TABLE_START + _TABLE_DAYS:
        texts, years = _table()
        matrix[:, :10] = texts[days - _TABLE_START]
        return years[days - _TABLE_START]
    return _compute_date(matrix, days)


@cache
def _table() -> tuple[Bytes, Integers]:
    """The texts and years of the days that nearly all data consists of."""
    matrix = np.full((_TABLE_DAYS, 10), ord("-"), np.uint8)
    return matrix, _compute_date(matrix, np.arange(_TABLE_START, _TABLE_START + _TABLE_DAYS))


def _compute_date(matrix: Bytes, days: Integers) -> Integers:
    shifted = days + 719_468  # days since 0000-03-01: years then end with February
    era, day_of_era = np.divmod(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    month = np.where(shifted_month < 10, shifted_month + 3, shifted_month - 9)
    years: Integers = year_of_era + era * 400 + (month <= 2)
    write_digits(matrix, 0, 4, np.clip(years, 0, 9_999))
    matrix[:, 5:7] = two_digits(month)
    matrix[:, 8:10] = two_digits(day_of_year - (153 * shifted_month + 2) // 5 + 1)
    return years


def _write_time(matrix: Bytes, first: int, moments: Integers) -> Mask | None:
    """Write ``HH:MM:SS.ffffff``; returns what to keep when there are fractions (trailing zeros go), else None."""
    seconds, fraction = np.divmod(moments, MICROSECONDS)
    minutes, second = np.divmod(seconds, 60)
    hour, minute = np.divmod(minutes, 60)
    for at, part in ((0, hour), (3, minute), (6, second)):
        matrix[:, first + at : first + at + 2] = two_digits(part)
    matrix[:, [first + 2, first + 5]] = ord(":")
    if not fraction.any():
        return None
    matrix[:, first + 8] = ord(".")
    write_digits(matrix, first + 9, 6, fraction)
    keep = np.ones(matrix.shape, np.bool_)
    keep[:, first + 8] = fraction != 0
    for digit in range(6):
        keep[:, first + 9 + digit] = fraction % 10 ** (6 - digit) != 0
    return keep


def _finish(
    matrix: Bytes, keep: Mask | None, years: Integers, signs: BinaryArray | None, zone: AnyArray | pa.BinaryScalar | None = None
) -> BinaryArray:
    """Strings of ``matrix`` with zone, years outside 1 to 9999, BC, and infinities (``signs``: their text, else NULL)."""
    common = ((years >= 1) & (years <= 9_999)).all()
    if common and zone is None:
        text = fixed(matrix) if keep is None else masked(matrix, keep)
    else:
        part = slice(0 if common else 4, None)
        rest = fixed(matrix[:, part]) if keep is None else masked(matrix[:, part], keep[:, part])
        pieces: list[AnyArray | pa.BinaryScalar] = [rest, *([] if zone is None else [zone])]
        if not common:
            shown = pc.cast(pa.array(np.where(years > 0, years, 1 - years)), pa.string())
            before = pc.if_else(pa.array(years > 0), pa.scalar(b""), pa.scalar(b" BC"))
            pieces = [pc.cast(pc.utf8_lpad(shown, 4, "0"), pa.binary()), *pieces, before]
        text = pc.binary_join_element_wise(*pieces, pa.scalar(b""))
    return text if signs is None else pc.coalesce(signs, text)


def _signs(endless: Mask, numbers: Integers) -> BinaryArray | None:
    if not endless.any():
        return None
    infinite = pc.if_else(pa.array(numbers > 0), pa.scalar(b"infinity"), pa.scalar(b"-infinity"))
    return pc.if_else(pa.array(endless), infinite, pa.scalar(None, pa.binary()))


def _offset(seconds: int) -> bytes:
    minutes, second = divmod(abs(seconds), 60)
    hour, minute = divmod(minutes, 60)
    shown = f"{'-' if seconds < 0 else '+'}{hour:02d}"
    if minute or second:
        shown += f":{minute:02d}"
    return (shown + (f":{second:02d}" if second else "")).encode()


def _check(outside: Mask, of: str) -> None:
    if outside.any():
        raise DataError(f"a {of} is outside PostgreSQL's range (row {int(outside.argmax())} of its batch)")
