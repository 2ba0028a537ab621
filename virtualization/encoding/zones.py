"""UTC offsets of a time zone, vectorised and also right after 2037, where compiled time zone data ends and only its rule goes on."""

from __future__ import annotations

import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa

from virtualization.encoding.strings import Integers, pc
from virtualization.errors import DataError

MICROSECONDS = 1_000_000
_DAY = 86_400
_RULE_START = datetime.datetime(2038, 1, 1, tzinfo=datetime.UTC)
_RULE_START_SECONDS = int(_RULE_START.timestamp())
_CYCLE_YEARS = 28  # within it every calendar (weekday of 1 January, leap or not) occurs
_FOUR_CENTURIES = 146_097 * _DAY


def local_offsets(utc: Integers, zone: str) -> Integers:
    """Seconds east of UTC for each of ``utc`` (microseconds since 1970); DataError for a zone that is not known here."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise DataError(f'time zone "{zone}" is not known to the pool', hint="Set TimeZone to a name of the IANA database.") from None
    seconds = utc // MICROSECONDS
    ruled = seconds >= _RULE_START_SECONDS
    compiled = pa.array(np.where(ruled, 0, seconds)).cast(pa.timestamp("s", "UTC")).cast(pa.timestamp("s", zone))
    local = pc.local_timestamp(compiled).cast(pa.int64()).to_numpy(zero_copy_only=False)
    offsets: Integers = local - np.where(ruled, 0, seconds)
    if ruled.any():
        offsets[ruled] = _by_rule(seconds[ruled], zone)
    return offsets


def _by_rule(seconds: Integers, zone: str) -> Integers:
    """Map each moment into a year of the cycle with the same calendar, and look its offset up there."""
    starts, offsets, years = _cycle(zone)
    moments = (seconds - _RULE_START_SECONDS) % _FOUR_CENTURIES + _RULE_START_SECONDS
    year = moments.astype("datetime64[s]").astype("datetime64[Y]")
    begin = year.astype("datetime64[s]").astype(np.int64)
    weekday = (begin // _DAY) % 7
    leap = ((year + 1).astype("datetime64[D]") - year.astype("datetime64[D]")).astype(np.int64) == 366
    moved = years[weekday, leap.astype(np.int64)] + moments - begin
    found: Integers = offsets[np.searchsorted(starts, moved, side="right") - 1]
    return found


@lru_cache(maxsize=64)
def _cycle(zone: str) -> tuple[Integers, Integers, Integers]:
    """Starts and offsets of the periods of constant offset in the cycle, and the cycle's years by (weekday, leap)."""
    info = ZoneInfo(zone)

    def offset(second: int) -> int:
        east = datetime.datetime.fromtimestamp(second, info).utcoffset()
        return 0 if east is None else int(east.total_seconds())

    end = int(_RULE_START.replace(year=_RULE_START.year + _CYCLE_YEARS).timestamp())
    starts, offsets = [_RULE_START_SECONDS], [offset(_RULE_START_SECONDS)]
    for day in range(_RULE_START_SECONDS + _DAY, end + _DAY, _DAY):
        if offset(day) == offsets[-1]:
            continue
        low, high = day - _DAY, day
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == offsets[-1] else (low, middle)
        starts.append(high)
        offsets.append(offset(day))
    years = np.zeros((7, 2), np.int64)
    for number in range(_RULE_START.year, _RULE_START.year + _CYCLE_YEARS):
        begin = int(_RULE_START.replace(year=number).timestamp())
        years[(begin // _DAY) % 7, int(number % 4 == 0)] = begin
    return np.array(starts), np.array(offsets), years
