"""One pass: observe, plan, apply, bring the PostgreSQL roles in step, write the status; returns a sentence and when to look again.

Level-triggered: a pass looks at what is, never at what happened, and keeps nothing between passes but the store. What
fails in it is said in the status; the rest of the pass goes on where it can.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from controller.accepted import accepted_spec
from controller.errors import ControllerError, NotReadyError, SpecError
from controller.on_demand import Demand
from controller.plan import EnsureStep, Step, by_requirement, plan
from controller.spec import ClusterSpec
from controller.status import ClusterStatus, cluster_status
from controller.store import Store
from controller.substrate import SATISFIED, Observed, Substrate
from pools.workload import Workload

STATUS_FILE = "status.json"
WAIT_SETTLED = 5.0
WAIT_MOVING = 0.25

SyncRoles = Callable[[ClusterSpec], str | None]
"""Brings PostgreSQL's roles in step with the users; a sentence when it changed something. ControllerError when it can't."""

Batches = Callable[[ClusterSpec, Observed], tuple[Workload, ...]]


class Record(Protocol):
    """Where the status is kept for others to see."""

    def last(self) -> ClusterStatus | None:
        """What was shown last, also by another controller; ControllerError when it can't be read."""
        ...

    def show(self, outcome: Outcome) -> None:
        """Keep what a pass found, if it differs. ControllerError when that fails."""
        ...


@dataclass(frozen=True)
class Parts:
    """What a pass works with."""

    read_spec: Callable[[], ClusterSpec]
    """The spec as people wrote it; SpecError when it is invalid."""
    store: Store
    substrate: Substrate
    workloads: Callable[[ClusterSpec], tuple[Workload, ...]]
    sync_roles: SyncRoles
    jobs: Batches = lambda _spec, _observed: ()
    """What was submitted to run once."""
    master: str = "master-setup"
    """The workload that must be done before roles can be made."""
    record: Record | None = None
    """None: ``status.json`` of the store."""
    accepted: Callable[[ClusterSpec], None] = lambda _spec: None
    """Told the spec in force in each pass."""
    wait_settled: float = WAIT_SETTLED
    """Seconds until the next pass when all is as it should be."""
    wait_moving: float = WAIT_MOVING


@dataclass(frozen=True)
class Outcome:
    """``sentence``: what the pass did, for the log; ``wait``: seconds until the next one unless something wakes the loop.
    ``failure``: why it failed, in which case the loop backs off. The rest is what the API shows."""

    sentence: str
    wait: float
    failure: str | None = None
    spec: ClusterSpec | None = None
    desired: tuple[Workload, ...] = ()
    status: ClusterStatus | None = None
    failed_steps: tuple[str, ...] = ()
    """Words for the metrics: see ``controller/metrics.py``."""


@dataclass
class Failures:
    """What went wrong in one pass: sentences, and the steps that they belong to."""

    sentences: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def add(self, step: str, sentence: str) -> None:
        """One more."""
        self.sentences.append(sentence)
        self.steps.append(step)

    @property
    def sentence(self) -> str | None:
        """All in one; None: all went well."""
        return "; ".join(self.sentences) or None


def reconcile_once(parts: Parts) -> Outcome:
    """One pass. Never raises ControllerError: failures are in the outcome and in the status."""
    record = parts.record or StatusFile(parts.store)
    outcome = _pass(parts, record)
    try:
        record.show(outcome)
    except ControllerError as error:
        failure = "; ".join(filter(None, (outcome.failure, error.message)))
        return replace(outcome, failure=failure, failed_steps=(*outcome.failed_steps, "record"))
    return outcome


