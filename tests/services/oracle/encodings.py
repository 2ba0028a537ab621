"""Values as Oracle's two-task protocol writes them, as far as python-oracledb's thin mode reads them."""

from __future__ import annotations

import datetime
import decimal
import struct
from functools import lru_cache

VARCHAR, NUMBER, LONG, DATE, RAW, LONG_RAW = 1, 2, 8, 12, 23, 24
CHAR, BINARY_FLOAT, BINARY_DOUBLE, CLOB, BLOB, TIMESTAMP = 96, 100, 101, 112, 113, 180
TEXTS = (VARCHAR, CHAR, LONG, CLOB)


def ub(number: int) -> bytes:
    """ub2, ub4, ub8: a length byte, then that many bytes."""
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([len(data)]) + data


def clr(data: bytes | None) -> bytes:
    """Bytes with a length byte, in chunks when long; None is a zero length."""
    if not data:
        return b"\0"
    if len(data) <= 252:
        return bytes([len(data)]) + data
    chunks = (data[at : at + 32767] for at in range(0, len(data), 32767))
    return b"\xfe" + b"".join(ub(len(chunk)) + chunk for chunk in chunks) + b"\0"


def clr4(data: bytes) -> bytes:
    """The same with its length before it."""
    return ub(len(data)) + (clr(data) if data else b"")


@lru_cache(maxsize=100_000)
def number(text: str) -> bytes:
    """A NUMBER: base 100, at most 20 digits of it."""
    value = decimal.Decimal(text)
    if not value:
        return b"\x80"
    sign, digit_tuple, exponent = value.as_tuple()
    digits, power = "".join(map(str, digit_tuple)).lstrip("0"), int(exponent)
    if power % 2:
        digits, power = digits + "0", power - 1
    if len(digits) % 2:
        digits = "0" + digits
    pairs = [int(digits[at : at + 2]) for at in range(0, len(digits), 2)]
    first = len(pairs) - 1 + power // 2
    while pairs and pairs[-1] == 0:
        pairs.pop()
    pairs = pairs[:20]
    if sign:
        return bytes([0x3E - first] + [101 - pair for pair in pairs] + ([102] if len(pairs) < 20 else []))
    return bytes([0xC1 + first] + [pair + 1 for pair in pairs])


def date(value: datetime.datetime) -> bytes:
    """A DATE: seven bytes."""
    century, year = divmod(value.year, 100)
    return bytes([century + 100, year + 100, value.month, value.day, value.hour + 1, value.minute + 1, value.second + 1])


def timestamp(value: datetime.datetime) -> bytes:
    """A TIMESTAMP: a DATE and nanoseconds."""
    return date(value) + struct.pack(">I", value.microsecond * 1000)


def _sortable(data: bytes) -> bytes:
    """Floats are stored so that their bytes sort as they do."""
    return bytes(byte ^ 0xFF for byte in data) if data[0] & 0x80 else bytes([data[0] | 0x80]) + data[1:]


def encoded(kind: int, value: object) -> bytes:
    """A value of a column, NULL included."""
    if value is None:
        return b"\0"
    if kind == NUMBER:
        return clr(number(str(value)))
    if kind == BINARY_DOUBLE:
        return clr(_sortable(struct.pack(">d", value)))
    if kind == BINARY_FLOAT:
        return clr(_sortable(struct.pack(">f", value)))
    if isinstance(value, datetime.datetime):
        return clr(date(value) if kind == DATE else timestamp(value))
    return clr(value if isinstance(value, bytes) else str(value).encode())


class Buffer:
    """A client's message as it is read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def raw(self, size: int) -> bytes:
        """The next bytes."""
        self._at += size
        return self._data[self._at - size : self._at]

    def u1(self) -> int:
        """One byte."""
        return self.raw(1)[0]

    def ub(self) -> int:
        """A number of any size."""
        size = self.u1()
        return int.from_bytes(self.raw(size & 0x7F), "big")

    def skip(self, *kinds: str) -> None:
        """``b``: a byte, ``n``: a number."""
        for kind in "".join(kinds):
            if kind == "b":
                self.u1()
            else:
                self.ub()

    def clr(self) -> bytes | None:
        """Bytes with their length; None for none."""
        size = self.u1()
        if size in (0, 255):
            return None
        if size != 254:
            return self.raw(size)
        found = b""
        while chunk := self.ub():
            found += self.raw(chunk)
        return found

    @property
    def more(self) -> bool:
        """Is there something left?"""
        return self._at < len(self._data)
