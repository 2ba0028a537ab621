"""What a schedule does next, as a table: no clock, no files."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.schedule import Schedule
from pools.app.planning import ABSENT, ASLEEP, GRACE, UNDER_WAY, Decision, Gap, Look, Run, State, decide, missed

T = 1_800_000_000.0  # a full hour
M = 60.0
EVERY, HOURLY = Schedule("* * * * *"), Schedule("0 * * * *")
ONCE = Schedule("0 * * * *", missed="once")
RUN = Run(T, T, "on time", "r")


@pytest.mark.parametrize(
    ("schedule", "state", "look", "expected"),
    [
        (HOURLY, State(T), Look(T + M, T), Decision(State(T))),  # nothing is due
        (HOURLY, State(T - M), Look(T, 0), Decision(State(T), (), (T, "on time"))),
        (HOURLY, State(T - M), Look(T + GRACE - 1, 0), Decision(State(T + GRACE - 1), (), (T, "on time"))),  # late, not missed
        (HOURLY, State(T - M), Look(T + GRACE, 0), Decision(State(T + GRACE), (missed(Gap(T, T, 1, ASLEEP)),))),
        (ONCE, State(T - M), Look(T + GRACE, 0), Decision(State(T + GRACE), (missed(Gap(T, T, 1, ASLEEP)),), (T, "missed"))),
        (HOURLY, State(T - M), Look(T, 0, "no"), Decision(State(T - M))),  # it may still be in time
        (HOURLY, State(T - M), Look(T + GRACE, 0, "no"), Decision(State(T, Gap(T, T, 1, "no")))),
        (EVERY, State(T, None, RUN), Look(T + M, 0, UNDER_WAY), Decision(State(T + M, Gap(T + M, T + M, 1, UNDER_WAY), RUN))),
        (ONCE, State(T, Gap(T, T, 1, "no")), Look(T + 1, 0), Decision(State(T + 1), (missed(Gap(T, T, 1, "no")),), (T, "missed"))),
        (ONCE, State(T, Gap(T, T, 1, "no")), Look(T + 1, 0, "no"), Decision(State(T, Gap(T, T, 1, "no")))),
        (
            EVERY, State(T), Look(T + 5 * M, T + 2 * M),
            Decision(
                State(T + 5 * M),
                (missed(Gap(T + M, T + 2 * M, 2, ABSENT)), missed(Gap(T + 3 * M, T + 4 * M, 2, ASLEEP))),
                (T + 5 * M, "on time"),
            ),
        ),
        (HOURLY, State(T + 9999), Look(T, 0), Decision(State(T))),  # the clock was set back
    ],
)  # fmt: skip
def test_the_next_step(schedule: Schedule, state: State, look: Look, expected: Decision) -> None:
    assert decide(schedule, state, look) == expected


LOOKS = st.lists(st.tuples(st.floats(0.5, 400), st.booleans(), st.booleans()), max_size=40)


@settings(deadline=None, max_examples=150)
@given(LOOKS, st.sampled_from(["* * * * *", "*/7 * * * *", "0,1,2 * * * *"]), st.sampled_from(["skip", "once"]))
def test_every_planned_time_is_run_or_missed_just_once(looks: list[tuple[float, bool, bool]], cron: str, policy: str) -> None:
    """Whatever comes between: hindrances, restarts (the state is all that is known after one), long sleeps."""
    schedule = Schedule(cron, missed=policy)  # type: ignore[arg-type] # one of its words
    state, now, began = State(T), T, T
    told: list[float] = []
    for seconds, hindered, restarted in looks:
        now += seconds
        began = now if restarted else began
        before = state
        found = decide(schedule, state, Look(now, began, "hindered" if hindered else None))
        state = found.state
        for line in found.lines:
            told += times(schedule, line["planned"], line["until"])
            assert len(times(schedule, line["planned"], line["until"])) == line["missed"]
        if found.start is not None:
            assert not hindered
            assert found.start[0] <= now
            if found.start[1] == "on time":
                assert now - found.start[0] < GRACE
                told.append(found.start[0])
            else:
                assert policy == "once"
        assert state.handled >= before.handled
    told += times(schedule, state.gap.first, state.gap.last) if state.gap else []
    assert told == sorted(set(told))
    assert told == times(schedule, T + 1, state.handled)


def times(schedule: Schedule, first: float, last: float) -> list[float]:
    """All planned ones of that span."""
    found, after = [], first - 1
    while (coming := schedule.next(after)) is not None and coming <= last:
        found.append(coming)
        after = coming
    return found
