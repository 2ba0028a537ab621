"""Streams of one overwriting load meet on shards in any order: none of them waits for another one's end."""

from __future__ import annotations

import pathlib
import threading

from pools.data.settings import Limits
from pools.data.store import Store
from pools.data.tables import table_of
from tests.patience import PATIENCE
from tests.pools.data.stand import DB, table


def test_a_new_generation_waits_for_no_stream(tmp_path: pathlib.Path) -> None:
    store, of = Store(tmp_path, Limits()), table({"id": "bigint", "name": "text"})
    spec = table_of(DB, of)
    store.ensure_generation(spec, 1, "")
    with store.ledger.table((DB, of["id"])).schema.shared():
        assert store.ensure_generation(spec, 2, "load").number == 2
        assert store.ensure_generation(spec, 2, "load").number == 2
    store.close()


def test_who_waits_to_widen_goes_on_when_another_has(tmp_path: pathlib.Path) -> None:
    store, of = Store(tmp_path, Limits()), table({"id": "bigint"})
    store.ensure_generation(table_of(DB, of), 1, "")
    wider = table_of(DB, table({"id": "bigint", "name": "text"}, name=of["id"], schema_version=2))
    lock = store.ledger.table((DB, of["id"])).schema
    done = threading.Event()

    def widen() -> None:
        store.ensure_generation(wider, 1, "")
        done.set()

    with lock.shared():
        waiting = threading.Thread(target=widen)
        waiting.start()
        assert not done.wait(0.2)
    waiting.join(PATIENCE)
    with lock.shared():  # a stream of the widened table, which would otherwise be waited for
        store.ensure_generation(wider, 1, "")
    assert done.is_set()
    store.close()
