"""A result of the master as an Arrow table, exact: types come from PostgreSQL's, values from its own text, nothing passes through floats.

| PostgreSQL | Arrow |
|---|---|
| boolean, smallint, integer, bigint, real, double precision | bool, int16, int32, int64, float32, float64 |
| numeric(p, s) | decimal128(p, s), from 39 digits on decimal256 |
| numeric | the same with as many digits as the values of this result need |
| date, time, timestamp | date32, time64[us], timestamp[us] |
| timestamp with time zone | timestamp[us, UTC] |
| bytea | binary |
| everything else (text, json, uuid, interval, arrays, …) | string, as PostgreSQL writes it |
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from bdc.errors import UserError

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

Column: TypeAlias = "pa.Array[Any]"
BOOL, BYTEA, TIME, NUMERIC = 16, 17, 1083, 1700
TYPES: dict[int, Any] = {
    20: pa.int64(), 21: pa.int16(), 23: pa.int32(), 26: pa.int64(), 700: pa.float32(), 701: pa.float64(),
    1082: pa.date32(), 1114: pa.timestamp("us"), 1184: pa.timestamp("us", "UTC"),
}  # fmt: skip
"""pg_type.dat's OIDs whose text Arrow's casts read as it is."""
MAX_DIGITS_128, MAX_DIGITS = 38, 76


def table(result: PGresult, first: int = 0) -> pa.Table:
    """The rows from number ``first`` on. UserError for a value that has no place in Arrow (NaN in a numeric, a date at infinity, …)."""
    names = [(result.fname(place) or b"?").decode() for place in range(result.nfields)]
    arrays = [_column(result, place, first, names[place]) for place in range(result.nfields)]
    return pa.Table.from_arrays(arrays, names=names)


def _column(result: PGresult, place: int, first: int, name: str) -> Column:
    raw = pa.array([result.get_value(row, place) for row in range(first, result.ntuples)], pa.binary())
    oid = result.ftype(place)
    try:
        return _SPECIAL[oid](raw, result.fmod(place)) if oid in _SPECIAL else pc.cast(raw.cast(pa.string()), TYPES.get(oid, pa.string()))
    except (pa.ArrowInvalid, ValueError) as error:
        raise UserError(
            f"the column {name!r} holds a value that Arrow has no place for",
            why=" ".join(str(error).split()),
            hint=f'cast it in the query, for example "{name}"::text or ::double precision',
        ) from error


def _bool(raw: Column, _modifier: int) -> Column:
    return pc.equal(raw, pa.scalar(b"t", pa.binary()))


def _bytes(raw: Column, _modifier: int) -> Column:
    # the text form is \x and two digits per byte (bytea_output's default since 9.0)
    return pa.array([None if value is None else bytes.fromhex(value[2:].decode()) for value in raw.to_pylist()], pa.binary())


def _time(raw: Column, _modifier: int) -> Column:
    # Arrow has no cast from text; 24:00:00 is a time of PostgreSQL's only
    values = [None if value is None else time.fromisoformat(value.decode()) for value in raw.to_pylist()]
    return pa.array(values, pa.time64("us"))


def _numeric(raw: Column, modifier: int) -> Column:
    if modifier >= 0:  # numeric(precision, scale); a scale may be negative
        precision, scale = (modifier - 4) >> 16, (((modifier - 4) & 0x7FF) ^ 1024) - 1024
    else:
        precision, scale = _digits(raw)
    if precision > MAX_DIGITS:
        raise pa.ArrowInvalid(f"{precision} digits, and a decimal has at most {MAX_DIGITS}")
    kind = pa.decimal128 if precision <= MAX_DIGITS_128 else pa.decimal256
    return pc.cast(raw.cast(pa.string()), kind(precision, scale))


def _digits(raw: Column) -> tuple[int, int]:
    """Precision and scale that hold all values."""
    parts = [value.lstrip(b"-").partition(b".") for value in raw.to_pylist() if value is not None]
    scale = max((len(fraction) for _, _, fraction in parts), default=0)
    return max(1, max((len(whole) for whole, _, _ in parts), default=0) + scale), scale


_SPECIAL: dict[int, Callable[[Column, int], Column]] = {BOOL: _bool, BYTEA: _bytes, TIME: _time, NUMERIC: _numeric}
