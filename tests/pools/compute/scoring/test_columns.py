"""Columns of SQL and those of Spark become the same inputs, and answers the same outputs: pyspark_bdc stands alone and has its own copy."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pools.compute.errors import StatementError
from pools.compute.scoring import columns as of_sql
from pyspark_bdc.errors import ScoreError
from pyspark_bdc.scoring import columns as of_spark

DAYS = st.dates(datetime.date(1, 1, 1), datetime.date(9999, 12, 31))
JSON = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=2)


def integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


GIVEN: list[tuple[str, Any, st.SearchStrategy[Any]]] = [
    *(("int", kind, integers(bits)) for bits, kind in ((16, pa.int16()), (32, pa.int32()), (64, pa.int64()))),
    *(("float", kind, integers(bits)) for bits, kind in ((16, pa.int16()), (32, pa.int32()), (64, pa.int64()))),
    ("float", pa.float32(), st.floats(width=32)),
    ("float", pa.float64(), st.floats()),
    ("float", pa.decimal128(38, 9), st.decimals(-(10**28), 10**28, places=9)),
    ("str", pa.string(), st.text()),
    ("bool", pa.bool_(), st.booleans()),
    ("date", pa.date32(), DAYS),
]
"""Type of an input, Arrow's type of a column that it takes, and the column's values."""
ANSWERED: dict[str, st.SearchStrategy[Any]] = {
    "float": st.floats(allow_nan=False, allow_infinity=False) | integers(64),
    "int": integers(64), "str": st.text(), "bool": st.booleans(), "date": DAYS.map(datetime.date.isoformat),
    "bytes": st.sampled_from(["", "AA==", "/+8="]), "list": st.lists(JSON, max_size=3),
    "dict": st.dictionaries(st.text(), JSON, max_size=3),
    "dataframe": st.dictionaries(st.text(), st.lists(integers(64)), max_size=3),
}  # fmt: skip
"""Type of an output → values as the app proxy gives them."""


def outcome(checked: Callable[..., pa.RecordBatch], kind: str, column: Any) -> pa.RecordBatch | str:
    """The input, or what is wrong with it."""
    try:
        return checked("m@v1", {"x": kind}, [column])
    except (StatementError, ScoreError) as error:
        return error.message


def test_types_are_the_same() -> None:
    assert of_sql.ARROW == of_spark.ARROW
    assert set(ANSWERED) == set(of_sql.ARROW)


@pytest.mark.parametrize(("kind", "column", "values"), GIVEN, ids=str)
@given(data=st.data())
def test_inputs_are_the_same(kind: str, column: Any, values: st.SearchStrategy[Any], data: st.DataObject) -> None:
    with decimal.localcontext(prec=60):
        array = pa.array(data.draw(st.lists(st.none() | values, max_size=5)), column)
    sql, spark = outcome(of_sql.checked, kind, array), outcome(of_spark.checked, kind, array)
    assert sql == spark
    if isinstance(sql, pa.RecordBatch) and isinstance(spark, pa.RecordBatch):
        assert sql.schema == spark.schema
        assert json.dumps(of_sql.as_json(sql)) == json.dumps(of_spark.as_json(spark))
        if kind == "float":
            assert sql.column(0).to_pylist() == [float(value) for value in array.to_pylist()]


@pytest.mark.parametrize("kind", sorted(ANSWERED))
@settings(max_examples=40)
@given(data=st.data())
def test_outputs_are_the_same(kind: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(ANSWERED[kind], max_size=5))
    sql, spark = of_sql.from_json(kind, values), of_spark.from_json(kind, values)
    assert sql.type == spark.type == of_sql.ARROW[kind]
    assert sql.equals(spark)
