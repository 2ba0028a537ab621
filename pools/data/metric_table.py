"""What a shard tells: the table. Counted and read in ``pools/data/metrics.py``."""

from __future__ import annotations

from pools.exposition import Metric

CALLS = Metric(
    "openbdc_data_call_seconds",
    "histogram",
    "Calls by kind: put (one stream of rows), read (a question, to its first rows), stream (the rest of an answer of many rows), and the "
    "actions of the load protocol.",
    ("call",),
)
ERRORS = Metric("openbdc_data_call_errors_total", "counter", "Calls that failed, by SQLSTATE.", ("call", "code"))
RUNNING = Metric("openbdc_data_calls_running", "gauge", "Calls under way now.")
RECEIVED_ROWS = Metric("openbdc_data_received_rows_total", "counter", "Rows of streams that came in whole, those sent again included.")
RECEIVED_BYTES = Metric("openbdc_data_received_bytes_total", "counter", "Bytes (in Arrow's form) of the same.")
SENT_ROWS = Metric("openbdc_data_sent_rows_total", "counter", "Rows that answers held.")
SENT_BYTES = Metric("openbdc_data_sent_bytes_total", "counter", "Bytes (in Arrow's form) that answers held.")
TABLES = Metric("openbdc_data_tables", "gauge", "Tables of all databases that have anything here.")
ROWS = Metric("openbdc_data_rows", "gauge", "Rows in the file: also of loads that are open, and ended ones until they are compacted.")
SEGMENTS = Metric(
    "openbdc_data_segments",
    "gauge",
    "Segments (what one stream brought) that are not folded into their table yet: staging, staged, sealed, published, aborted.",
    ("state",),
)
UNDECIDED = Metric(
    "openbdc_data_oldest_undecided_seconds", "gauge", "Age of the oldest segment whose load is neither committed nor aborted here; 0: none."
)
DISK = Metric("openbdc_data_disk_bytes", "gauge", "The shard's file and its write-ahead log.")
DISK_FREE = Metric("openbdc_data_disk_free_bytes", "gauge", "Free space of its disk, as far as the shard may use it.")
DISK_RESERVE = Metric("openbdc_data_disk_reserve_bytes", "gauge", "Free space below which streams are refused.")
ROUNDS = Metric("openbdc_data_compaction_rounds_total", "counter", "Rounds of compaction: did (something), idle, failed.", ("outcome",))
ROUND_SECONDS = Metric("openbdc_data_compaction_seconds_total", "counter", "Time spent in rounds of compaction.")
REMOVED = Metric("openbdc_data_compaction_rows_removed_total", "counter", "Ended and aborted rows taken out of the file.")
FOLDED = Metric("openbdc_data_compaction_segments_folded_total", "counter", "Published segments that became part of their table.")
RESIDENT = Metric("openbdc_data_memory_resident_bytes", "gauge", "Resident memory of the process.")
LIMIT = Metric("openbdc_data_memory_limit_bytes", "gauge", "Resident memory above which calls wait, then are refused.")
STARTED = Metric("openbdc_data_start_time_seconds", "gauge", "When the process began to serve, Unix time.")

TABLE = (
    *(CALLS, ERRORS, RUNNING, RECEIVED_ROWS, RECEIVED_BYTES, SENT_ROWS, SENT_BYTES, TABLES, ROWS, SEGMENTS, UNDECIDED),
    *(DISK, DISK_FREE, DISK_RESERVE, ROUNDS, ROUND_SECONDS, REMOVED, FOLDED, RESIDENT, LIMIT, STARTED),
)
