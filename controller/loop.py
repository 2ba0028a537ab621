"""The thread that runs pass after pass: back-off after failures, woken by the API, and the view that the API reads."""

from __future__ import annotations

import dataclasses
import ipaddress
import socket
import threading
import time
from collections.abc import Callable

from controller.certificates.policy import bound
from controller.errors import NotReadyError, UnknownNameError
from controller.log import Log
from controller.reconcile import Outcome, Parts, reconcile_once
from controller.spec import ClusterSpec
from controller.status import LOOPBACK, PEOPLES_POOLS, ClusterStatus, EndpointStatus, addresses
from pools.workload import Workload

BACKOFF_FIRST = 0.5
BACKOFF_MOST = 30.0
WAKE_WAIT = 5.0
log = Log("loop")


def reached_host(spec: ClusterSpec, name: str) -> str:
    """The name under which controller, master and gateway are reached: the address they listen on, or this machine's for all of them."""
    bind = ipaddress.ip_address(bound(spec, name))
    if bind.is_unspecified:
        return socket.getfqdn()
    return f"[{bind}]" if bind.version == 6 else str(bind)


def local_host(spec: ClusterSpec, workload: Workload) -> str:
    """Where a workload of one machine is reached."""
    return reached_host(spec, workload.name) if workload.pool in PEOPLES_POOLS else LOOPBACK


class Loop:
    """Runs ``reconcile_once``; implements ``ClusterView`` of the API. Between passes it keeps the last outcome (to show it) and the
    number of failures in a row (to back off), nothing that a pass depends on."""

    def __init__(
        self,
        parts: Parts,
        pending_roles: Callable[[], frozenset[str]],
        one_pass: Callable[[Parts], Outcome] = reconcile_once,
        host: Callable[[ClusterSpec, Workload], str] = local_host,
        passed: Callable[[float, Outcome], None] = lambda _seconds, _outcome: None,
    ) -> None:
        self._parts = parts
        self._one_pass = one_pass
        self._host = host
        self._passed = passed
        self._pending_roles = pending_roles
        self._changed = threading.Condition()
        self._asked = 0  # passes asked for; a pass serves all requests made before it began
        self._served = 0
        self._stopping = False
        self._outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._run, name="reconcile", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Ask the thread to end after the running pass; whether it did within ``seconds``."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def wake(self, wait: float = 0.0) -> bool:
        """Have a pass run at once; with ``wait``, whether it was finished within so many seconds."""
        with self._changed:
            self._asked += 1
            mine = self._asked
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._served >= mine or self._stopping, wait) and self._served >= mine

    def spec(self) -> ClusterSpec:
        """The spec in force; NotReadyError before the first pass that could read one."""
        outcome = self._last()
        if outcome.spec is None:
            raise NotReadyError("no valid spec was read yet", hint=outcome.failure)
        return outcome.spec

    def status(self) -> ClusterStatus:
        """The tree of the last pass; NotReadyError before the first."""
        outcome = self._last()
        if outcome.status is None:
            raise NotReadyError("the cluster was not observed yet", hint=outcome.failure)
        return outcome.status

    def desired(self) -> tuple[Workload, ...]:
        """All workloads that the last pass wanted; NotReadyError before the first."""
        return self._last().desired

    def endpoints(self) -> list[EndpointStatus]:
        """All addresses."""
        spec = self.spec()
        return addresses(self._last().desired, lambda workload: self._host(spec, workload))

    def tail(self, workload: str, lines: int) -> tuple[str, ...]:
        """The last lines of a workload's log; UnknownNameError when there is none of that name."""
        known = [entry.name for entry in self._last().desired]
        if workload not in known:
            raise UnknownNameError(f"there is no workload {workload[:60]!r}", where="workload", hint=f"there are: {', '.join(known)}")
        return self._parts.substrate.tail(workload, lines)

    def users_changed(self) -> None:
        """Run a pass at once, and wait a moment for it."""
        self.wake(WAKE_WAIT)

    def role_pending(self, name: str) -> bool:
        """Whether the PostgreSQL role of a user still has to follow the user file."""
        return name in self._pending_roles()

    def _last(self) -> Outcome:
        outcome = self._outcome
        if outcome is None:
            raise NotReadyError("the controller has just started", hint="try again in a second")
        return outcome

    def _run(self) -> None:
        failures = 0
        while True:
            with self._changed:
                if self._stopping:
                    return
                serving = self._asked
            outcome = self._pass()
            failures = failures + 1 if outcome.failure else 0
            wait = outcome.wait if not failures else min(BACKOFF_MOST, BACKOFF_FIRST * 2.0 ** min(failures - 1, 10))
            with self._changed:
                self._served = max(self._served, serving)
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._stopping or self._asked > self._served, wait)

    def _pass(self) -> Outcome:
        before, began = self._outcome, time.monotonic()
        try:
            outcome = self._one_pass(self._parts)
        except Exception as error:
            # a defect of ours: the loop must go on, and the status must say so
            log.exception("defect in a pass")
            failure = f"a defect in the controller: {type(error).__name__} (see its log)"
            outcome = Outcome(f"failed: {failure}", 0.0, failure, failed_steps=("defect",))
        self._passed(time.monotonic() - began, outcome)
        if before is None or before.sentence != outcome.sentence:
            (log.warning if outcome.failure else log.info)("pass", did=outcome.sentence, failure=outcome.failure)
        if before is not None and outcome.spec is None:
            status = outcome.status or _outdated(before.status, outcome.failure)
            outcome = dataclasses.replace(outcome, spec=before.spec, desired=before.desired, status=status)
        self._outcome = outcome
        return outcome


def _outdated(last: ClusterStatus | None, failure: str | None) -> ClusterStatus | None:
    """The last tree, marked as what it is."""
    if last is None:
        return None
    return {**last, "state": "error", "health": "unknown", "details": f"unknown since the controller's last pass failed: {failure}"}
