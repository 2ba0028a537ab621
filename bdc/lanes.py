"""A few things at once, whose end is clean: whatever ends them, all that was begun has ended too when the call returns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class StoppedError(Exception):
    """Of something that was under way when another thing failed, or the user gave up; nobody gets to see it."""


class Lanes(Generic[T]):
    """``number`` threads for as long as ``run`` runs. Each task asks ``check`` now and then."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._stopping = threading.Event()

    def check(self) -> None:
        """StoppedError where it is all in vain by now."""
        if self._stopping.is_set():
            raise StoppedError

    def run(self, tasks: Iterable[Callable[[], T]], ended: Callable[[T], None]) -> None:
        """All of them; ``ended`` gets each result, in the caller's thread. A single one runs in that thread too, so that an interrupt
        reaches it at once. The first error (of a task, or of ``tasks`` itself) is raised when those under way have given up."""
        rest = iter(tasks)
        first = list(islice(rest, 2))
        if len(first) < 2:
            for task in first:
                ended(task())
            return
        threads = ThreadPoolExecutor(self._number, "lane")
        try:
            for result in self._results(threads, first, rest):
                ended(result)
        except BaseException:
            self._stopping.set()
            raise
        finally:
            threads.shutdown(wait=True, cancel_futures=True)

    def _results(self, threads: ThreadPoolExecutor, first: Iterable[Callable[[], T]], rest: Iterable[Callable[[], T]]) -> Iterator[T]:
        """A task is taken when there is a place for it: there may be millions."""
        waiting: set[Future[T]] = set()
        for tasks in (first, rest):
            for task in tasks:
                waiting.add(threads.submit(task))
                if len(waiting) > self._number:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (one.result() for one in done)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from (one.result() for one in done)
