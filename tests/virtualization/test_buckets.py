"""The hash of the data pool: golden values that never change, equality as PostgreSQL sees it, an even spread."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyspark_bdc.buckets
import virtualization.buckets
from virtualization.buckets import BUCKETS, HASHABLE, UnhashableError, bucket_numbers
from virtualization.types import pg_type

ROOT = Path(__file__).parent.parent
GOLDEN = json.loads((ROOT / "golden" / "buckets_v1.json").read_text())


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: " ".join(case["types"]))
def test_golden_values(case: dict[str, Any]) -> None:
    """A table made by one release is read by all later ones: a difference here loses rows. Never change this file's values."""
    columns = [pa.array(values).cast(pg_type(type_).arrow) for values, type_ in zip(case["values"], case["types"], strict=True)]
    assert bucket_numbers(columns, case["types"]).tolist() == case["buckets"]


def test_the_spark_package_has_the_very_same_code() -> None:
    assert Path(pyspark_bdc.buckets.__file__).read_text() == Path(virtualization.buckets.__file__).read_text()


def test_golden_values_hold_every_type() -> None:
    assert {pg_type(type_).name for case in GOLDEN for type_ in case["types"]} == HASHABLE


def of(values: list[object], type_: str, arrow: pa.DataType | None = None) -> list[int]:
    return [int(number) for number in bucket_numbers([pa.array(values, arrow)], [type_])]


@pytest.mark.parametrize(
    ("type_", "one", "other"),
    [
        ("numeric(10,2)", pa.array([Decimal("1.0"), Decimal("100")]), pa.array([Decimal("1.0000"), Decimal("100.0")])),
        ("numeric(10,8)", pa.array([Decimal("0.0000001")]), pa.array([Decimal("0.00000010")])),
        ("numeric(10,0)", pa.array([Decimal("7.00")]), pa.array([7])),
        ("double precision", pa.array([0.0, float("nan")]), pa.array([-0.0, -float("nan")])),
        ("bigint", pa.array([5, -1], pa.int8()), pa.array([5, -1], pa.int64())),
        ("character(5)", pa.array(["ab"]), pa.array(["ab   "])),
        ("uuid", pa.array(["00000000-0000-0000-0000-0000000000AB"]), pa.array([UUID(int=171).bytes], pa.binary(16))),
        ("text", pa.array(["é"]), pa.array(["x", "é"]).slice(1)),
        ("timestamp with time zone", pa.array([1_000_000], pa.timestamp("us", "UTC")), pa.array([1], pa.timestamp("s", "Asia/Tokyo"))),
    ],
)
def test_equal_values_lie_in_one_bucket(type_: str, one: pa.Array[Any], other: pa.Array[Any]) -> None:
    assert bucket_numbers([one], [type_]).tolist() == bucket_numbers([other], [type_]).tolist()


@given(st.lists(st.one_of(st.none(), st.text(max_size=40)), max_size=30), st.integers(0, 5))
def test_a_row_is_hashed_alike_wherever_it_stands(values: list[str | None], skip: int) -> None:
    whole = bucket_numbers([pa.array(values, pa.string())], ["text"]).tolist()
    assert whole == [of([value], "text", pa.string())[0] for value in values]
    assert bucket_numbers([pa.array(values, pa.large_string()).slice(skip)], ["text"]).tolist() == whole[skip:]


def test_null_is_a_value_of_its_own_and_order_of_columns_counts() -> None:
    assert len(set(of([None, 0, 1, 2], "bigint"))) == 4
    one, two = pa.array(range(100)), pa.array(range(100, 200))
    assert bucket_numbers([one, two], ["bigint"] * 2).tolist() != bucket_numbers([two, one], ["bigint"] * 2).tolist()


@pytest.mark.parametrize(("type_", "column"), [("bigint", pa.array(range(100_000))), ("text", pa.array([f"c{i}" for i in range(100_000)]))])
def test_rows_spread_evenly(type_: str, column: pa.Array[Any]) -> None:
    counts = np.bincount(bucket_numbers([column], [type_]), minlength=BUCKETS)
    assert counts.min() > 280
    assert counts.max() < 510  # 391 expected


@pytest.mark.parametrize(("type_", "values"), [("bigint", ["x"]), ("jsonb", ["{}"]), ("date", ["tomorrow"])])
def test_what_can_not_be_hashed_is_refused(type_: str, values: list[str]) -> None:
    with pytest.raises(UnhashableError):
        of(list(values), type_)
    with pytest.raises(UnhashableError, match="version 2"):
        bucket_numbers([pa.array([1])], ["bigint"], 2)
