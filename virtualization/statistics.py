"""What a planner wants to know of a column's values, in the terms of PostgreSQL's ``pg_stats``.

The master's planner decides with it whether a join of virtual tables is carried out beside the data: for columns of which it knows
nothing it assumes 200 different values, a join on a key then seems to multiply rows, and both tables travel to the master instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute

SAMPLE_ROWS = 30_000
"""Rows that are worth looking at: PostgreSQL's ANALYZE takes as many."""

_SHARE = 0.1
"""Above this share of distinct values their number is expected to grow with the table."""

pc: Any = pyarrow.compute


@dataclass(frozen=True)
class ColumnStatistics:
    """``null_frac``: share of NULLs. ``avg_width``: bytes of a value. ``n_distinct``: how many values differ; negative: minus the share
    of the rows, -1 where each row has its own."""

    null_frac: float
    avg_width: int
    n_distinct: float


def sample_statistics(sample: pa.Table, rows: float | None) -> Mapping[str, ColumnStatistics]:
    """From the first rows of a table of ``rows`` (None: nobody knows); a column without a value is left out."""
    found = {}
    for name, column in zip(sample.column_names, sample.columns, strict=True):
        known = _of_column(column.combine_chunks(), rows)
        if known is not None:
            found[name] = known
    return found


def _of_column(column: Any, rows: float | None) -> ColumnStatistics | None:  # noqa: ANN401 Arrow arrays of any type
    present = column.drop_null()
    if len(present) == 0:
        return None
    filled = len(present) / len(column)
    distinct = _distinct(present, None if rows is None else rows * filled)
    return ColumnStatistics(1 - filled, max(1, present.nbytes // len(present)), distinct * filled if distinct < 0 else distinct)


def _distinct(values: Any, rows: float | None) -> float:  # noqa: ANN401
    """``rows``: values that the whole table has."""
    counts = pc.value_counts(values).field("counts").to_numpy(zero_copy_only=False)
    sampled, distinct = len(values), len(counts)
    if distinct == sampled:
        return -1.0
    if rows is not None and sampled >= rows:
        return _scaled(distinct, rows)
    if _lie_together(values, distinct):
        return -distinct / sampled  # sorted, or filled piece by piece: other rows bring other values
    once = int((counts == 1).sum())
    # Haas and Stokes' estimator Duj1, as ANALYZE has it
    estimate = sampled * distinct / (sampled - once + (once * sampled / rows if rows else 0.0))
    return _scaled(estimate, rows or float("inf"))


def _scaled(distinct: float, rows: float) -> float:
    return -min(1.0, distinct / rows) if distinct > _SHARE * rows else float(round(distinct))


def _lie_together(values: Any, distinct: int) -> bool:  # noqa: ANN401
    """Do all equal values follow each other?"""
    changes = pc.sum(pc.not_equal(values.slice(1), values.slice(0, len(values) - 1))).as_py() or 0
    return bool(changes + 1 == distinct)
