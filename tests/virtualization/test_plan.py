"""Cancellation of what runs: an interrupt is repeated until it has been heard."""

from __future__ import annotations

import threading

from tests.patience import PATIENCE
from virtualization.plan import QueryContext


def test_an_interrupt_is_repeated_until_its_registration_is_taken_back() -> None:
    context, heard, third = QueryContext(), [], threading.Event()

    def interrupt() -> None:
        heard.append(1)
        if len(heard) == 3:
            withdraw()
            third.set()

    withdraw = context.on_cancel(interrupt)
    context.cancel()
    context.cancel()
    assert third.wait(PATIENCE)
    assert not threading.Event().wait(0.3) and len(heard) == 3


def test_what_registers_after_the_cancel_is_interrupted_too() -> None:
    context, heard, second = QueryContext(), [], threading.Event()
    context.cancel()
    withdraw = context.on_cancel(lambda: heard.append(1) if not heard else second.set())
    assert heard and second.wait(PATIENCE)
    withdraw()
