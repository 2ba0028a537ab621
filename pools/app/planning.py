"""What a scheduled app does next, decided without a clock and without files: the state, a look at what is so, and out come the next state,
lines of the history, and whether a run begins.

    planned ──not later than GRACE──> run                      noticed "on time"
       └──later, because …──> gap ──skip──> line "missed"
                               └───once──> line "missed", and one run   noticed "missed"
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from apps.schedule import Due, Schedule

GRACE = 60.0
"""A run that begins so many seconds after its planned time is on time: a restart of the proxy takes some of them."""
ABSENT, ASLEEP, UNDER_WAY = "the app proxy was not running", "the machine slept, or its clock was set", "the run before was still under way"


@dataclass(frozen=True)
class Gap:
    """Planned times that were let go, one after the other for the same reason. ``count``: at least so many."""

    first: float
    last: float
    count: int
    why: str


@dataclass(frozen=True)
class Run:
    """``planned``: for when; ``noticed``: "on time", or "missed"."""

    planned: float
    started: float
    noticed: str
    request: str


@dataclass(frozen=True)
class State:
    """``handled``: all planned times up to it are done with: a run is never begun for them again."""

    handled: float
    gap: Gap | None = None
    running: Run | None = None


@dataclass(frozen=True)
class Look:
    """What is so now. ``began``: since when the proxy runs; ``hindered``: why no run can begin."""

    now: float
    began: float
    hindered: str | None = None


@dataclass(frozen=True)
class Decision:
    """``start``: the planned time and how it was noticed; ``lines`` of the history."""

    state: State
    lines: tuple[dict[str, Any], ...] = ()
    start: tuple[float, str] | None = None


def decide(schedule: Schedule, state: State, look: Look) -> Decision:
    """The next step. The same state is given back where nothing is due."""
    if state.handled > look.now + GRACE:  # the clock was set back: else nothing would run until it is there again
        return Decision(replace(state, handled=look.now))
    coming = schedule.next(state.handled)
    if state.gap is None and (coming is None or coming > look.now):
        return Decision(state)
    edge = max(state.handled, look.now - (0.0 if state.running else GRACE))
    lines: list[dict[str, Any]] = []
    gap = state.gap
    for until, why in ((min(look.began, edge), ABSENT), (edge, look.hindered or ASLEEP)):
        if until > state.handled and (due := schedule.due(state.handled, until)) is not None:
            gap = _joined(gap, due, why, lines)
            state = replace(state, handled=until, gap=gap)
    if look.hindered is not None:
        return Decision(state, tuple(lines))
    start, fresh = None, schedule.due(max(state.handled, edge), look.now)
    if fresh is not None:
        start = (fresh.last, "on time")
    elif gap is not None and schedule.missed == "once":
        start = (gap.last, "missed")
    if gap is not None:
        lines.append(missed(gap))
    return Decision(State(look.now if fresh or gap else state.handled), tuple(lines), start)


def _joined(gap: Gap | None, due: Due, why: str, lines: list[dict[str, Any]]) -> Gap:
    """One gap as long as the reason is the same."""
    if gap is not None and gap.why == why:
        return Gap(gap.first, due.last, gap.count + due.count, why)
    if gap is not None:
        lines.append(missed(gap))
    return Gap(due.first, due.last, due.count, why)


def missed(gap: Gap) -> dict[str, Any]:
    """Its line."""
    return {"planned": gap.first, "until": gap.last, "missed": gap.count, "result": "missed", "noticed": "missed", "reason": gap.why}


def interrupted(run: Run) -> dict[str, Any]:
    """The line of a run that was under way when the proxy ended without a word."""
    return {**begun(run), "result": "interrupted", "reason": "the app proxy ended in the middle of the run"}


def begun(run: Run) -> dict[str, Any]:
    """What all lines of a run hold."""
    return {"planned": run.planned, "started": run.started, "noticed": run.noticed, "request": run.request}
