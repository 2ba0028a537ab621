"""What a task leaves in its Python worker."""

from __future__ import annotations

import gc
import time

from pyspark_bdc.task import keep_imports


def test_what_is_imported_is_not_looked_at_again() -> None:
    held = [[number] for number in range(300_000)]
    try:
        keep_imports()
        frozen, began = gc.get_freeze_count(), time.process_time()
        gc.collect()
        after = time.process_time() - began
        keep_imports()
        assert gc.get_freeze_count() == frozen >= len(held)
    finally:
        gc.unfreeze()
    began = time.process_time()
    gc.collect()
    assert after < time.process_time() - began
