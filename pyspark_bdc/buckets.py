"""Which of 256 buckets a row of the data pool lies in: the versioned hash of its distribution columns.

Of canonical values, so that what PostgreSQL calls equal in a column's type lies in one bucket: 1.0 = 1.00, -0.0 = 0.0, all NaN alike,
``character(n)`` without trailing blanks, uuid in any spelling. Never an engine's own hash: rows are found again by it for ever.
The same text lies in ``virtualization/`` and in ``pyspark_bdc/``, which know nothing of each other; a test binds both, and golden values
(``tests/golden/buckets_v1.json``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BUCKETS = 256
VERSION = 1
"""The newest; 1 is the only one so far."""

Words = np.ndarray[Any, np.dtype[np.uint64]]
if TYPE_CHECKING:
    Column = pa.Array[Any]

_SEED = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_NULL = np.uint64(0x6E756C6C6E756C6C)
_WORD = 8

_INTEGERS = frozenset({"smallint", "integer", "bigint"})
_FLOATS = frozenset({"real", "double precision"})
_EXACT: dict[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time without time zone": pa.time64("us"),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "bytea": pa.large_binary(),
    "text": pa.large_string(),
    "character varying": pa.large_string(),
}
HASHABLE = frozenset({*_INTEGERS, *_FLOATS, *_EXACT, "numeric", "character", "uuid"})
"""Names of the types (without modifier) that a distribution column may have."""


class UnhashableError(ValueError):
    """A column's type is none of ``HASHABLE``, or its values are none of that type."""


def bucket_numbers(columns: Sequence[Column], types: Sequence[str], version: int = VERSION) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The bucket of each row. ``columns``: the distribution columns in their order, of equal lengths; ``types``: their PostgreSQL types
    (``numeric(12,2)``), to which the values are brought first. UnhashableError."""
    if version != VERSION:
        raise UnhashableError(f"hash version {version} is not known: this is an older release than the one that made the table")
    if not columns:
        raise UnhashableError("a hash needs at least one column")
    mixed = np.zeros(len(columns[0]), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column, type_ in zip(columns, types, strict=True):
            mixed = _mix(mixed * _FIRST + _column_hash(column, type_))
    return (mixed >> np.uint64(56)).astype(np.uint8)


def _mix(words: Words) -> Words:
    """The finalizer of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014)."""
    words = words + _SEED
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    mixed: Words = words ^ (words >> np.uint64(31))
    return mixed


def _column_hash(column: Column, type_: str) -> Words:
    name = re.sub(r"\(.*?\)", "", type_).strip()
    if name not in HASHABLE:
        raise UnhashableError(f"a column of type {type_} can't distribute rows")
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    try:
        hashed = _hashed(column, name)
    except pa.ArrowException as error:
        raise UnhashableError(f"values of {column.type} are none of {type_}: {error}") from error
    if column.null_count:
        hashed = np.where(np.asarray(column.is_null()), _NULL, hashed)
    return hashed


def _hashed(column: Column, name: str) -> Words:
    if name in _INTEGERS:
        return _mix(_fixed(column.cast(pa.int64()), np.int64))
    if name in _FLOATS:
        return _float_hash(column)
    if name in _CANONICAL:
        return _string_hash(_CANONICAL[name](column))
    exact = column.cast(_EXACT[name])
    if pa.types.is_large_binary(exact.type) or pa.types.is_large_string(exact.type):
        return _string_hash(exact)
    if pa.types.is_boolean(exact.type):
        return _mix(_fixed(exact.cast(pa.int64()), np.int64))
    if pa.types.is_date32(exact.type):
        return _mix(_fixed(exact.view(pa.int32()).cast(pa.int64()), np.int64))
    return _mix(_fixed(exact.view(pa.int64()), np.int64))


def _fixed(column: Column, dtype: type[np.generic]) -> Words:
    """Values of eight bytes as unsigned words; NULLs become 0 and are replaced by the caller."""
    filled = column.fill_null(0) if column.null_count else column
    words: Words = np.asarray(filled).astype(dtype, copy=False).view(np.uint64)
    return words


def _float_hash(column: Column) -> Words:
    values = np.array(column.cast(pa.float64()).fill_null(0.0)) + 0.0  # -0.0 + 0.0 is 0.0
    values[np.isnan(values)] = np.nan
    words: Words = _mix(values.view(np.uint64))
    return words


def _numeric_text(column: Column) -> Column:
    """Without trailing zeros behind the point: 1.00 → 1."""
    text = column.cast(pa.large_string())
    if pc.any(pc.match_substring(text, "E")).as_py():  # Arrow writes 0.0000001 as 1E-7: rare, so one by one
        plain = [None if value is None else format(Decimal(value), "f") for value in text.to_pylist()]
        text = pa.array(plain, pa.large_string())
    pointed = pc.match_substring(text, ".")
    trimmed: Column = pc.if_else(pointed, pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), "."), text)
    return trimmed


def _uuid_text(column: Column) -> Column:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_fixed_size_binary(column.type):
        column = _hexadecimal(column)
    digits: Column = pc.utf8_lower(pc.replace_substring_regex(column.cast(pa.large_string()), "[-{}]", ""))
    return digits


def _hexadecimal(column: Column) -> Column:
    """Of 16 bytes each, all rows at once; NULLs stay."""
    width, rows = column.type.byte_width, len(column)
    values = _bytes(column.buffers()[1])[column.offset * width : (column.offset + rows) * width]
    offsets = np.arange(rows + 1, dtype=np.int64) * (2 * width)
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(values.tobytes().hex().encode())]
    text: Column = pa.Array.from_buffers(pa.large_string(), rows, buffers)
    valid: Column = pc.if_else(column.is_valid(), text, pa.scalar(None, pa.large_string()))
    return valid


def _bytes(buffer: pa.Buffer | None) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(memoryview(buffer) if buffer is not None else b"", dtype=np.uint8)


_CANONICAL: dict[str, Callable[[Column], Column]] = {
    "numeric": _numeric_text,
    "character": lambda column: pc.utf8_rtrim(column.cast(pa.large_string()), " "),
    "uuid": _uuid_text,
}


def _string_hash(column: Column) -> Words:
    """Of the bytes, eight at a time over all rows at once; the length goes in last."""
    column = column.fill_null("" if pa.types.is_large_string(column.type) else b"") if column.null_count else column
    rows = len(column)
    _, places, data = column.buffers()
    offsets = _bytes(places).view(np.int64)[column.offset : column.offset + rows + 1] if rows else np.zeros(1, np.int64)
    starts, lengths = offsets[:-1], np.diff(offsets)
    hashed = np.zeros(rows, dtype=np.uint64)
    longest = int(lengths.max()) if rows else 0
    words = _unaligned(_bytes(data))
    for place in range(0, longest, _WORD):
        here = np.flatnonzero(lengths > place)
        left = np.minimum(lengths[here] - place, _WORD).astype(np.uint64)
        word = words[starts[here] + place] & (np.uint64(0xFFFFFFFFFFFFFFFF) >> (np.uint64(64) - left * np.uint64(8)))
        hashed[here] = _mix(hashed[here] ^ word)
    return _mix(hashed ^ lengths.astype(np.uint64))


def _unaligned(data: np.ndarray[Any, np.dtype[np.uint8]]) -> Words:
    """The eight bytes that begin at each byte of ``data``, little-endian; zeros behind the end."""
    padded = np.zeros(data.size + _WORD, dtype=np.uint8)
    padded[: data.size] = data
    return np.ndarray((data.size + 1,), dtype="<u8", buffer=padded, strides=(1,))
