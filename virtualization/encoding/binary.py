"""Columns in PostgreSQL's binary format: fixed-width ones as big-endian numpy arrays, others as Arrow binary arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from virtualization.encoding import datetimes, numerics
from virtualization.encoding.strings import AnyArray, BinaryArray, fixed, offsets_of, pc, values, with_nulls_of
from virtualization.encoding.text import without_nulls
from virtualization.errors import DataError
from virtualization.types import PgType

FixedColumn = npt.NDArray[Any]
EPOCH_DAYS = 10_957
"""From 1970-01-01 to 2000-01-01, PostgreSQL's day 0."""
EPOCH_MICROSECONDS = EPOCH_DAYS * datetimes.DAY_MICROSECONDS

_UUID, _JSONB, _JSON, _XML, _NUMERIC = 2950, 3802, 114, 142, 1700


def has_binary(of: PgType) -> bool:
    """Can a column of this type be sent in binary format? Where not, it is sent as text whatever the client asked for."""
    return not of.travels_as_text or of.oid in CARRIED_AS_TEXT


def binary_column(column: AnyArray, of: PgType) -> FixedColumn | BinaryArray:
    """``column`` (of the Arrow type that carries ``of``) in binary format; numpy only when it has no NULL."""
    if pa.types.is_binary(column.type):
        return column
    if pa.types.is_string(column.type):
        encode = CARRIED_AS_TEXT.get(of.oid) if of.travels_as_text else None
        return column.cast(pa.binary()) if encode is None else encode(column)
    filled = without_nulls(column)
    if pa.types.is_decimal(column.type):
        return with_nulls_of(column, numerics.decimal_binary(filled))
    numbers = FIXED[column.type.id](filled)
    if column.null_count == 0:
        return numbers
    return with_nulls_of(column, fixed(numbers.view(np.uint8).reshape(len(column), -1)))


def _number(little: str) -> Callable[[AnyArray], FixedColumn]:
    return lambda column: values(column, "<" + little).astype(">" + little)


def _boolean(column: AnyArray) -> FixedColumn:
    bits: FixedColumn = column.to_numpy(zero_copy_only=False).astype(np.uint8)
    return bits


def _date(column: AnyArray) -> FixedColumn:
    days = values(column, "<i4").astype(np.int64)
    moved = np.where(np.abs(days) >= datetimes.DAY_INFINITY, np.where(days > 0, 2**31 - 1, -(2**31)), days - EPOCH_DAYS)
    if (moved < -(2**31)).any():
        raise DataError("a date is outside PostgreSQL's range")
    return moved.astype(">i4")


def _timestamp(column: AnyArray) -> FixedColumn:
    moments = values(column, "<i8")
    endless = np.abs(moments) >= datetimes.MOMENT_INFINITY
    if ((moments < datetimes.FIRST_MOMENT) & ~endless).any():
        raise DataError("a timestamp is outside PostgreSQL's range")
    moved = np.where(endless, 0, moments) - EPOCH_MICROSECONDS
    return np.where(endless, np.where(moments > 0, 2**63 - 1, -(2**63)), moved).astype(">i8")


def _uuid(column: AnyArray) -> BinaryArray:
    """``a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`` as 16 bytes."""
    lengths = np.diff(offsets_of(column))
    filled = pc.fill_null(column, "0" * 8 + "-0000-0000-0000-" + "0" * 12)
    if ((lengths != 36) & pc.is_valid(column).to_numpy(zero_copy_only=False)).any():
        raise DataError("a uuid is not written with 32 digits and four hyphens")
    digits = pc.replace_substring(filled, "-", "")
    try:
        data = bytes.fromhex("".join(digits.to_pylist()))
    except ValueError:
        raise DataError("a uuid has a digit that is not hexadecimal") from None
    return with_nulls_of(column, fixed(np.frombuffer(data, np.uint8).reshape(len(column), 16)))


def _jsonb(column: AnyArray) -> BinaryArray:
    return pc.binary_join_element_wise(pa.scalar(b"\1"), column.cast(pa.binary()), pa.scalar(b""))


FIXED: dict[int, Callable[[AnyArray], FixedColumn]] = {
    pa.bool_().id: _boolean,
    pa.int16().id: _number("i2"),
    pa.int32().id: _number("i4"),
    pa.int64().id: _number("i8"),
    pa.float32().id: _number("f4"),
    pa.float64().id: _number("f8"),
    pa.date32().id: _date,
    pa.timestamp("us").id: _timestamp,
    pa.time64("us").id: _number("i8"),
}

CARRIED_AS_TEXT: dict[int, Callable[[AnyArray], BinaryArray]] = {
    _JSON: lambda column: column.cast(pa.binary()),
    _JSONB: _jsonb,
    _NUMERIC: numerics.numeric_text_binary,
    _UUID: _uuid,
    _XML: lambda column: column.cast(pa.binary()),
}
"""Types that travel as text and have a binary form here, by oid."""
