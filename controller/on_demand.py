"""Which workloads that start on first use are asked for, and since when nobody uses them.

The asking is kept in the store (``on_demand.json``: name → Unix time of the last use), so it outlives controller, supervisor and machine.
A workload that nobody asked for *rests*: it is part of the cluster, its ports are kept, nothing of it runs.
"""

from __future__ import annotations

from collections.abc import Callable

from controller.store import Store
from controller.substrate import Observed
from pools.workload import Workload

FILE = "on_demand.json"
NOTED_EVERY = 30.0
"""Seconds: a use is not written to the disk more often."""

Clients = Callable[[Workload], int | None]
"""How many clients are connected to a workload; None where nobody can tell."""


class Demand:
    """What is asked for. Stateless but for the store; safe in several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def asked(self) -> dict[str, float]:
        """Name → Unix time of the last use."""
        found = self._store.read(FILE)
        return {str(name): float(used) for name, used in found.items()} if isinstance(found, dict) else {}

    def ask(self, name: str, now: float) -> None:
        """Have it run."""
        self._store.update(FILE, lambda found: {**(found or {}), name: now})

    def dismiss(self, name: str) -> None:
        """Have it rest. No error when it does."""
        if name in self.asked():
            self._store.update(FILE, lambda found: {other: used for other, used in (found or {}).items() if other != name})

    def resting(self, desired: tuple[Workload, ...], observed: Observed, clients: Clients, now: float) -> frozenset[str]:
        """The names of those that are to rest. Notes uses, and dismisses what nobody has used for its ``idle_seconds``."""
        on_demand = [workload for workload in desired if workload.on_demand is not None]
        asked = self.asked() if on_demand else {}
        return frozenset(
            workload.name
            for workload in on_demand
            if workload.name not in asked or self._idle(workload, asked[workload.name], observed, clients, now)
        )

    def _idle(self, workload: Workload, used: float, observed: Observed, clients: Clients, now: float) -> bool:
        limit = workload.on_demand.idle_seconds if workload.on_demand else None
        seen = observed.find(workload.name)
        if limit is None or seen is None or seen.state != "ready":
            return False
        if clients(workload) != 0:  # somebody is connected, or nobody can tell
            if now - used > NOTED_EVERY:
                self.ask(workload.name, now)
            return False
        if now - max(used, seen.since or 0.0) < limit:
            return False
        self.dismiss(workload.name)
        return True
