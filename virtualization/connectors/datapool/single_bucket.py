"""The bucket of one row: ``virtualization.buckets`` for a key that a query names. That one hashes columns, and what its calls of Arrow and
numpy take at the start is a tenth of a point query. Golden values bind both."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MASK = 2**64 - 1
_SEED, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_WORD = 8
_INTEGERS = frozenset({"smallint", "integer", "bigint"})
_TEXT = re.compile(r"text|character varying(\(\d+\))?")


def bucket_of(values: Sequence[object], types: Sequence[str]) -> int | None:
    """By hash version 1; None for values of other types than integers and texts."""
    mixed = 0
    for value, type_ in zip(values, types, strict=True):
        if type_ in _INTEGERS and isinstance(value, int):
            hashed = _mix(value & _MASK)
        elif isinstance(value, str) and _TEXT.fullmatch(type_):
            hashed = _string_hash(value.encode())
        else:
            return None
        mixed = _mix((mixed * _FIRST + hashed) & _MASK)
    return mixed >> 56


def _mix(word: int) -> int:
    """The finalizer of splitmix64."""
    word = (word + _SEED) & _MASK
    word = ((word ^ (word >> 30)) * _FIRST) & _MASK
    word = ((word ^ (word >> 27)) * _SECOND) & _MASK
    return word ^ (word >> 31)


def _string_hash(data: bytes) -> int:
    hashed = 0
    for place in range(0, len(data), _WORD):
        hashed = _mix(hashed ^ int.from_bytes(data[place : place + _WORD], "little"))
    return _mix(hashed ^ len(data))
