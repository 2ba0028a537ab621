"""What was read of files lately: the same bytes as the file's, each asked for once, never more than there is room for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtualization.connectors.hdfs import kept_ranges
from virtualization.connectors.hdfs.kept_ranges import KeptRanges

DATA = bytes(range(256)) * 4


class Source:
    """``DATA``; ``asked``: what was read of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, start: int, length: int) -> bytes:
        self.asked.append((start, length))
        return DATA[start : start + length]


@given(st.lists(st.tuples(st.integers(0, 1100), st.integers(1, 400)), max_size=30), st.integers(0, 1500))
def test_any_ranges_are_the_files_and_no_byte_is_asked_for_twice(ranges: list[tuple[int, int]], room: int) -> None:
    kept, source = KeptRanges(room), Source()
    for start, length in ranges:
        assert kept.read("file", start, length, source) == DATA[start : start + length]
    if room >= len(DATA):
        bytes_asked = [place for start, length in source.asked for place in range(start, min(len(DATA), start + length))]
        assert len(bytes_asked) == len(set(bytes_asked))


def test_files_are_kept_apart() -> None:
    kept = KeptRanges(100)
    assert kept.read("one", 0, 3, lambda start, length: b"abc") == b"abc"
    assert kept.read("two", 0, 3, lambda start, length: b"def") == b"def"
    assert kept.read("one", 0, 3, lambda start, length: b"xxx") == b"abc"


def test_a_full_store_gives_up_only_what_nobody_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    kept, source = KeptRanges(300), Source()
    kept.read("file", 0, 200, source)
    kept.read("file", 500, 200, source)
    kept.read("file", 0, 200, source)
    assert source.asked == [(0, 200), (500, 200)], "the second found no room, the first stays"
    monkeypatch.setattr(kept_ranges, "IDLE_SECONDS", -1.0)
    kept.read("file", 500, 200, source)
    kept.read("file", 500, 200, source)
    kept.read("file", 0, 200, source)
    assert source.asked[2:] == [(500, 200), (0, 200)]
