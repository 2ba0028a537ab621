"""The values of a Bind with very many parameters (batches of rows), left where they lie in the message and found by numpy.

Each value is a length (four bytes, big-endian, -1: NULL) and its bytes, so that the next one's place is known when this one's length is: a
loop over all of them. But PostgreSQL's text form holds no byte 0, and UTF-8 no byte 255: bytes of a length show. What that guess finds
is checked against the lengths; where it is wrong (binary values, say) the loop is run.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from pools.compute.errors import ProtocolError

if TYPE_CHECKING:
    import pyarrow as pa

_LENGTH = 4


class PackedValues(Sequence["bytes | None"]):
    """Equal to a tuple of the same values. ``places``: where each value begins, ``lengths``: -1 for NULL."""

    def __init__(self, body: bytes, places: np.ndarray[Any, Any], lengths: np.ndarray[Any, Any]) -> None:
        self._body = body
        self._places = places
        self._lengths = lengths

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, at: int) -> bytes | None: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[bytes | None]: ...

    def __getitem__(self, at: int | slice) -> bytes | Sequence[bytes | None] | None:
        if isinstance(at, slice):
            return PackedValues(self._body, self._places[at], self._lengths[at])
        place, length = int(self._places[at]), int(self._lengths[at])
        return None if length < 0 else self._body[place : place + length]

    def __iter__(self) -> Iterator[bytes | None]:
        for place, length in zip(self._places.tolist(), self._lengths.tolist(), strict=True):
            yield None if length < 0 else self._body[place : place + length]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def columns(self, width: int) -> list[pa.Array[Any]]:
        """Every ``width``-th value as one binary array."""
        import pyarrow as pa

        # one array over the whole message: values at even places, the lengths between them at odd ones
        ends = self._places + np.maximum(self._lengths, 0)
        edges = np.empty(2 * len(self), np.int32)
        edges[0::2], edges[1::2] = self._places, ends
        validity = np.ones(2 * len(self) - 1, bool)
        validity[0::2] = self._lengths >= 0
        bits = np.packbits(validity, bitorder="little")
        buffers: list[pa.Buffer | None] = [pa.py_buffer(bits.data), pa.py_buffer(edges.data), pa.py_buffer(self._body)]
        every = pa.Array.from_buffers(pa.binary(), len(validity), buffers)
        return [every.take(np.arange(2 * place, len(validity), 2 * width)) for place in range(width)]


def unpack(body: bytes, start: int, count: int) -> tuple[PackedValues, int]:
    """``count`` values from ``start`` on, and where they end; ProtocolError when the body is too short."""
    if start + _LENGTH > len(body):
        raise ProtocolError("insufficient data left in message")
    found = _guessed(body, start, count)
    places = found if found is not None else _walked(body, start, count)
    lengths = _lengths_at(body, places)
    return PackedValues(body, places + _LENGTH, lengths), int(places[-1] + _LENGTH + max(int(lengths[-1]), 0))


def _guessed(body: bytes, start: int, count: int) -> np.ndarray[Any, Any] | None:
    """Where the lengths lie; None when bytes of values look like theirs."""
    marked = (np.frombuffer(body, np.uint8) + np.uint8(1)) <= 1
    marked[:start] = False
    after = np.empty_like(marked)
    after[0], after[1:] = False, marked[:-1]
    first = np.flatnonzero(marked & ~after)
    if not len(first) or first[0] != start:
        return None
    for places in (lambda: first, lambda: _in_runs(np.flatnonzero(marked))):
        found = _without_tails(places())[:count]
        if len(found) == count and _in_order(body, found):
            return found
    return None


def _in_runs(marks: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Empty values and NULLs make longer runs of such bytes: a length at every fourth."""
    first = np.flatnonzero(np.diff(marks, prepend=marks[0] - 2) != 1)
    offsets = marks - np.repeat(marks[first], np.diff(first, append=len(marks)))
    places: np.ndarray[Any, Any] = marks[offsets % _LENGTH == 0]
    return places


def _without_tails(places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A length above 255 may have such bytes after others: they lie less than four bytes behind its beginning."""
    kept: np.ndarray[Any, Any] = places[np.diff(places, prepend=places[0] - _LENGTH) >= _LENGTH]
    return kept


def _in_order(body: bytes, places: np.ndarray[Any, Any]) -> bool:
    """Does each value end where the next one's length begins?"""
    if places[-1] + _LENGTH > len(body):
        return False
    lengths = _lengths_at(body, places)
    ends = places + _LENGTH + np.maximum(lengths, 0)
    return bool((ends[:-1] == places[1:]).all()) and int(ends[-1]) <= len(body) and int(lengths.min()) >= -1


def _walked(body: bytes, start: int, count: int) -> np.ndarray[Any, Any]:
    """The same, one after the other."""
    length_at = struct.Struct(">i").unpack_from
    places = np.empty(count, np.int64)
    place = start
    try:
        for at in range(count):
            (length,) = length_at(body, place)
            places[at] = place
            place += _LENGTH + (length if length >= 0 else 0)
            if length < -1 or place > len(body):
                raise ProtocolError("insufficient data left in message")
    except struct.error:
        raise ProtocolError("insufficient data left in message") from None
    return places


def _lengths_at(body: bytes, places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    every = np.ndarray((len(body) - _LENGTH + 1,), ">i4", body, strides=(1,))  # at each byte a number
    found: np.ndarray[Any, Any] = every[places].astype(np.int64)
    return found
