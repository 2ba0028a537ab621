"""Rows out of columns.

Every row is ``segment | variable | segment | variable …``: segments are fixed-width numpy records (message header, field lengths,
fixed-width fields), variables the columns of varying width. One call of Arrow (``binary_join_element_wise``) interleaves them,
and its data buffer is the byte stream to send.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from virtualization.encoding.binary import FixedColumn, binary_column, has_binary
from virtualization.encoding.few import FEW_ROWS, MAX_ROW, few_text_rows
from virtualization.encoding.strings import AnyArray, BinaryArray, data_of, fixed, offsets_of, pc
from virtualization.encoding.text import text_column
from virtualization.errors import DataError
from virtualization.types import PgType

COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TRAILER = b"\xff\xff"
TEXT, BINARY = 0, 1
"""Format codes of the protocol."""

MAX_BLOCK = 1 << 29
"""Bytes that one call of Arrow may produce (offsets are 31 bits); larger batches are split."""
_FIXED_TEXT = 64  # no text of a fixed-width type is longer
_SEGMENT_TEXT = 40
"""Values that all have the same length, up to this one, are cheaper as a part of a segment than as a variable of their own."""

Buffer = bytes | memoryview
Encoded = FixedColumn | BinaryArray
ColumnEncoder = Callable[[AnyArray, int], Encoded]


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Encoded rows one after the other; row *i* lies between ``offsets[i]`` and ``offsets[i + 1]``."""

    data: Buffer
    offsets: npt.NDArray[np.integer[Any]]

    def part(self, first: int, end: int) -> memoryview:
        """Rows ``first`` to ``end`` (exclusive), without a copy."""
        return memoryview(self.data)[int(self.offsets[first]) : int(self.offsets[end])]


EMPTY_BLOCK = RowBlock(b"", np.zeros(1, np.int64))


def text_rows(batch: pa.RecordBatch, types: Sequence[PgType], timezone: str = "UTC") -> Buffer:
    """DataRow messages in text format; timestamptz in the session's ``timezone``."""
    return row_block(batch, types, (), timezone).data


def binary_rows(batch: pa.RecordBatch, types: Sequence[PgType], formats: Sequence[int], timezone: str = "UTC") -> Buffer:
    """DataRow messages; ``formats`` as in Bind: none (all text), one for all, or one per column.

    A type without binary form (``has_binary``) is sent as text: RowDescription has to say so."""
    return row_block(batch, types, formats, timezone).data


def row_block(batch: pa.RecordBatch, types: Sequence[PgType], formats: Sequence[int], timezone: str = "UTC") -> RowBlock:
    """DataRow messages as ``binary_rows`` gives them, and where each row lies: so that they can be handed out in any portions."""
    codes = column_formats(types, formats)
    if batch.num_columns and batch.num_rows <= FEW_ROWS and BINARY not in codes:
        data, places = few_text_rows([_carried(column, of) for column, of in zip(batch.columns, types, strict=True)], types, timezone)
        return RowBlock(data, np.array(places))

    def encode(column: AnyArray, at: int) -> Encoded:
        return binary_column(column, types[at]) if codes[at] == BINARY else text_column(column, types[at], timezone)

    return _rows(batch, types, encode, message=True)


def column_formats(types: Sequence[PgType], formats: Sequence[int]) -> tuple[int, ...]:
    """The format code with which each column is sent, from Bind's result formats."""
    wanted = list(formats) * len(types) if len(formats) == 1 else list(formats) or [TEXT] * len(types)
    return tuple(BINARY if code == BINARY and has_binary(of) else TEXT for code, of in zip(wanted, types, strict=True))


def copy_rows(batch: pa.RecordBatch, types: Sequence[PgType]) -> Buffer:
    """COPY BINARY tuples, without header and trailer. Types without binary form are sent as text: copy them into a text column."""
    return _rows(batch, types, lambda column, at: binary_column(column, types[at]), message=False).data


