"""One statement of DuckDB, its rows as they come."""

from __future__ import annotations

import duckdb
import pyarrow as pa

BATCH_ROWS = 65_536


def streamed(cursor: duckdb.DuckDBPyConnection, sql: str) -> pa.RecordBatchReader:
    """What ``cursor.sql(sql).to_arrow_reader()`` calls in the end, and not public: the relation that it makes first parses and binds the
    statement once more, which for a row by its key, and for a merge of small groups, costs as much as answering. DuckDB's version is
    pinned; tests/pools/data/test_reading.py compares both ways."""
    reader: pa.RecordBatchReader = cursor._submit(sql, None, "stream", BATCH_ROWS).arrow_reader()
    return reader
