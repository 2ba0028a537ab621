"""Numbers of distinct values from the first rows."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from virtualization.statistics import SAMPLE_ROWS, ColumnStatistics, sample_statistics

ROWS = 1_000_000.0


def distinct(values: object, rows: float | None = ROWS) -> float:
    return sample_statistics(pa.table({"c": pa.array(values)}), rows)["c"].n_distinct


def test_keys_are_unique() -> None:
    assert distinct(np.arange(SAMPLE_ROWS)) == -1
    assert distinct([f"k{i}" for i in range(1000)], None) == -1
    assert distinct([1], 1.0) == -1


def test_few_values_stay_few() -> None:
    few = np.random.default_rng(1).integers(0, 1000, SAMPLE_ROWS)
    assert distinct(few) == 1000
    assert distinct(few, None) == 1000
    assert distinct([True, False] * 100) == 2
    assert distinct([1, 1, 2], 3.0) == pytest.approx(-2 / 3)


def test_many_values_grow_with_the_table() -> None:
    half = np.random.default_rng(1).integers(0, 500_000, SAMPLE_ROWS)
    assert -0.7 < distinct(half) < -0.3


def test_what_lies_together_is_not_all_there_is() -> None:
    assert distinct(np.arange(SAMPLE_ROWS) // 4) == -0.25
    assert distinct(np.zeros(SAMPLE_ROWS, np.int64)) == -1 / SAMPLE_ROWS


def test_nulls_and_widths() -> None:
    table = pa.table({"a": pa.array([1, None, 2, None], pa.int64()), "b": pa.nulls(4, pa.string()), "c": ["xxxx"] * 4})
    found = sample_statistics(table, 4.0)
    assert found["a"].null_frac == 0.5 and found["a"].n_distinct == -0.5
    assert "b" not in found
    assert found["c"] == ColumnStatistics(0.0, 8, -0.25)
    assert sample_statistics(table.slice(0, 0), 0.0) == {}


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        (True, False, pa.bool_()),
        (datetime.date(2024, 1, 1), datetime.date(2024, 1, 2), pa.date32()),
        (1, 2, pa.timestamp("us", "UTC")),
        (1, 2, pa.time64("us")),
        (Decimal(1), Decimal(2), pa.decimal128(12, 2)),
        (b"a", b"", pa.binary()),
        (0.5, float("nan"), pa.float64()),
        ("a", "", pa.string()),
    ],
)
def test_types(one: object, other: object, kind: pa.DataType) -> None:
    column = pa.array([one, other, one, other], kind)
    assert sample_statistics(pa.table({"c": column}), None)["c"].n_distinct == 2
