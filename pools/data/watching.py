"""Notices readers that have left while their statement computes: DuckDB asks nobody, so a thread looks after the connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TICK_SECONDS = 0.25
"""A reader that has left costs so much computing at most."""


class Watch:
    """One thread for all reads; it rests while there are none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._some = threading.Event()
        self._reads: dict[int, tuple[Callable[[], bool], Callable[[], None]]] = {}
        self._next = 0
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    @contextmanager
    def over(self, left: Callable[[], bool], interrupt: Callable[[], None]) -> Iterator[None]:
        """While the block runs, ``left`` is asked, and when it says so ``interrupt`` is called, again and again: the first time may fall
        between two statements. Neither is called after the block."""
        with self._lock:
            self._next += 1
            number = self._next
            self._reads[number] = left, interrupt
            self._some.set()
        try:
            yield
        finally:
            with self._lock:
                self._reads.pop(number)

    def _run(self) -> None:
        while True:
            self._some.wait()
            time.sleep(TICK_SECONDS)
            self._look()

    def _look(self) -> None:
        with self._lock:
            for left, interrupt in self._reads.values():
                if left():
                    interrupt()
            if not self._reads:
                self._some.clear()
