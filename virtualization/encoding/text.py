"""Columns in PostgreSQL's text format: one encoder per type."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pyarrow as pa

from virtualization.encoding import datetimes, floats, numerics
from virtualization.encoding.strings import AnyArray, BinaryArray, data_of, fixed, offsets_of, pc, with_nulls_of
from virtualization.types import PgType

Encoder = Callable[[AnyArray], BinaryArray]


def text_column(column: AnyArray, of: PgType, zone: str) -> BinaryArray:
    """``column`` (of the Arrow type that carries ``of``) as PostgreSQL prints it with TimeZone ``zone``."""
    if pa.types.is_string(column.type):
        return column.cast(pa.binary())
    if pa.types.is_timestamp(column.type) and column.type.tz is not None:
        encode: Encoder = datetimes.timestamptz_text(zone)
    else:
        encode = ENCODERS[column.type.id]
    return with_nulls_of(column, encode(without_nulls(column)))


def without_nulls(column: AnyArray) -> AnyArray:
    """``column`` with harmless values for its NULLs, so that slots of NULLs never cost time or raise."""
    if column.null_count == 0:
        return column
    if pa.types.is_binary(column.type):
        return pc.fill_null(column, b"")
    if pa.types.is_decimal(column.type):
        return pc.fill_null(column, pa.scalar(Decimal(0), column.type))
    through = pa.int64() if pa.types.is_timestamp(column.type) or pa.types.is_time64(column.type) else pa.int32()
    return pc.fill_null(column, pa.scalar(0, through).cast(column.type))


def _integers(column: AnyArray) -> BinaryArray:
    return pc.cast(column, pa.string()).cast(pa.binary())


def _booleans(column: AnyArray) -> BinaryArray:
    true = column.to_numpy(zero_copy_only=False)
    return fixed(np.where(true, ord("t"), ord("f")).astype(np.uint8).reshape(-1, 1))


def _bytes(column: AnyArray) -> BinaryArray:
    offsets = offsets_of(column)
    hexadecimal = data_of(column).hex().encode()
    doubled = pa.py_buffer((offsets - offsets[0]) * np.int32(2))
    text = pa.Array.from_buffers(pa.binary(), len(column), [None, doubled, pa.py_buffer(hexadecimal)])
    return pc.binary_join_element_wise(pa.scalar(b"\\x"), text, pa.scalar(b""))


ENCODERS: dict[int, Encoder] = {
    pa.bool_().id: _booleans,
    pa.int16().id: _integers,
    pa.int32().id: _integers,
    pa.int64().id: _integers,
    pa.float32().id: floats.single_text,
    pa.float64().id: floats.double_text,
    pa.decimal128(1).id: numerics.decimal_text,
    pa.date32().id: datetimes.date_text,
    pa.timestamp("us").id: datetimes.timestamp_text,
    pa.time64("us").id: datetimes.time_text,
    pa.binary().id: _bytes,
}
