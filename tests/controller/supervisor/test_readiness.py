"""What probes make of a service, decided without one."""

from __future__ import annotations

import pytest

from controller.supervisor.readiness import DOUBT_PERIOD, DOUBTS, HUNG_SECONDS, READY_PERIOD, Heard, Readiness

NO = "tcp 1 does not accept connections"
PATIENCE = 20.0


def test_it_starts_until_it_answers() -> None:
    readiness = Readiness(100.0)
    assert readiness.heard(NO, "starting", 110.0, PATIENCE) == Heard("starting", NO)
    assert readiness.heard(None, "starting", 112.5, PATIENCE) == Heard("ready", "ready after 12.5 s")
    assert readiness.heard(None, "ready", 113.0, PATIENCE) == Heard()


def test_it_has_so_long_to_start() -> None:
    assert Readiness(0.0).heard(NO, "starting", 20.5, PATIENCE) == Heard(restart=f"it was not ready within 20 s: {NO}")


def test_one_doubt_is_no_state_and_an_answer_ends_all_of_them() -> None:
    readiness, state, seen = Readiness(0.0), "ready", []
    for now in range(DOUBTS):
        heard = readiness.heard(NO, state, float(now), PATIENCE)
        state = heard.state or state
        seen.append(state)
        assert readiness.pause(state, "tcp") == DOUBT_PERIOD
    assert seen == ["ready"] * (DOUBTS - 1) + ["unready"]
    assert readiness.heard(None, state, 9.0, PATIENCE) == Heard("ready", "answers again")
    assert readiness.heard(NO, "ready", 10.0, PATIENCE).state is None


def test_what_is_silent_for_too_long_is_started_anew() -> None:
    readiness = Readiness(0.0)
    readiness.heard(None, "starting", 5.0, PATIENCE)
    assert readiness.heard(NO, "unready", 5.0 + HUNG_SECONDS, PATIENCE).restart is None
    assert readiness.heard(NO, "unready", 6.0 + HUNG_SECONDS, PATIENCE).restart == f"it did not answer for 61 s: {NO}"
    assert readiness.heard(NO, "unready", 7.0 + HUNG_SECONDS, 2 * HUNG_SECONDS).restart is None  # who may start slowly may hang longer


@pytest.mark.parametrize(
    ("state", "kind"), [("starting", "tcp"), ("starting", "exec"), ("unready", "tcp"), ("ready", "tcp"), ("ready", None)]
)
def test_the_less_is_known_the_sooner_it_is_asked(state: str, kind: str | None) -> None:
    pauses = [Readiness(0.0).pause(*one) for one in (("starting", "tcp"), ("starting", "exec"), ("unready", "tcp"), ("ready", "tcp"))]
    assert pauses == sorted(pauses)
    assert Readiness(0.0).pause(state, kind) <= READY_PERIOD
