"""What every store of the controller has to hold, whatever it keeps its documents in."""

from __future__ import annotations

import threading
from collections.abc import Callable

from controller.store import Store

WRITERS = 4


def updates_of_many_writers_are_all_there(make: Callable[[], Store], times: int) -> None:
    """``make``: one more store over the same documents, as another controller has it."""

    def work() -> None:
        mine = make()
        for _ in range(times):
            mine.update("n.json", lambda before: {"n": (before or {"n": 0})["n"] + 1})

    threads = [threading.Thread(target=work) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert make().read("n.json") == {"n": WRITERS * times}
