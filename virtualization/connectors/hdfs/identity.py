"""Whose name HDFS is told. Under simple authentication it believes any; hdfs-native reads it from the environment of the process
each time it opens a connection, also when it opens one again after an idle hour.

So every request runs while the variable holds its user. Requests of one user run side by side; another user's wait for them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from virtualization.errors import SourceTimeoutError

_VARIABLE = "HADOOP_USER_NAME"


class _Gate:
    """Who holds the variable, and how many requests of that user run."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.user: str | None = None
        self.running = 0
        self.before: str | None = None


_GATE = _Gate()


class Hold:
    """The variable is kept at one user until ``release``, which may be called twice."""

    def __init__(self, user: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._held = True
        with _GATE.changed:
            while _GATE.running and _GATE.user != user:
                if not _GATE.changed.wait(end - time.monotonic()) and time.monotonic() >= end:
                    raise SourceTimeoutError("HDFS requests of another user do not end", hint="Is a NameNode in trouble?")
            if not _GATE.running:
                _GATE.before, _GATE.user = os.environ.get(_VARIABLE), user
                os.environ[_VARIABLE] = user
            _GATE.running += 1

    def release(self) -> None:
        """Let other users' requests run."""
        with _GATE.changed:
            if not self._held:
                return
            self._held = False
            _GATE.running -= 1
            if not _GATE.running:
                _restore(_GATE.before)
                _GATE.changed.notify_all()


@contextmanager
def acting_as(user: str, seconds: float) -> Iterator[None]:
    """Hold the variable at ``user``; SourceTimeoutError when another user's requests do not end in time."""
    hold = Hold(user, seconds)
    try:
        yield
    finally:
        hold.release()


def _restore(value: str | None) -> None:
    if value is None:
        os.environ.pop(_VARIABLE, None)
    else:
        os.environ[_VARIABLE] = value
