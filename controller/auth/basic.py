"""User and password with each request (HTTP Basic), for programs that can't log in first: Prometheus.

Checking a password costs 0.2 s and 16 MB by design. One that was right is remembered for a few minutes as a keyed digest that only this
process can make, together with the stored hash: a new password, or a removed user, ends it at once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from controller.auth.users import User

GOOD_SECONDS = 300.0
KEPT = 100


class Remembered:
    """Passwords that were right. Used from several threads: each call is one step of a dictionary."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = secrets.token_bytes(32)
        self._clock = clock
        self._known: OrderedDict[bytes, float] = OrderedDict()

    def holds(self, user: User, password: str) -> bool:
        """Was this password right for this user lately, and is it still his?"""
        until = self._known.get(self._digest(user, password))
        return until is not None and self._clock() < until

    def note(self, user: User, password: str) -> None:
        """It was right."""
        self._known[self._digest(user, password)] = self._clock() + GOOD_SECONDS
        while len(self._known) > KEPT:
            self._known.popitem(last=False)

    def _digest(self, user: User, password: str) -> bytes:
        what = json.dumps([user["name"], password, user["password"], user["stamp"]], default=str)
        return hmac.digest(self._key, what.encode(), hashlib.sha256)


def credentials(header: str) -> tuple[str, str] | None:
    """User and password of a header ``Authorization: Basic …``; None for any other."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:  # no base64, not even ASCII, or no UTF-8 in it
        return None
    return (name, password) if colon else None
