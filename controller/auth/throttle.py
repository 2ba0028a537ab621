"""Limits on log-ins: a lock-out per user name after wrong passwords in a row, and a cap on hashing at the same time.

Kept in memory: a controller that is started again forgets, which only an administrator of the machine can cause. Unknown names are counted
like known ones, so that a lock-out does not tell which names exist.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from controller.errors import RateLimitError

MAX_NAMES = 10_000
ADMINS = ", or let an admin set a new password: bdc user passwd NAME; for the last admin, on the cluster's machine: bdc user recover-admin"


@dataclass
class _Count:
    wrong: int = 0
    locked_until: float = 0.0
    stamp: str = ""


class Throttle:
    """``attempts`` wrong passwords in a row lock a name for ``lockout_seconds``. The clock is monotonic seconds."""

    def __init__(self, attempts: int, lockout_seconds: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.attempts = attempts
        self.lockout_seconds = lockout_seconds
        self._clock = clock
        self._counts: OrderedDict[str, _Count] = OrderedDict()
        self._lock = threading.Lock()

    def limit(self, attempts: int, lockout_seconds: int) -> None:
        """From now on."""
        self.attempts, self.lockout_seconds = attempts, lockout_seconds

    def check(self, name: str, stamp: str = "", hint: str = ADMINS) -> None:
        """RateLimitError while ``name`` is locked. Counts the attempt as wrong until ``succeeded`` says otherwise, so that
        parallel attempts can't slip through while hashes are being computed. ``stamp`` is the password's: a new one begins a new count,
        also where another process has set it (``bdc user recover-admin``, another controller). ``hint``: the way out besides waiting."""
        with self._lock:
            count = self._counts.setdefault(name, _Count(stamp=stamp))
            if count.stamp != stamp:
                self._counts[name] = count = _Count(stamp=stamp)
            self._counts.move_to_end(name)
            while len(self._counts) > MAX_NAMES:
                self._counts.popitem(last=False)
            left = count.locked_until - self._clock()
            if left > 0:
                raise RateLimitError(
                    "too many wrong passwords for this user",
                    retry_after=math.ceil(left),
                    where="username",
                    hint=f"try again in {math.ceil(left)} s{hint}",
                )
            count.wrong += 1
            if count.wrong >= self.attempts:
                count.locked_until = self._clock() + self.lockout_seconds
                count.wrong = 0

    def withdrawn(self, name: str) -> None:
        """The attempt could not be judged (the directory is away): it does not count."""
        with self._lock:
            count = self._counts.get(name)
            if count is not None and count.wrong > 0:
                count.wrong -= 1

    def succeeded(self, name: str) -> None:
        """The right password was given, or an admin set a new one: start counting afresh."""
        with self._lock:
            self._counts.pop(name, None)
