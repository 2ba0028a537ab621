"""What every store of the controller has to hold, whatever it keeps its documents in."""

from __future__ import annotations

import threading
from collections.abc import Callable

from controller.store import Store
from tests.patience import PATIENCE

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


def a_change_may_change_another_document(store: Store) -> None:
    """Users are entered so: the key of their passwords is made with the first one."""

    def change(before: object) -> object:
        return {"key": store.update("key.json", lambda known: known or {"key": 1})["key"]}

    done: list[object] = []
    worker = threading.Thread(target=lambda: done.append(store.update("users.json", change)), daemon=True)
    worker.start()
    worker.join(PATIENCE)
    assert done == [{"key": 1}], "it waits for itself"
    assert (store.read("users.json"), store.read("key.json")) == ({"key": 1}, {"key": 1})
