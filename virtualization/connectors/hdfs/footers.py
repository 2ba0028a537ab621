"""What the footers of Parquet files say about the values of a column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from virtualization.connectors.hdfs.layout import Layout
from virtualization.connectors.hdfs.ranges import Bounds

_UNORDERED = ("INT96",)
_WHOLE = ("INT32", "INT64", "FIXED_LEN_BYTE_ARRAY")
"""Physical types whose bounds are never shortened: integers, dates, timestamps, decimals."""


def column_bounds(layout: Layout, name: str, *, exact: bool = False) -> Bounds | None:
    """Least and greatest value of a plain column in one file, None where a row group does not tell. ``exact``: only values that occur."""
    footer = layout.footer
    at = _place(footer, name) if footer is not None else None
    if footer is None or at is None:
        return None
    kind = footer.schema.column(at).physical_type
    if kind in _UNORDERED or (exact and kind not in _WHOLE):
        return None
    ends: list[tuple[Any, Any]] = []
    for group in range(footer.num_row_groups):
        told = _group_bounds(footer.row_group(group).column(at), footer.row_group(group).num_rows)
        if told is None:
            return None
        if not told.none:
            ends.append((told.least, told.greatest))
    if not ends:
        return Bounds(none=True)
    return Bounds(min(least for least, _ in ends), max(greatest for _, greatest in ends))


def _group_bounds(chunk: Any, rows: int) -> Bounds | None:  # noqa: ANN401
    told = chunk.statistics if chunk.is_stats_set else None
    if rows == 0 or (told is not None and told.has_null_count and told.null_count == rows):
        return Bounds(none=True)
    if told is None or not told.has_min_max:
        return None
    try:
        return Bounds(told.min, told.max)
    except (ValueError, OverflowError, pa.ArrowException):
        return None  # beyond what Python's dates hold, or nanoseconds


def _place(footer: pq.FileMetaData, name: str) -> int | None:
    """The leaf that is the whole top-level column ``name``."""
    found = [at for at in range(footer.num_columns) if footer.schema.column(at).path == name]
    return found[0] if len(found) == 1 and footer.schema.column(found[0]).max_repetition_level == 0 else None


def bounds_of_files(layouts: Sequence[Layout], name: str) -> tuple[Any, Any] | None:
    """Over several files; None where one does not tell."""
    told = [column_bounds(layout, name) for layout in layouts]
    known = [one for one in told if one is not None and not one.none]
    if not known or any(one is None for one in told):
        return None
    return min(one.least for one in known), max(one.greatest for one in known)
