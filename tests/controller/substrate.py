"""A stand-in for a substrate: carries out workloads in memory, one state forward at each ``tick``."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from controller.errors import SubstrateError
from controller.spec import ClusterSpec
from controller.substrate import Observed, ObservedWorkload, State
from pools.workload import Workload

NEXT: dict[State, State] = {"preparing": "starting", "starting": "ready", "unready": "ready", "backoff": "starting"}


class StandInSubstrate:
    """``calls`` lists what was asked; ``broken`` makes every call fail."""

    def __init__(self) -> None:
        self.running: dict[str, ObservedWorkload] = {}
        self.calls: list[str] = []
        self.broken = False
        self.refused: set[str] = set()
        self.connected: dict[str, int] = {}

    def wanted(self, spec: ClusterSpec, desired: tuple[Workload, ...]) -> tuple[Workload, ...]:
        return desired

    def observe(self) -> Observed:
        self._check()
        return Observed(tuple(self.running.values()))

    def content_hash(self, workload: Workload) -> str:
        return hashlib.sha256(repr(workload).encode()).hexdigest()

    def ensure(self, workload: Workload) -> str:
        self._check()
        if workload.name in self.refused:
            raise SubstrateError(f"{workload.name} was refused")
        self.calls.append(f"ensure {workload.name}")
        self.running[workload.name] = ObservedWorkload(
            workload.name, "preparing", self.content_hash(workload), "initdb", kind=workload.kind
        )
        return ""

    def stop(self, name: str, forget: bool = True) -> None:
        self._check()
        self.calls.append(f"stop {name}" if forget else f"rest {name}")
        before = self.running.pop(name, None)
        if before is not None and not forget:
            self.running[name] = replace(before, state="stopped")

    def clients(self, workload: Workload) -> int | None:
        return self.connected.get(workload.name, 0)

    def host(self, name: str) -> str:
        return "127.0.0.1"

    def tail(self, name: str, lines: int) -> tuple[str, ...]:
        return tuple(f"{name} line {number}" for number in range(lines))

    def tick(self) -> None:
        """Everything takes its next step."""
        for name, seen in self.running.items():
            after: State = NEXT.get(seen.state, seen.state)
            self.running[name] = ObservedWorkload(
                name, "done" if after == "ready" and seen.kind == "job" else after, seen.content_hash, kind=seen.kind
            )

    def _check(self) -> None:
        if self.broken:
            raise SubstrateError("the supervisor does not answer", hint="bdc start")


def workload(name: str, *requires: str, kind: str = "service", command: str = "true") -> Workload:
    """A small workload."""
    return Workload(name=name, pool="master", service="sql", resource=name, command=(command,), requires=requires, kind=kind)  # type: ignore[arg-type]
