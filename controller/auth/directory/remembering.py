"""Logins that the directory found right a moment ago: kept as keyed digests that only this process can make, never a password."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

KEPT = 10_000


class RightLogins:
    """For ``seconds`` each; a changed stamp of the user ends it at once. Safe in threads."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._mutex = threading.Lock()
        self._known: OrderedDict[bytes, tuple[str, str, float]] = OrderedDict()

    def find(self, typed: str, password: str) -> tuple[str, str] | None:
        """The user's name and stamp then, if this was right lately."""
        digest = self._digest(typed, password)
        with self._mutex:
            name, stamp, until = self._known.get(digest, ("", "", 0.0))
            if not name or self._clock() >= until:
                self._known.pop(digest, None)
                return None
            return name, stamp

    def note(self, typed: str, password: str, name: str, stamp: str) -> None:
        """The directory found it right now."""
        if self._seconds <= 0:
            return
        with self._mutex:
            self._known[self._digest(typed, password)] = (name, stamp, self._clock() + self._seconds)
            while len(self._known) > KEPT:
                self._known.popitem(last=False)

    def _digest(self, typed: str, password: str) -> bytes:
        return hmac.digest(self._key, json.dumps([typed, password]).encode(), hashlib.sha256)
