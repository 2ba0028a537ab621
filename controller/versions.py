"""Version numbers, as far as their order goes."""

from __future__ import annotations

import re
from itertools import zip_longest

NUMBERED = re.compile(r"v?(\d+(?:\.\d+)*)")


def numbers(version: str) -> tuple[int, ...]:
    """``0.12.1`` → (0, 12, 1); what follows (``rc1``, ``.dev3``) does not count. Empty for a name that is no number (``nightly``)."""
    found = NUMBERED.match(version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def is_older(version: str, than: str) -> bool:
    """Whether both are numbers, and the first the smaller one."""
    pairs = tuple(zip_longest(numbers(version), numbers(than), fillvalue=0))
    return bool(numbers(version)) and bool(numbers(than)) and [one for one, _ in pairs] < [other for _, other in pairs]
