"""Values of a large Bind: found as the loop over their lengths finds them, however they look."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pools.compute.errors import ProtocolError
from pools.compute.wire.packed import PackedValues, unpack

HEAD = b"p\0s\0"
LENGTHS = [1, 127, 128, 254, 255, 256, 257, 511, 512, 0xFF00, 0xFFFF, 0x10000, 0x100FF]
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9).map(str.encode)
long_texts = st.sampled_from(LENGTHS).map(lambda length: b"x" * length)
values_of_text = st.lists(st.none() | st.just(b"") | texts | long_texts, min_size=1, max_size=24)
values_of_bytes = st.lists(st.none() | st.binary(max_size=12) | st.just(b"\0\0\0\1") | st.just(b"\xff" * 5), min_size=1, max_size=24)
tails = st.sampled_from([b"\0\0", b"\0\1\0\0", b"\0\1\0\1"])


def encoded(values: list[bytes | None]) -> bytes:
    return b"".join(struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value for value in values)


@settings(deadline=None)
@given(values_of_text | values_of_bytes, tails)
def test_values_are_found(values: list[bytes | None], tail: bytes) -> None:
    body = HEAD + encoded(values) + tail
    found, end = unpack(body, len(HEAD), len(values))
    assert found == tuple(values)
    assert [found[place] for place in range(len(found))] == values
    assert body[end:] == tail
    columns = [column.to_pylist() for column in found.columns(1)]
    assert columns == [values]


@settings(deadline=None)
@given(st.lists(st.tuples(texts, st.none() | texts, st.none()), min_size=1, max_size=8))
def test_columns(rows: list[tuple[bytes | None, ...]]) -> None:
    found, _ = unpack(encoded([value for row in rows for value in row]), 0, 3 * len(rows))
    assert [column.to_pylist() for column in found.columns(3)] == [list(column) for column in zip(*rows, strict=True)]


@settings(deadline=None)
@given(values_of_text | values_of_bytes, st.data())
def test_what_is_cut_is_refused(values: list[bytes | None], data: st.DataObject) -> None:
    body = encoded(values)
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(ProtocolError):
        unpack(body[:cut], 0, len(values))


@pytest.mark.parametrize("length", [-2, -(2**31), 2**31 - 1])
def test_impossible_lengths(length: int) -> None:
    with pytest.raises(ProtocolError):
        unpack(struct.pack(">i", length) + b"abc", 0, 1)


def test_parts_are_sequences_too() -> None:
    found, _ = unpack(encoded([b"a", None, b"c"]), 0, 3)
    assert isinstance(found[1:], PackedValues) and list(found[1:]) == [None, b"c"]
    assert hash(found) == hash((b"a", None, b"c"))
