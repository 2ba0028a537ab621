"""What the gateway tells: the table. Counted and read in ``pools/gateway/metrics.py``."""

from __future__ import annotations

from pools.exposition import Metric

ROUTES = ("api", "apps", "webhdfs", "spark", "flight", "audit", "health", "other", "none")

REQUESTS = Metric(
    "openbdc_gateway_request_seconds",
    "histogram",
    "Requests that are over, from the end of their headers to the end of the answer; route: api, apps, webhdfs, spark, flight, audit, "
    "health, other (a path at which there is nothing), none (no request could be read); status: of HTTP (of gRPC: 200, or what "
    "HTTP has for the same refusal), 0: the client was gone before any answer.",
    ("route", "status"),
)
REFUSED = Metric(
    "openbdc_gateway_refused_total",
    "counter",
    "Of these, those that the gateway answered itself, by the code of its error: invalid_token, forbidden, not_found, busy, too_slow, "
    "too_large, unreachable (what is behind it does not answer) and others.",
    ("route", "code"),
)
STREAMS = Metric("openbdc_gateway_streams", "gauge", "Requests and answers that are being passed on now.", ("route",))
RECEIVED = Metric(
    "openbdc_gateway_received_bytes_total", "counter", "Bytes from clients, without TLS, of requests that are over.", ("route",)
)
SENT = Metric("openbdc_gateway_sent_bytes_total", "counter", "Bytes to clients, without TLS, of the same.", ("route",))
CONNECTIONS = Metric("openbdc_gateway_connections", "gauge", "Open connections of clients.")
LIMIT = Metric("openbdc_gateway_connections_limit", "gauge", "Connections above which the next one is told that there are too many.")
ENDED = Metric(
    "openbdc_gateway_connections_total",
    "counter",
    "Connections that came: taken, cut_off (far too many), no_tls (of the taken ones: its handshake failed).",
    ("outcome",),
)
RESIDENT = Metric("openbdc_gateway_memory_resident_bytes", "gauge", "Resident memory of the process.")
STARTED = Metric("openbdc_gateway_start_time_seconds", "gauge", "When the process began to serve, Unix time.")

TABLE = (REQUESTS, REFUSED, STREAMS, RECEIVED, SENT, CONNECTIONS, LIMIT, ENDED, RESIDENT, STARTED)