def _pass(parts: Parts, record: Record) -> Outcome:
    failures = Failures()
    try:
        spec, why = accepted_spec(parts.read_spec, parts.store)
        if why:
            failures.add("spec", why)
        parts.accepted(spec)
        observed = parts.substrate.observe()
        desired = parts.substrate.wanted(spec, by_requirement((*parts.workloads(spec), *parts.jobs(spec, observed))))
        resting = Demand(parts.store).resting(desired, observed, parts.substrate.clients, time.time())
    except ControllerError as error:
        failures.add("spec" if isinstance(error, SpecError) else "observe", error.message)
        return failed_early(record, failures.sentences, tuple(failures.steps))
    try:
        done = _apply(parts.substrate, _steps(parts.substrate, (desired, resting), observed, failures), failures)
        observed = parts.substrate.observe() if done else observed
    except ControllerError as error:
        failures.add("spec" if isinstance(error, SpecError) else "observe", error.message)
        return failed_early(record, failures.sentences, tuple(failures.steps))
    sentence = _roles(parts, spec, observed, failures)
    done += [sentence] if sentence else []
    failure = failures.sentence
    status = cluster_status(spec.name, desired, observed, time.time(), failure, resting)
    wait = parts.wait_settled if status["state"] == "ready" and not done else parts.wait_moving
    did = "; ".join(done) or f"nothing to do: the cluster is {status['state']}"
    return Outcome(did, wait, failure, spec, desired, status, tuple(failures.steps))


def _steps(
    substrate: Substrate, wanted: tuple[tuple[Workload, ...], frozenset[str]], observed: Observed, failures: Failures
) -> tuple[Step, ...]:
    """The plan for what is desired, of which some rests; a workload that the substrate can't even describe (a missing program) is left
    out and named, once per reason."""
    desired, resting = wanted
    hashes: dict[str, str] = {}
    for workload in desired:
        if workload.name in resting or (workload.kind == "batch" and observed.find(workload.name) is not None):
            continue  # nothing is to be done for it, whatever it would look like now
        try:
            hashes[workload.name] = substrate.content_hash(workload)
        except ControllerError as error:
            if not any(error.message in failure for failure in failures.sentences):
                failures.add("describe", error.message)
    return plan(desired, observed, hashes, resting)


def _apply(substrate: Substrate, steps: tuple[Step, ...], failures: Failures) -> list[str]:
    """Carry out each step; one that fails does not hold up the others. Returns a sentence per step done."""
    done: list[str] = []
    for step in steps:
        try:
            if isinstance(step, EnsureStep):
                answer = substrate.ensure(step.workload)
                done.append(f"{step.name}: {answer or step.reason}")
            else:
                substrate.stop(step.name, step.forget)
                done.append(f"stopped {step.name}: {step.reason}")
        except ControllerError as error:
            failures.add("apply", f"{step.name}: {error.message}")
    return done


def _roles(parts: Parts, spec: ClusterSpec, observed: Observed, failures: Failures) -> str | None:
    """Bring the roles in step once the master is set up; before that there is nothing to say. Returns what was changed."""
    seen = observed.find(parts.master)
    if seen is None or seen.state not in SATISFIED:
        return None
    try:
        return parts.sync_roles(spec)
    except NotReadyError:
        return None  # the master is starting again; its own status says so, and the next pass looks again
    except ControllerError as error:
        failures.add("users", f"users: {error.message}")
        return None


def failed_early(record: Record, failures: list[str], steps: tuple[str, ...] = ("observe",)) -> Outcome:
    """Nothing could be observed: keep the last tree, but say that it is old and why."""
    failure = "; ".join(failures)
    try:
        last: Any = record.last()
    except ControllerError:
        last = None  # the failure above says more
    status: ClusterStatus | None = None
    if isinstance(last, dict) and "services" in last:
        details = f"unknown since the controller's last pass failed: {failure}"
        status = {"name": last["name"], "state": "error", "health": "unknown", "details": details, "services": last["services"]}
    return Outcome(f"failed: {failure}", WAIT_SETTLED, failure, None, (), status, steps)


class StatusFile:
    """``status.json`` of the store, for whoever looks while the controller is down."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def last(self) -> Any:  # noqa: ANN401 (what the file holds)
        """What the file holds."""
        return self._store.read(STATUS_FILE)

    def show(self, outcome: Outcome) -> None:
        """Only when it differs: a settled cluster does not wear out the disk. A pass that saw nothing leaves what was there."""
        if outcome.spec is not None and self._store.read(STATUS_FILE) != outcome.status:
            self._store.write(STATUS_FILE, outcome.status)
