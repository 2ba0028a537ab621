"""How long tests wait on a machine that others keep busy too. Limits of failures only: they cost nothing while all is well."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds for what a quiet machine does in one or two."""

SOON = 20.0
"""Seconds for what is promised within a second or five: generous, and far less than it takes in these tests if it is not done at all."""


def eventually(holds: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Look again and again, a few times a second; AssertionError where it never holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
