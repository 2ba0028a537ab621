"""Inputs from good ones: bytes flipped, cut, doubled, swapped with others', numbers at their limits, words that parsers trip over."""

from __future__ import annotations

import random
from collections.abc import Sequence

WORDS = (
    b"\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\xff\xff", b"\x00\x00\x00\x04", b"%s%n", b"../", b"'", b'"',
    b"\\", b"(*)", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80", b"NaN", b"1e999", b"-1", b"99999999999999999999", b"null", b"true",
    b"[" * 200, b"{" * 200, b".", b"..", b"=", b"==", b"\r\n", b"\xe2\x80\xae", b"A" * 300, b"none", b"HS256", b"alg", b"kid", b",", b" ",
)  # fmt: skip


def mutated(good: Sequence[bytes], chance: random.Random) -> bytes:
    """One input: a good one with one to four changes, or (one in twenty) noise."""
    if chance.random() < 0.05:
        return chance.randbytes(chance.randrange(64))
    data = bytearray(chance.choice(good))
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        _change(data, good, chance)
    return bytes(data)


def _change(data: bytearray, good: Sequence[bytes], chance: random.Random) -> None:
    place = chance.randrange(len(data) + 1)
    match chance.randrange(7):
        case 0 if data:
            data[min(place, len(data) - 1)] ^= 1 << chance.randrange(8)
        case 1 if data:
            data[min(place, len(data) - 1)] = chance.randrange(256)
        case 2:
            del data[place : place + chance.choice((1, 1, 2, 8, 64))]
        case 3:
            data[place:place] = chance.choice(WORDS)
        case 4:
            data[place : place + 4] = chance.choice(WORDS)
        case 5:
            end = min(len(data), place + chance.randrange(1, 32))
            data[place:place] = data[place:end]
        case _:
            other = chance.choice(good)
            start = chance.randrange(len(other) + 1)
            data[place:] = other[start:]
