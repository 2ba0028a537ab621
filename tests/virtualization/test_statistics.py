"""Numbers of distinct values from the first rows."""

from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from virtualization.catalog import Column
from virtualization.statistics import SAMPLE_ROWS, sample_statistics, whole_statistics

ROWS = 1_000_000.0
NEW_YEAR = datetime.datetime(2024, 1, 1)


def distinct(values: object, rows: float | None = ROWS) -> float:
    table = pa.table({"c": pa.array(values, pa.int64())})
    return sample_statistics(table, [Column("c", "bigint")], rows, {"c": (0, 9)})["c"].n_distinct


def test_keys_are_unique() -> None:
    assert distinct(np.arange(SAMPLE_ROWS)) == -1
    assert distinct(range(1000), None) == -1
    assert distinct([1], 1.0) == -1


def test_few_values_stay_few() -> None:
    few = np.random.default_rng(1).integers(0, 1000, SAMPLE_ROWS)
    assert distinct(few) == 1000
    assert distinct(few, None) == 1000
    assert distinct([1, 0] * 100) == 2
    assert distinct([1, 1, 2], 3.0) == pytest.approx(-2 / 3)


def test_many_values_grow_with_the_table() -> None:
    half = np.random.default_rng(1).integers(0, 500_000, SAMPLE_ROWS)
    assert -0.7 < distinct(half) < -0.3


def test_what_lies_together_is_not_all_there_is() -> None:
    assert distinct(np.arange(SAMPLE_ROWS) // 4) == -0.25
    assert distinct(np.zeros(SAMPLE_ROWS, np.int64)) == -1 / SAMPLE_ROWS


def test_the_first_rows_do_not_tell_the_bounds() -> None:
    table = pa.table({"a": [1, 2], "b": [1, 2], "c": [1, 1]})
    columns = [Column(name, "bigint") for name in "abc"]
    found = sample_statistics(table, columns, 100.0, {"a": (1, 99), "c": (1, 1)})
    assert found.keys() == {"a", "c"}
    assert found["a"].histogram_bounds == "{" + ",".join(f'"{i}"' for i in range(1, 100)) + "}"
    assert (found["c"].n_distinct, found["c"].most_common_vals, found["c"].most_common_freqs) == (1, '{"1"}', "{1.0}")


@pytest.mark.parametrize(
    ("kind", "of", "least", "greatest", "middle"),
    [
        (pa.int64(), "bigint", -100, 100, '"-2","0","2"'),
        (pa.float64(), "double precision", 0.0, 1.0, '"0.49","0.5","0.51"'),
        (pa.decimal128(12, 2), "numeric(12,2)", Decimal("0.00"), Decimal("2.00"), '"0.98","1.00","1.02"'),
        (pa.date32(), "date", datetime.date(2024, 1, 1), datetime.date(2024, 1, 31), '"2024-01-15","2024-01-16","2024-01-17"'),
        (pa.timestamp("us"), "timestamp without time zone", NEW_YEAR, NEW_YEAR + datetime.timedelta(1), '"2024-01-01 12:00:00"'),
        (pa.string(), "text", "a", "z", '{"a","z"}'),
        (pa.bool_(), "boolean", False, True, '{"f","t"}'),
    ],
)  # fmt: skip
def test_bounds_are_spread(kind: pa.DataType, of: str, least: object, greatest: object, middle: str) -> None:
    table = pa.table({"c": pa.array([least], kind)})
    shown = sample_statistics(table, [Column("c", of)], 100.0, {"c": (least, greatest)})["c"].histogram_bounds
    assert shown is not None and middle in shown


def test_a_whole_table() -> None:
    table = pa.table({"a": pa.array([1, None, 2, None], pa.int64()), "b": pa.nulls(4, pa.string()), "c": ["x", 'y"\\', "x", "x"]})
    found = whole_statistics(table, [Column("a", "bigint"), Column("b", "text"), Column("c", "text")])
    assert (found["a"].null_frac, found["a"].n_distinct, found["a"].histogram_bounds) == (0.5, -0.5, '{"1","2"}')
    assert "b" not in found
    assert (found["c"].most_common_vals, found["c"].most_common_freqs) == ('{"x","y\\"\\\\"}', "{0.75,0.25}")
    assert whole_statistics(table.slice(0, 0), [Column("a", "bigint"), Column("b", "text"), Column("c", "text")]) == {}


def test_histograms_and_limits() -> None:
    many = whole_statistics(pa.table({"c": np.arange(1001)}), [Column("c", "bigint")])["c"]
    assert many.histogram_bounds is not None and many.histogram_bounds.startswith('{"0","10","20",')
    assert whole_statistics(pa.table({"c": ["x" * 30_000]}), [Column("c", "text")]) == {}


@pytest.mark.parametrize(
    ("one", "other", "kind", "of"),
    [
        (True, False, pa.bool_(), "boolean"),
        (datetime.date(2024, 1, 1), datetime.date(2024, 1, 2), pa.date32(), "date"),
        (1, 2, pa.timestamp("us", "UTC"), "timestamp with time zone"),
        (1, 2, pa.time64("us"), "time without time zone"),
        (Decimal(1), Decimal(2), pa.decimal128(12, 2), "numeric(12,2)"),
        (b"a", b"", pa.binary(), "bytea"),
        (0.5, float("nan"), pa.float64(), "double precision"),
        ("a", "", pa.string(), "text"),
    ],
)
def test_types(one: object, other: object, kind: pa.DataType, of: str) -> None:
    for values in ([one, other, one, other], [one, other]):
        found = whole_statistics(pa.table({"c": pa.array(values, kind)}), [Column("c", of)])["c"]
        assert found.n_distinct == (2 if len(values) == 4 else -1) or found.n_distinct == -0.5
        assert found.usable
