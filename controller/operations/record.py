"""Operations in the store (``operations.json``): what is asked for, how far it is, what became of it. The last ones are kept."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from controller.errors import ConflictError, UnknownNameError
from controller.store import Store

FILE = "operations.json"
KEPT = 30
State = Literal["running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class Operation:
    """``request``: what was asked for; ``memo``: what a step leaves for the next one, so it must never be more than a hint; ``phase``: a
    sentence: what it does or waits for; ``problem``: ``{code, message, where, hint}`` of one that failed. Times are Unix seconds."""

    number: int
    kind: str
    user: str
    request: dict[str, Any]
    state: State = "running"
    phase: str = "begins"
    begun_at: float = 0.0
    ended_at: float | None = None
    memo: dict[str, Any] = field(default_factory=dict)
    problem: dict[str, str | None] | None = None

    def at(self, phase: str, **memo: object) -> Operation:
        """The same, further on."""
        return dataclasses.replace(self, phase=phase, memo={**self.memo, **memo})

    def ended(self, state: State, phase: str, problem: dict[str, str | None] | None = None) -> Operation:
        """At its end."""
        return dataclasses.replace(self, state=state, phase=phase, problem=problem, ended_at=round(time.time(), 3))


class Operations:
    """The record. One operation at a time: they all change the same spec."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_all(self) -> tuple[Operation, ...]:
        """The latest first."""
        return tuple(reversed(_read(self._store.read(FILE))))

    def running(self) -> Operation | None:
        """The one that is under way."""
        return next((one for one in self.list_all() if one.state == "running"), None)

    def get(self, number: int) -> Operation:
        """UnknownNameError for a number that never was, or is forgotten."""
        found = next((one for one in self.list_all() if one.number == number), None)
        if found is None:
            raise UnknownNameError(f"there is no operation {number}", where="number", hint="list them with: bdc operation list")
        return found

    def begin(self, kind: str, user: str, request: dict[str, Any]) -> Operation:
        """ConflictError while another one is under way; the very same request joins it."""
        made: list[Operation] = []  # the store may call more than once: the last one counts

        def change(before: Any) -> Any:  # noqa: ANN401 (what the file holds)
            known = _read(before)
            under_way = next((one for one in known if one.state == "running"), None)
            if under_way is not None:
                if (under_way.kind, under_way.request) != (kind, request):
                    raise ConflictError(
                        f"{under_way.kind} by {under_way.user} is under way (operation {under_way.number}): {under_way.phase}",
                        where="operations",
                        hint=f"wait for it (bdc operation follow {under_way.number}), or end it: bdc operation cancel {under_way.number}",
                    )
                made.append(under_way)
                return before
            number = max((one.number for one in known), default=0) + 1
            made.append(Operation(number, kind, user, request, begun_at=round(time.time(), 3)))
            return _written([*known, made[-1]])

        self._store.update(FILE, change)
        return made[-1]

    def keep(self, operation: Operation) -> None:
        """Write how far it is, unless it was ended meanwhile."""

        def change(before: Any) -> Any:  # noqa: ANN401 (what the file holds)
            known = _read(before)
            return _written([operation if one.number == operation.number and one.state == "running" else one for one in known])

        self._store.update(FILE, change)

    def cancel(self, number: int, user: str) -> Operation:
        """End it where it stands; ConflictError for one that has ended."""
        found = self.get(number)
        if found.state != "running":
            raise ConflictError(f"operation {number} has ended: {found.state}", where="number", hint="bdc operation list")
        self.keep(found.ended("cancelled", f"cancelled by {user}; before that: {found.phase}"))
        return self.get(number)


def _read(content: Any) -> list[Operation]:  # noqa: ANN401 (what the file holds)
    return [Operation(**entry) for entry in content] if isinstance(content, list) else []


def _written(operations: list[Operation]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(one) for one in operations[-KEPT:]]
