"""What the app proxy tells: the table. Counted in ``pools/app/tally.py``, read in ``pools/app/metrics.py``."""

from __future__ import annotations

from pools.exposition import Metric

OF_VERSION = ("app", "version")

SECONDS = Metric(
    "openbdc_app_call_seconds",
    "histogram",
    "Calls that are over, failed ones too, from the check of their inputs to the worker's answer: waiting for a worker included.",
    OF_VERSION,
)
CALLS = Metric("openbdc_app_calls_total", "counter", "Calls that were let in: role, version and inputs were right.", OF_VERSION)
ERRORS = Metric(
    "openbdc_app_call_errors_total",
    "counter",
    "Of these, those that failed: app_failed (the app raised), app_timeout, app_crashed (its worker ended), app_busy (too many wait).",
    (*OF_VERSION, "code"),
)
REFUSED = Metric("openbdc_app_calls_refused_total", "counter", "Calls whose inputs were wrong: no worker has seen them.", OF_VERSION)
WORKERS = Metric(
    "openbdc_app_workers", "gauge", "Workers: busy (in a call), idle, missing (being started in the place of one that ended).",
    (*OF_VERSION, "state"),
)  # fmt: skip
WAITING = Metric("openbdc_app_calls_waiting", "gauge", "Calls that wait for a worker.", OF_VERSION)
RESTARTS = Metric(
    "openbdc_app_worker_restarts_total",
    "counter",
    "Workers that hung, crashed or were ended and were replaced; 0 after an update.",
    OF_VERSION,
)
RUNS = Metric(
    "openbdc_app_scheduled_runs_total",
    "counter",
    "Runs by a schedule: ok, error, interrupted (the proxy was stopped), missed (planned, and not begun in time).",
    (*OF_VERSION, "result"),
)
PERCENT = Metric("openbdc_app_live_percent", "gauge", "Percent of the calls of NAME@live that this version gets; 0: none.", OF_VERSION)
VERSIONS = Metric("openbdc_app_versions", "gauge", "Versions of apps by state: WaitingforCreate, Creating, Ready, Error.", ("state",))
RESIDENT = Metric("openbdc_app_memory_resident_bytes", "gauge", "Resident memory of the proxy, without its workers.")
STARTED = Metric("openbdc_app_start_time_seconds", "gauge", "When the proxy began to serve, Unix time.")

TABLE = (SECONDS, CALLS, ERRORS, REFUSED, WORKERS, WAITING, RESTARTS, RUNS, PERCENT, VERSIONS, RESIDENT, STARTED)
