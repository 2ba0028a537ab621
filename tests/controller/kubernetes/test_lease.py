from __future__ import annotations

import pytest

from controller.kubernetes.api import ApiError
from controller.kubernetes.lease import HELD_SECONDS, LEASE_SECONDS, Lease
from tests.controller.kubernetes.conftest import Place


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lease(place: Place, identity: str, clock: Clock) -> Lease:
    return Lease(place.api, place.namespace, "demo", identity, clock)


def test_one_of_two_leads_and_the_other_takes_over_once_it_is_silent(place: Place, clock: Clock) -> None:
    one, two = lease(place, "one", clock), lease(place, "two", clock)
    one.attempt()
    two.attempt()
    assert (one.held, two.held, two.holder) == (True, False, "one")
    for _ in range(5):
        clock.now += LEASE_SECONDS - 5
        one.attempt()
        two.attempt()
        assert (one.held, two.held) == (True, False)
    clock.now += HELD_SECONDS
    assert not one.held  # it stops before anybody else may begin
    two.attempt()
    assert not two.held
    clock.now += LEASE_SECONDS
    two.attempt()
    assert two.held
    one.attempt()
    assert (one.held, one.holder) == (False, "two")


def test_a_leader_that_ends_in_order_is_followed_at_once(place: Place, clock: Clock) -> None:
    one, two = lease(place, "one", clock), lease(place, "two", clock)
    one.attempt()
    two.attempt()
    one.stop()
    assert not one.held
    two.attempt()
    assert two.held


def test_after_an_outage_the_same_one_goes_on(place: Place, clock: Clock) -> None:
    one = lease(place, "one", clock)
    one.attempt()
    clock.now += 300
    assert not one.held
    one.attempt()
    assert one.held


def test_of_two_that_take_it_at_once_one_is_told(place: Place, clock: Clock) -> None:
    one, two = lease(place, "one", clock), lease(place, "two", clock)
    get = place.api.get
    answers: list[object] = []

    class Racing(type(place.api)):  # type: ignore[misc]
        """Between reading and writing of ``two`` comes ``one``."""

        def get(self, path: str) -> object:
            found = get(path)
            if not answers:
                answers.append(found)
                one.attempt()
            return found

    two._api = Racing(place.plane.api())
    with pytest.raises(ApiError) as caught:
        two.attempt()
    assert caught.value.conflict
    assert (one.held, two.held) == (True, False)
