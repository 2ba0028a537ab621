"""One pass: observe, plan, apply, bring the PostgreSQL roles in step, write the status; returns a sentence and when to look again.

Level-triggered: a pass looks at what is, never at what happened, and keeps nothing between passes but the store. What
fails in it is said in the status; the rest of the pass goes on where it can.
"""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from controller.accepted import ACCEPTED_FILE, remembered
from controller.errors import ControllerError, NotReadyError, Problem, SpecError, StoreError
from controller.on_demand import Demand
from controller.plan import EnsureStep, Step, by_requirement, plan
from controller.spec import ClusterSpec, load_spec
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


@dataclass(frozen=True)
class Parts:
    """What a pass works with."""

    spec_file: pathlib.Path
    store: Store
    substrate: Substrate
    workloads: Callable[[ClusterSpec], tuple[Workload, ...]]
    sync_roles: SyncRoles
    jobs: Batches = lambda _spec, _observed: ()
    """What was submitted to run once."""
    master: str = "master-setup"
    """The workload that must be done before roles can be made."""


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


def reconcile_once(parts: Parts) -> Outcome:
    """One pass. Never raises ControllerError: failures are in the outcome and in the status."""
    failures: list[str] = []
    try:
        spec = _accepted_spec(parts, failures)
        observed = parts.substrate.observe()
        desired = by_requirement((*parts.workloads(spec), *parts.jobs(spec, observed)))
        resting = Demand(parts.store).resting(desired, observed, parts.substrate.clients, time.time())
    except ControllerError as error:
        return _failed_early(parts, [*failures, error.message])
    try:
        done = _apply(parts.substrate, _steps(parts.substrate, (desired, resting), observed, failures), failures)
        observed = parts.substrate.observe() if done else observed
    except ControllerError as error:
        return _failed_early(parts, [*failures, error.message])
    sentence = _roles(parts, spec, observed, failures)
    done += [sentence] if sentence else []
    status = cluster_status(spec.name, desired, observed, time.time(), "; ".join(failures) or None, resting)
    try:
        _write_status(parts.store, status)
    except StoreError as error:
        failures.append(error.message)
    failure = "; ".join(failures) or None
    wait = WAIT_SETTLED if status["state"] == "ready" and not done else WAIT_MOVING
    return Outcome("; ".join(done) or f"nothing to do: the cluster is {status['state']}", wait, failure, spec, desired, status)


def _accepted_spec(parts: Parts, failures: list[str]) -> ClusterSpec:
    """The spec of the file when it is valid, and remembered; else the last valid one, with the reason among the failures.

    A mistake in an edited file must not stop a running cluster from being healed.
    """
    try:
        try:
            text = parts.spec_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError((Problem("", f"can't be read: {error}"),), str(parts.spec_file)) from None
        spec = load_spec(text, str(parts.spec_file))
        before = remembered(parts.store)
        if before is not None and before.name != spec.name:
            raise SpecError(
                (Problem("metadata.name", f"the name of a cluster can't change (it is {before.name!r})"),), str(parts.spec_file)
            )
    except SpecError as error:
        last = remembered(parts.store)
        if last is None:
            raise
        failures.append(f"{error.message} (the cluster goes on with the last valid spec)")
        return last
    if spec != before:
        parts.store.write(ACCEPTED_FILE, spec.model_dump(mode="json", by_alias=True))
    return spec


def _steps(
    substrate: Substrate, wanted: tuple[tuple[Workload, ...], frozenset[str]], observed: Observed, failures: list[str]
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
            if not any(error.message in failure for failure in failures):
                failures.append(error.message)
    return plan(desired, observed, hashes, resting)


def _apply(substrate: Substrate, steps: tuple[Step, ...], failures: list[str]) -> list[str]:
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
            failures.append(f"{step.name}: {error.message}")
    return done


def _roles(parts: Parts, spec: ClusterSpec, observed: Observed, failures: list[str]) -> str | None:
    """Bring the roles in step once the master is set up; before that there is nothing to say. Returns what was changed."""
    seen = observed.find(parts.master)
    if seen is None or seen.state not in SATISFIED:
        return None
    try:
        return parts.sync_roles(spec)
    except NotReadyError:
        return None  # the master is starting again; its own status says so, and the next pass looks again
    except ControllerError as error:
        failures.append(f"users: {error.message}")
        return None


def _failed_early(parts: Parts, failures: list[str]) -> Outcome:
    """Nothing could be observed: keep the last tree, but say that it is old and why."""
    failure = "; ".join(failures)
    try:
        last: Any = parts.store.read(STATUS_FILE)
    except StoreError:
        last = None
    status: ClusterStatus | None = None
    if isinstance(last, dict) and "services" in last:
        details = f"unknown since the controller's last pass failed: {failure}"
        status = {"name": last["name"], "state": "error", "health": "unknown", "details": details, "services": last["services"]}
    return Outcome(f"failed: {failure}", WAIT_SETTLED, failure, None, (), status)


def _write_status(store: Store, status: ClusterStatus) -> None:
    """Only when it differs: a settled cluster does not wear out the disk."""
    if store.read(STATUS_FILE) != status:
        store.write(STATUS_FILE, status)
