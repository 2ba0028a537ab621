"""Reads with the same pin see one state."""

from __future__ import annotations

import pytest

from pools.compute.catalogs import Identity
from pools.compute.errors import StatementError
from pools.compute.loads.pins import LONGEST_PIN, Pins
from virtualization.placement import ReadState

ANN, BOB = Identity("ann", "bdc", mapping=False), Identity("bob", "bdc", mapping=False)


def test_the_first_read_decides() -> None:
    pins = Pins()
    assert pins.state(ANN, "query 1", ReadState(7)) == ReadState(7)
    assert pins.state(ANN, "query 1", ReadState(8)) == ReadState(7)
    assert pins.state(ANN, "query 1", None) == ReadState(7)
    assert pins.state(ANN, "query 2", ReadState(8)) == ReadState(8)


def test_pins_are_a_users_own_and_none_is_none() -> None:
    pins = Pins()
    pins.state(ANN, "query 1", ReadState(7))
    assert pins.state(BOB, "query 1", ReadState(8)) == ReadState(8)
    assert pins.state(ANN, None, ReadState(9)) == ReadState(9)
    assert pins.state(ANN, "new", None) is None


def test_the_oldest_is_forgotten() -> None:
    pins = Pins(most=2)
    for number in (1, 2, 3):
        pins.state(ANN, f"query {number}", ReadState(number))
    assert [pins.state(ANN, f"query {number}", None) for number in (1, 2, 3)] == [None, ReadState(2), ReadState(3)]


@pytest.mark.parametrize("pin", ["", 7, "x" * (LONGEST_PIN + 1), ["a"]])
def test_what_is_no_pin(pin: object) -> None:
    with pytest.raises(StatementError, match="pin must be"):
        Pins().state(ANN, pin, ReadState(1))
