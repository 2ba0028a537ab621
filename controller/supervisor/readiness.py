"""What a service's answers to its probes make of it: which state it is in, why it must be started anew, when to ask again. Decides only."""

from __future__ import annotations

from dataclasses import dataclass, field

STARTING_PERIOD, STARTING_EXEC_PERIOD = 0.06, 0.2
READY_PERIOD, DOUBT_PERIOD, DOUBTS = 5.0, 0.5, 3
HUNG_SECONDS = 60.0


@dataclass(frozen=True)
class Heard:
    """``state`` None: as it was. ``restart``: why it must be started anew, else None."""

    state: str | None = None
    reason: str = ""
    restart: str | None = None


@dataclass
class Readiness:
    """Of one process, from its start at ``begun`` on; seconds of one clock. One failure is a doubt, some of them are a state."""

    begun: float
    _answered: float = field(init=False)
    _doubts: int = 0

    def __post_init__(self) -> None:
        self._answered = self.begun

    def heard(self, problem: str | None, state: str, now: float, patience: float) -> Heard:
        """Of a process that is ``state`` (starting, ready, unready); ``problem`` None: it serves. ``patience``: seconds until it must."""
        if problem is None:
            self._answered, self._doubts = now, 0
            if state == "ready":
                return Heard()
            return Heard("ready", f"ready after {now - self.begun:.1f} s" if state == "starting" else "answers again")
        if state == "starting":
            if now - self.begun > patience:
                return Heard(restart=f"it was not ready within {patience:g} s: {problem}")
            return Heard(state, problem)
        self._doubts += 1
        silent = now - self._answered
        hung = f"it did not answer for {silent:.0f} s: {problem}" if silent > max(HUNG_SECONDS, patience) else None
        return Heard("unready" if self._doubts >= DOUBTS else None, problem, hung)

    def pause(self, state: str, kind: str | None) -> float:
        """Seconds until the next probe, which is of that kind (None: there is none)."""
        if state == "starting":
            return STARTING_EXEC_PERIOD if kind == "exec" else STARTING_PERIOD
        return DOUBT_PERIOD if self._doubts or state == "unready" else READY_PERIOD
