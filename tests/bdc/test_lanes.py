"""A few things at once: all results, one error, nothing that goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from bdc.lanes import Lanes, StoppedError
from tests.patience import PATIENCE


def test_all_results_arrive_and_tasks_are_taken_when_there_is_a_place() -> None:
    taken, ended, most = 0, 0, 0
    results: list[int] = []

    def tasks() -> Iterator[Callable[[], int]]:
        nonlocal taken, most
        for number in range(100):
            taken += 1
            most = max(most, taken - ended)
            yield lambda number=number: number

    def took(result: int) -> None:
        nonlocal ended
        ended += 1
        results.append(result)

    Lanes[int](3).run(tasks(), took)
    assert sorted(results) == list(range(100)) and most <= 3 + 3


def test_no_more_run_at_once_than_there_are_lanes() -> None:
    met = threading.Barrier(3)
    Lanes[int](3).run([met.wait] * 9, lambda _: None)
    with pytest.raises(threading.BrokenBarrierError):
        Lanes[int](2).run([lambda: met.wait(0.1)] * 3, lambda _: None)


def test_a_single_one_runs_in_the_callers_thread() -> None:
    found: list[threading.Thread] = []
    Lanes[threading.Thread](3).run([threading.current_thread], found.append)
    assert found == [threading.current_thread()]
    Lanes[threading.Thread](3).run([], found.append)


@pytest.mark.parametrize("where", ["task", "tasks", "ended"])
def test_the_first_error_ends_the_others_before_it_is_raised(where: str) -> None:
    lanes, begun, over = Lanes[int](3), threading.Event(), threading.Event()

    def long() -> int:
        begun.set()
        try:
            while not over.wait(0.01):
                lanes.check()
        except StoppedError:
            over.set()
            raise
        return 0

    def fails() -> int:
        assert begun.wait(PATIENCE)
        raise ValueError("this one")

    def tasks() -> Iterator[Callable[[], int]]:
        yield from (long, fails if where == "task" else lambda: 1)
        if where == "tasks":
            fails()
        yield from [lambda: 1] * 5

    with pytest.raises(ValueError, match="this one"):
        lanes.run(tasks(), lambda _: fails() if where == "ended" else None)
    assert over.is_set()
