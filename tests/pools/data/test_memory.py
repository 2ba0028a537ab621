"""Who is let in above the memory limit."""

from __future__ import annotations

import pytest

from pools.data import memory
from pools.data.errors import ShardError


def test_above_the_limit_one_call_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is at rest above its limit (an allocator gives back when it likes) must not refuse everything for ever."""
    monkeypatch.setattr(memory, "WAIT_SECONDS", 0.1)
    small = memory.Memory(limit_bytes=1)
    small.admit()
    with pytest.raises(ShardError, match="memory limit") as refused:
        small.admit()
    assert refused.value.code == "53200"
    small.leave()
    small.admit()
