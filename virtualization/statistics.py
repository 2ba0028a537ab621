"""What a planner wants to know of a column's values, in the terms of PostgreSQL's ``pg_stats``.

The master's planner decides with it whether a join of virtual tables is carried out beside the data: for columns of which it knows
nothing it assumes 200 different values, a join on a key then seems to multiply rows, and both tables travel to the master instead.
Half of it would be worse than nothing: without values or bounds the planner believes that a range between two constants is empty.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from virtualization.catalog import Column, ColumnFacts
from virtualization.encoding.text import text_column
from virtualization.types import pg_type

SAMPLE_ROWS = 30_000
"""Rows that are worth looking at: PostgreSQL's ANALYZE takes as many."""

VALUES = 100
"""So many most common values, or intervals of a histogram, as in PostgreSQL."""

MAX_TEXT = 20_000
"""Characters of one column's values; a column of longer ones goes without statistics."""

_SHARE = 0.1
"""Above this share of distinct values their number is expected to grow with the table."""

pc: Any = pyarrow.compute


@dataclass(frozen=True)
class ColumnStatistics:
    """``null_frac``: share of NULLs. ``avg_width``: bytes of a value. ``n_distinct``: how many values differ; negative: minus the share
    of the rows, -1 where each row has its own. The others are arrays as PostgreSQL writes them, of the column's type and of real."""

    null_frac: float
    avg_width: int
    n_distinct: float
    histogram_bounds: str | None = None
    most_common_vals: str | None = None
    most_common_freqs: str | None = None

    @property
    def usable(self) -> bool:
        """Are there values, and are they short enough?"""
        texts = [text for text in (self.histogram_bounds, self.most_common_vals) if text is not None]
        return bool(texts) and sum(map(len, texts)) <= MAX_TEXT


def whole_statistics(table: pa.Table, columns: Sequence[Column]) -> Mapping[str, ColumnStatistics]:
    """Of a table that is here with all its rows, its columns in the Arrow types of ``columns``; one without values is left out."""
    found = {}
    for declared, values in zip(columns, table.columns, strict=True):
        column = values.combine_chunks()
        present = column.drop_null()
        if len(present):
            one = replace(ColumnStatistics(*_sizes(column, float(len(column)))), **_values(present, len(column), declared))
            if one.usable:
                found[declared.name] = one
    return found


def sample_statistics(
    sample: pa.Table, columns: Sequence[Column], rows: float | None, bounds: Mapping[str, tuple[object, object]]
) -> Mapping[str, ColumnStatistics]:
    """From the first rows of a table of ``rows`` (None: nobody knows); ``bounds``: each column's least and greatest value in the whole
    table. A column without them is left out: the first rows don't tell what comes."""
    found = {}
    for declared, values in zip(columns, sample.columns, strict=True):
        column = values.combine_chunks()
        if declared.name not in bounds or column.null_count == len(column):
            continue
        one = bounded(ColumnStatistics(*_sizes(column, rows)), declared, *bounds[declared.name])
        if one.usable:
            found[declared.name] = one
    return found


def sampled_facts(sample: pa.Table, columns: Sequence[Column], rows: float) -> Mapping[str, ColumnFacts]:
    """From some rows of a table of ``rows``, without bounds."""
    found = {}
    for declared, values in zip(columns, sample.columns, strict=True):
        column = values.combine_chunks()
        if column.null_count < len(column):
            nulls, width, distinct = _sizes(column, rows)
            found[declared.name] = ColumnFacts(distinct, nulls, width)
    return found


def bounded(sizes: ColumnStatistics, declared: Column, least: object, greatest: object) -> ColumnStatistics:
    """``sizes`` of a column of whose values only the least and the greatest are known (in Python, of the declared type)."""
    arrow = pg_type(declared.type).arrow
    if least == greatest:
        shown = _shown(pa.array([least], arrow), declared)
        return replace(sizes, n_distinct=1.0, most_common_vals=shown, most_common_freqs=f"{{{1 - sizes.null_frac}}}")
    return replace(sizes, histogram_bounds=_shown(pa.array(_between(least, greatest), arrow), declared))


def _between(least: Any, greatest: Any) -> list[Any]:  # noqa: ANN401 values of a column's type, in Python
    """Both, with values at equal distances between them where the type has distances: the planner takes less than a hundredth of one
    interval for nothing, so two bounds alone would make one percent of the rows invisible."""
    if isinstance(least, float):
        return [float(value) for value in np.linspace(least, greatest, VALUES + 1)] if np.isfinite(greatest - least) else [least, greatest]
    if isinstance(least, decimal.Decimal):
        scale = -int(least.as_tuple().exponent)
        whole = _between(int(least.scaleb(scale)), int(greatest.scaleb(scale)))
        return [decimal.Decimal(value).scaleb(-scale) for value in whole]
    if isinstance(least, bool) or not isinstance(least, int | datetime.date):
        return [least, greatest]
    return sorted({least + (greatest - least) * place // VALUES for place in range(VALUES + 1)})


def _sizes(column: Any, rows: float | None) -> tuple[float, int, float]:  # noqa: ANN401 Arrow arrays of any type
    """``null_frac``, ``avg_width``, ``n_distinct``."""
    present = column.drop_null()
    filled = len(present) / len(column)
    distinct = _distinct(present, None if rows is None else rows * filled)
    return 1 - filled, max(1, present.nbytes // len(present)), distinct * filled if distinct < 0 else distinct


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


def _values(present: Any, rows: int, declared: Column) -> dict[str, Any]:  # noqa: ANN401
    """All values with their shares where they are few and come again, else a histogram."""
    counted = pc.value_counts(present)
    if len(counted) <= VALUES and (len(counted) < len(present) or len(counted) == 1):
        order = pc.array_sort_indices(counted.field("counts"), order="descending")
        shares = counted.field("counts").take(order).to_numpy(zero_copy_only=False) / rows
        shown = _shown(counted.field("values").take(order), declared)
        return {"most_common_vals": shown, "most_common_freqs": "{" + ",".join(map(str, shares)) + "}"}
    places = np.unique(np.linspace(0, len(present) - 1, VALUES + 1).astype(np.int64))
    ordered = present.take(pc.array_sort_indices(present)) if not pa.types.is_boolean(present.type) else present
    return {"histogram_bounds": _shown(ordered.take(pa.array(places)), declared)}


def _shown(values: Any, declared: Column) -> str:  # noqa: ANN401
    """An array as PostgreSQL writes it."""
    texts = text_column(values, pg_type(declared.type), "UTC").cast(pa.string()).to_pylist()
    marked = (str(text).replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in marked) + "}"
