"""Text for terminals: widths of Unicode, and data that can't drive the terminal."""

from __future__ import annotations

import re
import unicodedata

# C0 and C1 controls, DEL, and the signs that turn the direction of what follows
_DANGEROUS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def harmless(text: str, keep: str = "") -> str:
    """``text`` with control characters written as escapes (``\\x1b``); those in ``keep`` stay."""
    return _DANGEROUS.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(character: str) -> str:
    number = ord(character)
    return _ESCAPES.get(character) or (f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}")


def width(text: str) -> int:
    """Columns that ``text`` takes on a terminal: wide East Asian signs 2, combining ones 0."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    # variation selectors and zero-width joiners take no room of their own
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """``text`` filled with blanks to ``columns``; ``right``: aligned to the right."""
    blanks = " " * max(0, columns - width(text))
    return blanks + text if right else text + blanks
