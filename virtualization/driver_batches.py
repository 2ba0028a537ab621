"""What the ADBC PostgreSQL driver hands over (binary COPY), as the library's Arrow contract: sources and the scratch server alike.

The driver decodes the plain types exactly; what wraps around or has no exact form is put right or refused here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from virtualization.errors import DataError, InternalError
from virtualization.types import pg_type_of

_UNIX_DAYS = 10_957  # 1970-01-01 to 2000-01-01, PostgreSQL's epoch
_UNIX_MICROSECONDS = _UNIX_DAYS * 86_400_000_000
_DATE_INFINITY = int(np.int32(2**31 - 1 + _UNIX_DAYS - 2**32))  # how the driver's sum with the epoch wraps around
_DATE_MINUS_INFINITY = _DATE_INFINITY + 1
_TIMESTAMP_INFINITY = 2**63 - 1 + _UNIX_MICROSECONDS - 2**64
_TIMESTAMP_MINUS_INFINITY = _TIMESTAMP_INFINITY + 1
_FIRST_TIMESTAMP = -(2**62)  # below PostgreSQL's first one (4714 BC): can only be wrapped around


def to_contract(batch: pa.RecordBatch, schema: pa.Schema, what: str) -> pa.RecordBatch:
    """The driver's batch as the fragment's schema promises it; DataError where a value has no exact form there."""
    if batch.num_columns != len(schema):
        raise InternalError(f"{what}: the source sent {batch.num_columns} columns, {len(schema)} were asked for")
    columns = [_column(values, field, what) for values, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(values: pa.Array[Any], field: pa.Field[Any], what: str) -> pa.Array[Any]:
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    target = field.type
    if pa.types.is_decimal(target) and pa.types.is_string(values.type):
        return _decimals(values, field, what)
    if values.type != target:
        raise InternalError(f'{what}: column "{field.name}" came as {values.type}, {target} ({pg_type_of(field)}) was expected')
    if pa.types.is_date(target):
        return _dates(values)
    if pa.types.is_timestamp(target):
        return _timestamps(values, field, what)
    return values


def _decimals(values: pa.Array[Any], field: pa.Field[Any], what: str) -> pa.Array[Any]:
    try:
        return pc.cast(values, field.type)
    except pa.ArrowInvalid:
        # numeric(p,s) can hold NaN, a decimal can't
        raise DataError(
            f'{what}: column "{field.name}" holds NaN, which {pg_type_of(field)} can\'t carry',
            hint="Declare the column numeric without precision, or double precision.",
        ) from None


def _dates(values: pa.Array[Any]) -> pa.Array[Any]:
    if not len(values) or pc.min(values).cast(pa.int32()).as_py() not in (_DATE_INFINITY, _DATE_MINUS_INFINITY):  # both lie below all dates
        return values
    days = _filled(values, pa.int32())
    days = np.where(days == _DATE_INFINITY, 2**31 - 1, np.where(days == _DATE_MINUS_INFINITY, -(2**31 - 1), days))
    return _rebuilt(days.astype(np.int32), values)


def _timestamps(values: pa.Array[Any], field: pa.Field[Any], what: str) -> pa.Array[Any]:
    least = pc.min(values.cast(pa.int64())).as_py() if len(values) else None
    if least is None or least > _FIRST_TIMESTAMP:
        return values
    ticks = _filled(values, pa.int64())
    positive, negative = ticks == _TIMESTAMP_INFINITY, ticks == _TIMESTAMP_MINUS_INFINITY
    if bool(np.any((ticks < _FIRST_TIMESTAMP) & ~positive & ~negative)):
        raise DataError(
            f'{what}: column "{field.name}" holds a timestamp after the year 294246',
            hint="Declare the column text to see such values.",
        )
    return _rebuilt(np.where(positive, 2**63 - 1, np.where(negative, -(2**63 - 1), ticks)), values)


def _filled(values: pa.Array[Any], as_type: pa.DataType) -> np.ndarray[Any, Any]:
    """The integers behind ``values``, 0 for NULL."""
    integers: Any = values.cast(as_type)
    filled: np.ndarray[Any, Any] = integers.fill_null(0).to_numpy(zero_copy_only=False)
    return filled


def _rebuilt(integers: np.ndarray[Any, Any], like: pa.Array[Any]) -> pa.Array[Any]:
    nulls = like.is_null().to_numpy(zero_copy_only=False) if like.null_count else None
    made: pa.Array[Any] = pa.array(integers, mask=nulls).cast(like.type)
    return made
