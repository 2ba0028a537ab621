"""Building Arrow binary arrays out of numpy matrices of bytes, and reading the buffers of Arrow arrays."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

Bytes = npt.NDArray[np.uint8]
"""Shape (rows, width): one byte string per row."""

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
AnyArray: TypeAlias = Any
"""``pa.Array`` of any type. The stubs' generics can't express kernels over mixed arrays and scalars, so neither do we."""

BinaryArray: TypeAlias = Any
"""``pa.BinaryArray``."""

pc: Any = pyarrow.compute
"""Arrow's kernels."""

_DIGITS = np.frombuffer("".join(f"{number:04d}" for number in range(10_000)).encode(), np.uint8).reshape(10_000, 4)


def fixed(matrix: Bytes) -> BinaryArray:
    """Every row of ``matrix`` as a string of its full width; no copy of a contiguous matrix."""
    rows, width = matrix.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    return _binary(rows, offsets, np.ascontiguousarray(matrix))


def masked(matrix: Bytes, keep: Mask) -> BinaryArray:
    """Every row of ``matrix`` without the bytes where ``keep`` (same shape) is false."""
    offsets = np.zeros(len(matrix) + 1, np.int32)
    np.cumsum(keep.sum(1, dtype=np.int32), out=offsets[1:])
    return _binary(len(matrix), offsets, matrix[keep])


def _binary(rows: int, offsets: npt.NDArray[np.int32], data: npt.NDArray[Any]) -> BinaryArray:
    offsets_buffer: Any = offsets  # numpy arrays are buffers; the stubs do not know
    data_buffer: Any = data.reshape(-1)
    buffers = [None, pa.py_buffer(offsets_buffer), pa.py_buffer(data_buffer)]
    return pa.Array.from_buffers(pa.binary(), rows, buffers)


def values(column: AnyArray, dtype: str, width: int = 1) -> npt.NDArray[Any]:
    """The values of a fixed-width column, without a copy; ``width`` numbers per value. Slots of NULLs hold anything."""
    data = column.buffers()[1]
    if data is None:
        return np.zeros(0, dtype)
    first = column.offset * width
    return np.frombuffer(data, dtype)[first : first + len(column) * width]


def offsets_of(column: AnyArray) -> npt.NDArray[np.int32]:
    """The offsets of a string or binary column: one more than rows."""
    data = column.buffers()[1]
    if data is None or len(column) == 0:
        return np.zeros(1, np.int32)
    return np.frombuffer(data, np.int32)[column.offset : column.offset + len(column) + 1]


def data_of(column: AnyArray) -> memoryview:
    """The bytes of a string or binary column's values, one after the other."""
    offsets, data = offsets_of(column), column.buffers()[2]
    return memoryview(b"") if data is None else memoryview(data)[int(offsets[0]) : int(offsets[-1])]


def with_nulls_of(column: AnyArray, text: BinaryArray) -> BinaryArray:
    """``text`` (no nulls, offset 0) with NULL where ``column`` has one."""
    if column.null_count == 0:
        return text
    valid = pc.is_valid(column).buffers()[1]
    return pa.Array.from_buffers(pa.binary(), len(text), [valid, *text.buffers()[1:]])


def write_digits(matrix: Bytes, first: int, width: int, numbers: Integers) -> None:
    """Write ``numbers`` (non-negative, less than 10 ** width) as ``width`` digits into columns ``first`` and on."""
    position = first + width
    while position > first:
        taken = min(4, position - first)
        numbers, group = (numbers // 10_000, numbers % 10_000) if width > 4 else (numbers, numbers)
        matrix[:, position - taken : position] = _DIGITS[group][:, 4 - taken :]
        position -= taken


def two_digits(numbers: Integers) -> Bytes:
    """(rows, 2): ``numbers`` below 100 as two digits."""
    return _DIGITS[numbers][:, 2:]
