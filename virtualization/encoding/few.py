"""A few rows in text format: what the arithmetic over whole columns costs at the start (a call of numpy or Arrow is some microseconds, and
a row takes a hundred of them) is more than a point query takes otherwise. Types whose text is not plain go through ``text_column``."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Callable, Sequence

import pyarrow as pa

from virtualization.encoding.strings import AnyArray
from virtualization.encoding.text import text_column
from virtualization.errors import DataError
from virtualization.types import PgType

FEW_ROWS = 64
"""Up to so many rows; from about a hundred on, whole columns are faster."""

MAX_ROW = (1 << 30) - 1
"""Bytes of one message; PostgreSQL's own limit."""

Values = list[bytes | None]

_HEADER = struct.Struct(">ciH")
_LENGTH = struct.Struct(">i")
_NULL = _LENGTH.pack(-1)
_EPOCH = datetime.date(1970, 1, 1).toordinal()
_LAST = datetime.date.max.toordinal()


def few_text_rows(columns: Sequence[AnyArray], types: Sequence[PgType], zone: str) -> tuple[bytes, list[int]]:
    """DataRow messages of columns in the Arrow types that carry ``types``, and where each begins (one more: the end)."""
    values = [_values(column, of, zone) for column, of in zip(columns, types, strict=True)]
    rows: list[bytes] = []
    places = [0]
    for row in zip(*values, strict=True):
        body = b"".join([_NULL if value is None else _LENGTH.pack(len(value)) + value for value in row])
        if len(body) + _HEADER.size > MAX_ROW:
            raise DataError("a row is larger than 1 GB")
        rows.append(_HEADER.pack(b"D", len(body) + 6, len(row)) + body)
        places.append(places[-1] + len(rows[-1]))
    return b"".join(rows), places


def _values(column: AnyArray, of: PgType, zone: str) -> Values:
    plain = _PLAIN.get(column.type.id)
    made = plain(column) if plain is not None else None
    return text_column(column, of, zone).to_pylist() if made is None else made


def _strings(column: AnyArray) -> Values:
    return [None if value is None else value.encode() for value in column.to_pylist()]


def _integers(column: AnyArray) -> Values:
    return [None if value is None else b"%d" % value for value in column.to_pylist()]


def _decimals(column: AnyArray) -> Values:
    return [None if value is None else format(value, "f").encode() for value in column.to_pylist()]


def _dates(column: AnyArray) -> Values | None:
    """None: some are not of the years 1 to 9999 (which is all that Python knows)."""
    days = column.view(pa.int32()).to_pylist()
    if not all(day is None or 0 < day + _EPOCH <= _LAST for day in days):
        return None
    return [None if day is None else datetime.date.fromordinal(day + _EPOCH).isoformat().encode() for day in days]


_PLAIN: dict[int, Callable[[AnyArray], Values | None]] = {
    pa.string().id: _strings,
    pa.int16().id: _integers,
    pa.int32().id: _integers,
    pa.int64().id: _integers,
    pa.decimal128(1).id: _decimals,
    pa.date32().id: _dates,
}
