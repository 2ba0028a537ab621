"""Waiting until the cluster is what a spec says: each look says what it still waits for."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from controller.errors import ControllerError
from controller.operations.document import SpecDocument
from controller.operations.planning import Planner
from controller.operations.record import Operation
from controller.spec import ClusterSpec, load_spec
from controller.status import ClusterStatus
from controller.substrate import SATISFIED, Observed

WAKE_SECONDS = 5.0
FAILED_SECONDS = 30.0
"""A part that ended again and again, or can't start, for so long ends the wait: it is tried again meanwhile, with growing pauses."""
CALM_SECONDS = 20.0
"""Between two ends a part runs for a moment; one that runs for so long has not failed."""
LOG_LINES = 10
FAILING = ("failed", "backoff")


class View(Protocol):
    """The reconcile loop."""

    def spec(self) -> ClusterSpec:
        """The spec in force."""
        ...

    def status(self) -> ClusterStatus:
        """Of the last pass."""
        ...

    def wake(self, wait: float = 0.0) -> bool:
        """Have a pass run now."""
        ...


class NotSettledError(ControllerError):
    """The cluster did not become what the spec says. ``why``: the last lines of the log of the part that is to blame."""

    code = "not_settled"
    category = "service"
    status = 503

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None, why: str | None = None) -> None:
        super().__init__(message, where=where, hint=hint)
        self.why = why

    def envelope(self) -> dict[str, str | None]:
        """With ``why``."""
        return {**super().envelope(), "why": self.why}


@dataclass(frozen=True)
class Settling:
    """Writes a spec once, and waits for it."""

    document: SpecDocument
    planner: Planner
    view: View

    def written(self, operation: Operation, text: str) -> Operation | None:
        """None when ``text`` is the spec in force; else the operation, having written it or waiting for the pass that reads it."""
        if self.document.read() != text:
            if operation.memo.get("wrote") == text_mark(text):
                raise NotSettledError(
                    "the spec was changed by somebody else meanwhile", where="spec", hint="bdc plan shows what is; then apply again"
                )
            self.document.write(text)
            return operation.at("the new spec is written", wrote=text_mark(text), since=time.time())
        return self.taken_up(operation, text)

    def taken_up(self, operation: Operation, text: str) -> Operation | None:
        """None when ``text``, which lies there, is the spec in force; else the operation, waiting for the pass that reads it."""
        if self.view.spec() != load_spec(text):
            self.view.wake(WAKE_SECONDS)
            return self._in_time(operation, self.planner.substrate.observe(), "waits for the controller's next pass")
        return None

    def settled(self, operation: Operation) -> Operation | None:
        """None when everything runs as the spec in force says and is ready; else the operation with what it waits for, and in its memo
        ``left``, how many workloads differ from the spec. NotSettledError when a part stays failed, or the time is over."""
        observed = self.planner.substrate.observe()
        passed = self.view.wake(WAKE_SECONDS)  # a pass that began after what was observed: a status of before says nothing about it
        status, left = self.view.status(), self.planner.drift(self.view.spec(), observed)
        if passed and status["state"] == "ready" and not left:
            return None
        waits = ", ".join(change.name for change in left) or "the controller's next pass"
        phase = f"waits: {status['details']}" if status["state"] != "ready" else f"waits for {waits}"
        return self._in_time(operation, observed, phase).at(phase, left=len(left))

    def _in_time(self, operation: Operation, observed: Observed, phase: str) -> Operation:
        """The operation, with the part that fails and since when in its memo. NotSettledError."""
        now, status = time.time(), self.view.status()
        limit, since = float(operation.request.get("seconds") or 600.0), float(operation.memo.get("since") or operation.begun_at)
        failing = culprit(observed, operation.memo.get("culprit"), now)
        if failing is None and "last pass failed" in status["details"]:
            before = operation.memo.get("culprit")
            failing = Culprit(None, "", before["since"] if before and before["name"] is None else now, now)
        failed = failing is not None and now - failing.since > FAILED_SECONDS
        if not failed and now - since <= limit:
            return operation.at(phase, culprit=asdict(failing) if failing else None)
        name = failing.name if failing else culprit_of(status)
        hint = f"bdc logs {name}; the spec is the new one: apply the one of before to go back" if name else "bdc status --all"
        message = f"the cluster is not ready{'' if failed else f' after {limit:g} s'}: {status['details']}"
        raise NotSettledError(message, where=name, hint=hint, why=self._last_words(name))

    def _last_words(self, name: str | None) -> str | None:
        try:
            return "\n".join(self.planner.substrate.tail(name, LOG_LINES)) or None if name else None
        except ControllerError:
            return None  # what has no log has failed before it could write one


@dataclass(frozen=True)
class Culprit:
    """A workload that fails; ``content``: with which content; None: it is the controller's pass that does. ``seen``: when last."""

    name: str | None
    content: str
    since: float
    seen: float


def culprit(observed: Observed, before: dict[str, Any] | None, now: float) -> Culprit | None:
    """What fails: that of before until it was ready once or got another content, as between two ends it runs for a moment."""
    known = Culprit(**before) if before else None
    seen = observed.find(known.name) if known is not None and known.name else None
    if known is not None and seen is not None and seen.state not in SATISFIED and seen.content_hash == known.content:
        if seen.state in FAILING:
            return replace(known, seen=now)
        if now - known.seen < CALM_SECONDS:
            return known
    bad = next((one for one in observed.workloads if one.state in FAILING and one.kind != "batch"), None)
    return Culprit(bad.name, bad.content_hash, now, now) if bad is not None else None


def text_mark(text: str) -> str:
    """Of a text that was written by this operation."""
    from controller.operations.planning import digest

    return digest(text)


def culprit_of(status: ClusterStatus) -> str | None:
    """The first instance that is in the cluster's own state."""
    instances = (instance for service in status["services"] for resource in service["resources"] for instance in resource["instances"])
    return next((one["name"] for one in instances if one["state"] == status["state"]), None)
