"""A scan asked for some keys only: the keys' bounds, by which row groups and files are skipped, and the keys themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute

from virtualization.connectors.hdfs.ranges import range_of
from virtualization.connectors.hdfs.scan_sql import Scan
from virtualization.connectors.hdfs.types import duckdb_type, literal, quoted
from virtualization.encoding.text import text_column
from virtualization.types import pg_type

MOST_KEYS = 10_000
"""Beyond, the executor's own join leaves out as much, without a text to read."""

_YEARS = (-719_162, 2_932_896)
"""Days of the years 1 to 9999, which both write in the same way."""
_MICROSECONDS = 86_400_000_000

pc: Any = pyarrow.compute


def narrowed(scan: Scan, column: str, keys: Any) -> Scan:  # noqa: ANN401 an Arrow array
    """``scan`` of the rows whose ``column`` is among ``keys``, or as it was where DuckDB can't be told these keys."""
    declared = next(one for one in scan.columns if one.name == column)
    of = pg_type(declared.type)
    name = quoted(column)
    if not len(keys):
        return replace(scan, predicates=(*scan.predicates, "false"))
    if pa.types.is_integer(keys.type):
        shown = keys.cast(pa.string()).to_pylist()
    elif not _writable(keys):
        return scan
    else:
        # one that does not fit the column's type can't be in it: it becomes NULL
        texts = text_column(keys, pg_type("text"), "UTC").cast(pa.string()).to_pylist()
        shown = [f"TRY_CAST({literal(text)} AS {duckdb_type(of, column)})" for text in texts]
    ranges = (*scan.ranges, *range_of(column, of, keys.to_pylist()))
    if len(keys) == 1:
        return replace(scan, predicates=(*scan.predicates, f"{name} = {shown[0]}"), ranges=ranges)
    told: tuple[str, ...] = ()
    if not (pa.types.is_string(keys.type) or pa.types.is_decimal(keys.type)):  # no end may be NULL
        ends = pc.min_max(keys)
        first, last = (pc.index(keys, ends[end]).as_py() for end in ("min", "max"))
        told = (f"{name} BETWEEN {shown[first]} AND {shown[last]}",)
    lists = (*scan.lists, f"{name} IN ({', '.join(shown)})")
    return replace(scan, predicates=(*scan.predicates, *told), lists=lists, ranges=ranges)


def _writable(keys: Any) -> bool:  # noqa: ANN401
    """Does DuckDB read the texts of these keys as PostgreSQL writes them?"""
    if pa.types.is_string(keys.type):
        return not bool(pc.any(pc.match_substring(keys, "\0")).as_py())
    if pa.types.is_decimal(keys.type):
        return True
    unit = _MICROSECONDS if pa.types.is_timestamp(keys.type) else 1
    numbers = keys.cast(pa.int64() if pa.types.is_timestamp(keys.type) else pa.int32())
    ends = pc.min_max(numbers)
    return bool(_YEARS[0] * unit <= ends["min"].as_py() and ends["max"].as_py() < (_YEARS[1] + 1) * unit)
