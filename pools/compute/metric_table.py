"""What a compute replica tells: the table. Counted and read in ``pools/compute/metrics.py``."""

from __future__ import annotations

from pools.exposition import Metric

QUERIES = Metric("openbdc_compute_queries", "gauge", "Queries that are there now: queued, planning, running, sending.", ("state",))
PLACES = Metric("openbdc_compute_query_places", "gauge", "Sessions whose queries may run at once; the rest wait.")
OVER = Metric(
    "openbdc_compute_queries_total",
    "counter",
    "Queries that are over: done; left (nobody took the last rows, as with LIMIT in the master); cancelled; refused (no place in time); "
    "failed.",
    ("outcome",),
)
SECONDS = Metric(
    "openbdc_compute_query_seconds", "histogram", "From a query's arrival to its last row taken, waiting included.", ("outcome",)
)
ERRORS = Metric("openbdc_compute_query_errors_total", "counter", "Queries that failed, by SQLSTATE.", ("code",))
CANCELLED = Metric(
    "openbdc_compute_query_cancellations_total",
    "counter",
    "Queries that were cancelled: client (it asked to), timeout, administrator, memory (the pool came near its limit), shutdown.",
    ("reason",),
)
EXECUTIONS = Metric(
    "openbdc_compute_executions_total",
    "counter",
    "Queries that ran, by who did what sources did not: source (one source did all of it), duckdb, scratch.",
    ("executor",),
)
ROWS = Metric("openbdc_compute_rows_total", "counter", "Rows handed to clients.")
SOURCE_FRAGMENTS = Metric("openbdc_compute_source_fragments_total", "counter", "Statements and scans that sources were asked.", ("source",))
SOURCE_ROWS = Metric("openbdc_compute_source_rows_total", "counter", "Rows that came from sources.", ("source",))
SOURCE_BYTES = Metric("openbdc_compute_source_bytes_total", "counter", "Bytes (in Arrow's form) that came from sources.", ("source",))
SOURCE_SECONDS = Metric(
    "openbdc_compute_source_seconds_total", "counter", "From asking a source to its last row, summed over what it was asked.", ("source",)
)
AVOIDABLE = Metric(
    "openbdc_compute_avoidable_bytes_total",
    "counter",
    "Bytes that came from sources beyond the answers: so much less would have come, had all of each query run at its source.",
)
KEPT = Metric(
    "openbdc_compute_kept_queries_total",
    "counter",
    "Queries that moved more than their answer, by the [code](reasons.md) of why; one with two reasons counts for both.",
    ("reason",),
)
CONNECTIONS = Metric("openbdc_compute_connections", "gauge", "Open connections of clients; the master has one per session.")
CONNECTIONS_LIMIT = Metric("openbdc_compute_connections_limit", "gauge", "Connections above which the next one is refused.")
RESIDENT = Metric("openbdc_compute_memory_resident_bytes", "gauge", "Resident memory of the process.")
LIMIT = Metric("openbdc_compute_memory_limit_bytes", "gauge", "Resident memory above which the largest query is cancelled.")
CACHE_HITS = Metric("openbdc_compute_cache_hits_total", "counter", "Lookups that found what they needed.", ("cache",))
CACHE_MISSES = Metric("openbdc_compute_cache_misses_total", "counter", "Lookups that did not.", ("cache",))
MASTER = Metric(
    "openbdc_compute_master_connected",
    "gauge",
    "1: the replica follows this database's catalog; 0: the master is away.",
    ("database",),
)
LOADS = Metric(
    "openbdc_compute_loads_total",
    "counter",
    "Loads of the data pool, by the step that this replica took: begun, committed, aborted.",
    ("step",),
)
LOADED = Metric("openbdc_compute_loaded_rows_total", "counter", "Rows of loads that this replica committed.")
LOOP = Metric("openbdc_compute_event_loop_delay_seconds", "gauge", "How long the event loop took to answer just now; 1: it did not answer.")
STARTED = Metric("openbdc_compute_start_time_seconds", "gauge", "When the process began to serve, Unix time.")

TABLE = (
    *(QUERIES, PLACES, OVER, SECONDS, ERRORS, CANCELLED, EXECUTIONS, ROWS, SOURCE_FRAGMENTS, SOURCE_ROWS, SOURCE_BYTES, SOURCE_SECONDS),
    *(AVOIDABLE, KEPT, CONNECTIONS, CONNECTIONS_LIMIT, RESIDENT, LIMIT, CACHE_HITS, CACHE_MISSES, MASTER, LOADS, LOADED, LOOP, STARTED),
)