def _rows(batch: pa.RecordBatch, types: Sequence[PgType], encode: ColumnEncoder, *, message: bool) -> RowBlock:
    if batch.num_rows == 0:
        return EMPTY_BLOCK
    if batch.num_rows > 1 and _estimate(batch) > MAX_BLOCK:
        half = batch.num_rows // 2
        first, second = (_rows(part, types, encode, message=message) for part in (batch.slice(0, half), batch.slice(half)))
        offsets = np.concatenate([first.offsets[:-1].astype(np.int64), second.offsets.astype(np.int64) + len(first.data)])
        return RowBlock(b"".join((first.data, second.data)), offsets)
    columns = [encode(_carried(column, of), at) for at, (column, of) in enumerate(zip(batch.columns, types, strict=True))]
    return _interleave(columns, batch.num_rows, message=message)


def _estimate(batch: pa.RecordBatch) -> int:
    """An upper bound of the bytes."""
    size = batch.num_rows * (8 + _FIXED_TEXT * batch.num_columns)
    for column in batch.columns:
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            offsets = offsets_of(column)
            size += 2 * int(offsets[-1] - offsets[0])
        elif not pa.types.is_primitive(column.type):
            size += 2 * column.nbytes
    return size


def _carried(column: AnyArray, of: PgType) -> AnyArray:
    """``column`` in the Arrow type that carries ``of``; DataError when a value does not fit."""
    if column.type == of.arrow:
        return column
    try:
        return column.cast(of.arrow)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(f"a value of Arrow type {column.type} does not fit PostgreSQL type {of}", detail=str(error)[:200]) from None


def _interleave(columns: Sequence[Encoded], rows: int, *, message: bool) -> RowBlock:
    lengths = [_lengths(column) for column in columns]
    columns = [_uniform(column, length) for column, length in zip(columns, lengths, strict=True)]
    fields: list[tuple[str, Any]] = []
    if message:
        total = sum((np.maximum(length, 0) for length in lengths), start=np.full(rows, 6 + 4 * len(columns), np.int64))
        if total.max() > MAX_ROW:
            raise DataError("a row is larger than 1 GB")
        fields = [("u1", ord("D")), (">i4", total)]
    fields.append((">i2", len(columns)))
    parts: list[BinaryArray] = []
    for column, length in zip(columns, lengths, strict=True):
        fields.append((">i4", length))
        if isinstance(column, np.ndarray):
            fields.append((column.dtype.str, column))
        else:
            parts += [_segment(fields, rows), column]
            fields = []
    if fields:
        parts.append(_segment(fields, rows))
    return _joined(parts, rows)


def _lengths(column: Encoded) -> npt.NDArray[np.int32]:
    """Field lengths, -1 for NULL."""
    if isinstance(column, np.ndarray):
        return np.full(len(column), column.dtype.itemsize, np.int32)
    lengths = np.diff(offsets_of(column))
    if column.null_count:
        lengths = np.where(pc.is_valid(column).to_numpy(zero_copy_only=False), lengths, np.int32(-1))
    return lengths


def _uniform(column: Encoded, lengths: npt.NDArray[np.int32]) -> Encoded:
    """A column whose values are all there and equally long (dates, codes) as fixed-width records."""
    width = int(lengths[0])
    if isinstance(column, np.ndarray) or not 0 < width <= _SEGMENT_TEXT or (lengths != width).any():
        return column
    return np.frombuffer(data_of(column), f"V{width}")


def _segment(fields: Sequence[tuple[str, Any]], rows: int) -> BinaryArray:
    records = np.empty(rows, np.dtype([(str(at), dtype) for at, (dtype, _) in enumerate(fields)]))
    for at, (_, numbers) in enumerate(fields):
        records[str(at)] = numbers
    return fixed(records.view(np.uint8).reshape(rows, -1))


def _joined(parts: Sequence[BinaryArray], rows: int) -> RowBlock:
    if len(parts) == 1:
        return RowBlock(memoryview(parts[0].buffers()[2]), offsets_of(parts[0]))
    joined = pc.binary_join_element_wise(*parts, pa.scalar(b""), null_handling="replace", null_replacement=b"")
    offsets = offsets_of(joined)
    first = int(offsets[0])
    return RowBlock(memoryview(joined.buffers()[2])[first : int(offsets[rows])], offsets - first if first else offsets)
