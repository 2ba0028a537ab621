"""The thread that carries operations out, step by step; a step looks at what is and does the next thing, so any step may be the first.

What passes by itself (a pool that restarts, a master that is away) is waited for and told in the operation's phase; all else ends it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from controller.errors import ControllerError, NotReadyError, StoreError, SubstrateError
from controller.log import Log
from controller.operations.record import Operation, Operations

PERIOD = 0.5
IDLE = 5.0
AWAY_SECONDS = 300.0
"""So long may what passes by itself last."""

Step = Callable[[Operation], Operation]
log = Log("operations")


class Engine:
    """``steps``: kind → its step. ``active``: whether this controller is the one that acts (on Kubernetes: the leader)."""

    def __init__(self, operations: Operations, steps: Mapping[str, Step], active: Callable[[], bool] = lambda: True) -> None:
        self.operations = operations
        self._steps = steps
        self._active = active
        self._woken = threading.Event()
        self._stopping = False
        self._away_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="operations", daemon=True)

    def start(self) -> None:
        """Start the thread; an operation that was under way goes on."""
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Ask the thread to end after the running step; whether it did."""
        self._stopping = True
        self._woken.set()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def begin(self, kind: str, user: str, request: dict[str, object]) -> Operation:
        """Ask for one; ConflictError while another one is under way."""
        made = self.operations.begin(kind, user, request)
        log.info("operation asked for", number=made.number, kind=kind, user=user)
        self._woken.set()
        return made

    def _run(self) -> None:
        while not self._stopping:
            try:
                busy = self._active() and self.advance()
            except StoreError as error:  # told once the store can be written again
                log.error("operations can't be read or written", message=error.message)
                busy = False
            self._woken.wait(PERIOD if busy else IDLE)
            self._woken.clear()

    def advance(self) -> bool:
        """One step of the one under way; whether there is one."""
        before = self.operations.running()
        if before is None:
            return False
        after = self._stepped(before)
        if after != before:
            self.operations.keep(after)
        if after.state != "running":
            log.info("operation ended", number=after.number, kind=after.kind, state=after.state, phase=after.phase)
        return after.state == "running"

    def _stepped(self, operation: Operation) -> Operation:
        step = self._steps.get(operation.kind)
        if step is None:
            return operation.ended("failed", "nobody can carry it out", {"code": "internal", "message": f"no kind {operation.kind!r}"})
        try:
            after = step(operation)
        except (NotReadyError, SubstrateError) as error:
            return self._waiting(operation, error)
        except ControllerError as error:
            return operation.ended("failed", f"failed: {error.message}", error.envelope())
        except Exception as error:
            log.exception("defect in an operation", kind=operation.kind)
            message = f"a defect in the controller: {type(error).__name__} (see its log)"
            return operation.ended("failed", message, {"code": "internal", "message": message, "where": None, "hint": "bdc logs control"})
        self._away_since = None
        return after

    def _waiting(self, operation: Operation, error: ControllerError) -> Operation:
        now = time.monotonic()
        self._away_since = self._away_since or now
        if now - self._away_since > AWAY_SECONDS:
            self._away_since = None
            return operation.ended("failed", f"failed: {error.message}", error.envelope())
        return operation.at(f"waits: {error.message}")
