"""Connecting within a time limit, with drivers that know none for a server that takes the connection and then says nothing.

Such a call can't be interrupted: it is left to a thread of its own, and there are never more of those than the source may have sessions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Attempts(Generic[T]):
    """To connect to one source; thread-safe. At most ``most`` at once; ``end`` closes a connection that nobody waits for any more."""

    def __init__(self, most: int, end: Callable[[T], Any]) -> None:
        self._places = threading.Semaphore(most)
        self._end = end

    def within(self, seconds: float, connect: Callable[[], T]) -> T:
        """What ``connect`` gives or raises; TimeoutError when it takes longer, or when as many as there may be still wait."""
        if not self._places.acquire(timeout=seconds):
            raise TimeoutError(f"earlier attempts to connect still wait for an answer, timed out after {seconds:g} s")
        attempt: _Attempt[T] = _Attempt()

        def work() -> None:
            try:
                attempt.connection = connect()
            except BaseException as error:  # noqa: BLE001 raised again by whoever waits
                attempt.error = error
            finally:
                self._places.release()
            with attempt.lock:
                attempt.over = True
                left = attempt.left
                attempt.changed.set()
            if left and attempt.connection is not None:
                self._end(attempt.connection)

        threading.Thread(target=work, name="connect", daemon=True).start()
        attempt.changed.wait(seconds)
        with attempt.lock:
            attempt.left = not attempt.over
        if attempt.left:
            raise TimeoutError(f"no answer, timed out after {seconds:g} s")
        if attempt.error is not None:
            raise attempt.error
        assert attempt.connection is not None
        return attempt.connection


class _Attempt(Generic[T]):
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.changed = threading.Event()
        self.over = self.left = False
        self.connection: T | None = None
        self.error: BaseException | None = None
