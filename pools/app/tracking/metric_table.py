"""What stands in front of MLflow tells: the table."""

from __future__ import annotations

from pools.exposition import Metric

SECONDS = Metric(
    "openbdc_tracking_request_seconds",
    "histogram",
    "Requests to MLflow that were let through, from their first to their last byte, by what they take: read, write.",
    ("access",),
)
REFUSED = Metric(
    "openbdc_tracking_requests_refused_total",
    "counter",
    "Requests that MLflow has not seen: 401 (no valid token), 403 (role), 404 (not served), 413, 501 (not installed), 503 (it is away).",
    ("status",),
)
RESIDENT = Metric("openbdc_tracking_memory_resident_bytes", "gauge", "Resident memory of the proxy, without MLflow.")
STARTED = Metric("openbdc_tracking_start_time_seconds", "gauge", "When the proxy began to serve, Unix time.")

TABLE = (SECONDS, REFUSED, RESIDENT, STARTED)
