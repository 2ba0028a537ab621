"""Keys in one file: which hold, how they are added and dropped, and that a file which is replaced is followed."""

from __future__ import annotations

import base64
import pathlib

import pytest

from pools.keyring import KeyFile, added, dropped, keys, mapped

A, B, C = (bytes([number]) * 32 for number in (1, 2, 3))
NOW = 1_000_000.0


def test_a_file_of_before_is_one_key() -> None:
    assert keys(A, "x", NOW) == keys(base64.b64encode(A), "x", NOW) == keys(base64.b64encode(A) + b"\n", "x", NOW) == (A,)


@pytest.mark.parametrize("raw", [b"", b"short", b"\n", b"!" * 44, base64.b64encode(b"x" * 31)])
def test_no_key(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"the\.key"):
        keys(raw, "the.key", NOW)


@pytest.mark.parametrize("first", [A, base64.b64encode(A), base64.b64encode(A) + b"\n"])
def test_the_one_before_holds_for_its_time(first: bytes) -> None:
    two = added(first, B, NOW, 100)
    assert keys(two, "x", NOW) == (B, A) and keys(two, "x", NOW + 101) == (B,)
    three = added(two, C, NOW + 50, 10)
    assert keys(three, "x", NOW + 55) == (C, B, A) and keys(three, "x", NOW + 70) == (C, A) and keys(three, "x", NOW + 101) == (C,)
    assert keys(added(three, A, NOW + 101, 0), "x", NOW + 101) == (A,)
    assert keys(dropped(three), "x", NOW) == (C,) and dropped(A) == A


def test_lines_that_are_none_hold_nothing() -> None:
    raw = added(A, B, NOW, 100) + b"\nnonsense\n" + base64.b64encode(C) + b"\n" + base64.b64encode(C) + b" soon"
    assert keys(raw, "x", NOW) == (B, A)


def test_each_key_is_mapped_and_keeps_its_time() -> None:
    assert keys(mapped(added(A, B, NOW, 100), lambda key: key[::-1][:31] + b"!"), "x", NOW) == (B[:31] + b"!", A[:31] + b"!")
    assert keys(mapped(A, lambda _key: B), "x", NOW) == (B,)


def test_a_file_that_is_replaced_is_followed_and_one_that_is_damaged_is_not(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "the.key"
    path.write_bytes(A)
    found = KeyFile(path, lambda: NOW)
    assert found() == (A,)
    for content, wanted in ((added(A, B, NOW, 9), (B, A)), (b"damaged", (B, A)), (base64.b64encode(C), (C,))):
        (tmp_path / "new").write_bytes(content)
        (tmp_path / "new").replace(path)
        assert found(now=True) == wanted
    path.unlink()
    assert found(now=True) == (C,)
    with pytest.raises(OSError):
        KeyFile(path)
