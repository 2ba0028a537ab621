"""What the controller counts and measures of itself, and what it tells of the cluster without asking anybody."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from controller.errors import ControllerError, RateLimitError
from controller.jobs import Job
from controller.reconcile import Outcome
from controller.status import ClusterStatus
from pools.exposition import Book, Metric, Sample
from pools.memory import resident_bytes

PASSES = Metric("openbdc_controller_pass_seconds", "histogram", "Passes of the reconcile loop: ok, failed.", ("outcome",))
FAILURES = Metric(
    "openbdc_controller_pass_failures_total",
    "counter",
    "Steps of passes that failed: spec (invalid: the last valid one is in force), observe (the substrate does not answer), describe (a "
    "program is missing), apply (a workload could not be started, changed or stopped), users (PostgreSQL's roles), record (the status "
    "could not be written), defect.",
    ("step",),
)
REQUESTS = Metric(
    "openbdc_controller_request_seconds",
    "histogram",
    "Requests of the REST API; route: as in the reference, other: none of them; status: of HTTP.",
    ("method", "route", "status"),
)
LOGINS = Metric(
    "openbdc_controller_logins_total", "counter", "Passwords that were looked at: right, wrong, locked (not even looked at).", ("outcome",)
)
READY = Metric("openbdc_cluster_ready", "gauge", "1: the cluster is ready, as bdc status says; 0: it is not.")
STATE = Metric(
    "openbdc_workload_state",
    "gauge",
    "1 for the state that the workload is in: ready, starting, unready, stopped (nobody wants it to run), error.",
    ("workload", "service", "state"),
)
RESTARTS = Metric("openbdc_workload_restarts_total", "counter", "Starts after an end that nobody wanted.", ("workload", "service"))
CERTIFICATES = Metric(
    "openbdc_certificate_left_seconds",
    "gauge",
    "Seconds until the certificate ends; below 0: it has ended. certificate: the workload that shows it, ca (the authority that signs), "
    "given (the customer's, of spec.network.tls). Nothing where the cluster keeps no certificates.",
    ("certificate",),
)
JOBS = Metric(
    "openbdc_spark_jobs", "gauge", "Spark jobs that are remembered: waiting, starting, running, done, failed, killed, lost.", ("state",)
)
RESIDENT = Metric("openbdc_controller_memory_resident_bytes", "gauge", "Resident memory of the process.")
STARTED = Metric("openbdc_controller_start_time_seconds", "gauge", "When the process began, Unix time.")

TABLE = (PASSES, FAILURES, REQUESTS, LOGINS, READY, STATE, RESTARTS, CERTIFICATES, JOBS, RESIDENT, STARTED)

JOB_STATES = ("waiting", "starting", "running", "done", "failed", "killed", "lost")


class Meters:
    """Thread-safe."""

    def __init__(self) -> None:
        self.book = Book()
        self.started = time.time()

    def passed(self, seconds: float, outcome: Outcome) -> None:
        """A pass is over."""
        self.book.observe(PASSES, seconds, "failed" if outcome.failure else "ok")
        for step in outcome.failed_steps:
            self.book.add(FAILURES, step)

    def requested(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """A request was answered."""
        self.book.observe(REQUESTS, seconds, method, route or "other", str(status))

    def login(self, error: ControllerError | None) -> None:
        """A password was looked at, or not even that."""
        self.book.add(LOGINS, "right" if error is None else "locked" if isinstance(error, RateLimitError) else "wrong")


class View(Protocol):
    """Of what the loop knows."""

    def status(self) -> ClusterStatus:
        """The tree of the last pass; NotReadyError before the first."""
        ...


def process(meters: Meters) -> Iterator[Sample]:
    """Of the controller itself."""
    yield RESIDENT, (), resident_bytes()
    yield STARTED, (), meters.started


def cluster(status: ClusterStatus) -> Iterator[Sample]:
    """By the last pass."""
    yield READY, (), status["state"] == "ready"
    for service in status["services"]:
        for instance in (one for resource in service["resources"] for one in resource["instances"]):
            yield STATE, (instance["name"], service["name"], instance["state"]), 1
            yield RESTARTS, (instance["name"], service["name"]), instance["restarts"]


def jobs(listed: list[Job]) -> Iterator[Sample]:
    """Of Spark."""
    states = Counter(str(job["state"]) for job in listed)
    for state in JOB_STATES:
        yield JOBS, (state,), states[state]
