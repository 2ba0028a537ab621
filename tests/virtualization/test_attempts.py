"""Attempts to connect that may be left."""

from __future__ import annotations

import threading

import pytest

from tests.patience import PATIENCE
from virtualization.attempts import Attempts


def test_what_comes_and_what_fails() -> None:
    attempts: Attempts[str] = Attempts(1, print)
    assert attempts.within(PATIENCE, lambda: "connection") == "connection"

    def refuse() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        attempts.within(PATIENCE, refuse)
    assert attempts.within(PATIENCE, lambda: "again") == "again"


def test_what_comes_too_late_is_ended_and_only_so_many_are_left() -> None:
    ended: list[str] = []
    answered, closed = threading.Event(), threading.Event()

    def end(connection: str) -> None:
        ended.append(connection)
        closed.set()

    attempts: Attempts[str] = Attempts(1, end)

    def slow() -> str:
        answered.wait(PATIENCE)
        return "late"

    with pytest.raises(TimeoutError, match="no answer"):
        attempts.within(0.05, slow)
    with pytest.raises(TimeoutError, match="earlier attempts"):
        attempts.within(0.05, slow)
    answered.set()
    assert closed.wait(PATIENCE) and ended == ["late"]
    assert attempts.within(PATIENCE, lambda: "next") == "next"
