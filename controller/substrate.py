"""What the controller asks of a substrate, and what a substrate reports: the border between deciding and doing.

A substrate carries out neutral Workloads somewhere (processes of this machine, pods). It keeps them running by itself;
the controller only compares what is wanted with what is there. All calls block; SubstrateError when it does not answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from controller.spec import ClusterSpec
from pools.workload import Workload

State = Literal["waiting", "preparing", "starting", "ready", "unready", "backoff", "stopped", "done", "failed"]

STATE_MEANINGS: dict[State, str] = {
    "waiting": "asked for, but something it requires is not ready",
    "preparing": "a one-shot command before the first start runs",
    "starting": "the process runs, the probe has not succeeded yet",
    "ready": "the probe succeeds",
    "unready": "the probe succeeded before and now fails",
    "backoff": "the process ended and is started again in a moment",
    "stopped": "not running because nobody wants it to",
    "done": "a job that ended well with this content",
    "failed": "a job or a prepare command that ended badly, or a service that can't be started at all",
}
SATISFIED: frozenset[State] = frozenset({"ready", "done"})


@dataclass(frozen=True)
class ObservedWorkload:
    """One workload as the substrate sees it.

    reason        a sentence for people: why it is in this state
    since         Unix time of the last change of ``state``; None when unknown
    content_hash  ``Substrate.content_hash`` of what it was last asked to run; compared, never interpreted
    pid, started_at, restarts  of the process, where the substrate has processes
    exit_code     of a batch that ended; negative: the signal; None when nobody saw it
    """

    name: str
    state: State
    content_hash: str
    reason: str = ""
    since: float | None = None
    kind: Literal["service", "job", "batch"] = "service"
    pid: int | None = None
    started_at: float | None = None
    restarts: int = 0
    exit_code: int | None = None


@dataclass(frozen=True)
class Observed:
    """Everything the substrate runs of this cluster, ``control`` included where the substrate runs it."""

    workloads: tuple[ObservedWorkload, ...] = ()
    warnings: tuple[str, ...] = ()
    """Sentences about that on which it runs: all works, and something is not as safe as it should be."""

    def find(self, name: str) -> ObservedWorkload | None:
        """The workload of that name, or None."""
        return next((workload for workload in self.workloads if workload.name == name), None)


class Substrate(Protocol):
    """Carries out workloads."""

    def wanted(self, spec: ClusterSpec, desired: tuple[Workload, ...]) -> tuple[Workload, ...]:
        """Called at the start of each pass with all that is desired, since some substrates make one thing of several workloads (a pod of
        a pool instance) or need what the spec says about them. Returns the workloads as they are to be planned: the same ones, perhaps
        with more ``requires``."""
        ...

    def observe(self) -> Observed:
        """What is there now."""
        ...

    def content_hash(self, workload: Workload) -> str:
        """The digest that ``observe`` reports once this workload is carried out. It covers what the substrate itself fills in
        (paths, programs), so that a change there is seen as a difference too. No side effect."""
        ...

    def ensure(self, workload: Workload) -> str:
        """Have it run with this content; a no-op when it already does. Returns a sentence (which field differed, if it restarts)."""
        ...

    def stop(self, name: str, forget: bool = True) -> None:
        """Stop it; with ``forget`` it is not observed any more, its data stays (not that of a batch). No error when it is not there."""
        ...

    def clients(self, workload: Workload) -> int | None:
        """Connections to its ports that are open now; None when the substrate can't tell."""
        ...

    def host(self, name: str) -> str:
        """The name under which the controller reaches a workload's ports."""
        ...

    def tail(self, name: str, lines: int) -> tuple[str, ...]:
        """The last lines of its log, oldest first."""
        ...
