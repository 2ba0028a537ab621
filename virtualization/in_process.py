"""The library in a plain Python process: one engine, made on first use, behind ``virtualization.query`` and ``virtualization.explain``."""

from __future__ import annotations

import atexit
import os
import tempfile
import threading
from functools import cache

import pyarrow as pa

from virtualization.catalog import Catalog
from virtualization.engine import NO_EXECUTOR, Engine
from virtualization.errors import UnsupportedError
from virtualization.explanation import Explanation
from virtualization.plan import Executor, Plan, QueryContext
from virtualization.types import arrow_field

DEFAULT_MEMORY_BYTES = 1 << 30
"""What DuckDB may use before it spills to the temporary folder."""

_lock = threading.Lock()
_made: list[tuple[Engine, tempfile.TemporaryDirectory[str]]] = []


def default_engine(scratch_dsn: str | None = None) -> Engine:
    """DuckDB, then the PostgreSQL that ``scratch_dsn`` names (in which temporary tables are made); one engine per address, kept."""
    with _lock:
        return _engine(scratch_dsn)


@cache
def _engine(scratch_dsn: str | None) -> Engine:
    from virtualization.executors.duckdb import DuckDbExecutor  # on use: programs that bring their own engine need no DuckDB

    folder = tempfile.TemporaryDirectory(prefix="virtualization-")
    executors: list[Executor] = [DuckDbExecutor(DEFAULT_MEMORY_BYTES, folder.name, os.cpu_count() or 1)]
    if scratch_dsn is not None:
        from virtualization.executors.scratch import ScratchExecutor

        executors.append(ScratchExecutor(scratch_dsn))
    engine = Engine(executors)
    _made.append((engine, folder))
    return engine


@atexit.register
def close_default_engines() -> None:
    """Close what ``default_engine`` made, and remove its folders; done at the end of the process. The next query makes a new one."""
    with _lock:
        _engine.cache_clear()
        while _made:
            engine, folder = _made.pop()
            engine.close()
            folder.cleanup()


def query(sql: str, catalog: Catalog, *, scratch_dsn: str | None = None, context: QueryContext | None = None) -> pa.Table:
    """The answer as an Arrow table; its fields carry the PostgreSQL types. VirtualizationError for everything that goes wrong."""
    engine = default_engine(scratch_dsn)
    result = engine.run(_planned(engine, sql, catalog, scratch_dsn), context)
    try:
        batches = list(result)
        fields = [arrow_field(column.name, column.type) for column in result.columns]
        return pa.Table.from_batches(batches, batches[0].schema if batches else pa.schema(fields))
    finally:
        result.close()


def explain(sql: str, catalog: Catalog, *, scratch_dsn: str | None = None, analyze: bool = False) -> Explanation:
    """How the query is carried out; ``analyze`` runs it and counts."""
    engine = default_engine(scratch_dsn)
    _planned(engine, sql, catalog, scratch_dsn)
    return engine.explain(sql, catalog, analyze=analyze)


def _planned(engine: Engine, sql: str, catalog: Catalog, scratch_dsn: str | None) -> Plan:
    """The plan; without a scratch PostgreSQL the error for what DuckDB refuses says what to pass."""
    try:
        return engine.plan(sql, catalog)
    except UnsupportedError as error:
        if scratch_dsn is None and error.message.startswith(NO_EXECUTOR):
            hint = "Pass scratch_dsn='postgresql://…' of a PostgreSQL in which temporary tables may be made: it runs what DuckDB does not."
            raise UnsupportedError(error.message, detail=error.detail, hint=hint) from None
        raise
