"""Values of frames and tables on their way to an app. What the app answers: tests/cluster/test_python_sdk.py."""

from __future__ import annotations

import datetime
import json
import math
from decimal import Decimal
from typing import Any

import numpy
import pandas
import pyarrow
import pytest

from apps.types import TYPES
from bdc.batches import _named, _renumbered, _table, _value, carried
from bdc.errors import ServiceError, UserError

DAY = datetime.date(2026, 11, 22)


@pytest.mark.parametrize(
    ("value", "kind", "sent"),
    [
        (1.5, "float", 1.5),
        (math.nan, "float", None),
        (-math.inf, "float", None),
        (Decimal("1.10"), "float", 1.1),
        (Decimal(7), "int", 7),
        (2.0, "int", 2),
        (2.5, "int", 2.5),
        (numpy.float32(0.5), "float", 0.5),
        (numpy.int16(3), "int", 3),
        (numpy.array([1, 2]), "list", [1, 2]),
        (numpy.True_, "bool", True),
        (DAY, "date", "2026-11-22"),
        (datetime.datetime(2026, 11, 22, 5), "date", "2026-11-22"),
        (pandas.Timestamp("2026-11-22"), "date", "2026-11-22"),
        (b"\x00\xff", "bytes", "AP8="),
        ("x", "str", "x"),
        ({"a": 1}, "dict", {"a": 1}),
    ],
)
def test_values_as_json_carries_them(value: Any, kind: str, sent: Any) -> None:
    found = _value(value, kind)
    assert (found, type(found)) == (sent, type(sent))
    json.dumps(found, allow_nan=False)
    if sent is not None and (kind, sent) != ("int", 2.5):
        TYPES[kind].check(found)


def test_inputs_of_one_call_as_json_carries_them() -> None:
    given = {
        "a": numpy.int64(3), "b": Decimal("1.5"), "c": Decimal(2**60), "d": DAY, "e": pandas.Timestamp(DAY), "f": b"\x00\xff",
        "g": [numpy.float32(0.5), None], "h": {1: Decimal(1)}, "i": numpy.array([[1, 2]]), "j": pandas.DataFrame({"x": [1], "y": ["a"]}),
        "k": True, "l": datetime.datetime(2026, 11, 22, 5),
    }  # fmt: skip
    assert json.loads(json.dumps(carried(given))) == {
        "a": 3, "b": 1.5, "c": 2**60, "d": "2026-11-22", "e": "2026-11-22", "f": "AP8=", "g": [0.5, None], "h": {"1": 1}, "i": [[1, 2]],
        "j": [{"x": 1, "y": "a"}], "k": True, "l": "2026-11-22T05:00:00",
    }  # fmt: skip
    with pytest.raises(UserError, match=r"input x is a pyarrow\.Table, which no JSON carries"):
        carried({"x": [pyarrow.table({})]})
    with pytest.raises(UserError, match="input x is a complex"):
        carried({"x": 1j})


def test_what_is_missing_in_a_frame_is_none() -> None:
    days = [pandas.NaT, pandas.Timestamp(DAY)]
    frame = pandas.DataFrame({"a": [1.0, None], "b": pandas.array([1, None], "Int64"), "c": ["x", None], "d": days})
    found = {name: [_value(one, "int" if name == "b" else "date") for one in _table(frame).column(name)] for name in "abcd"}
    assert found == {"a": [1.0, None], "b": [1, None], "c": ["x", None], "d": [None, "2026-11-22"]}
    assert _table(pyarrow.table({"a": [1, None]})).column("a") == [1, None]


def test_names_fit_exactly_or_but_for_their_case() -> None:
    assert _named(["A", "a"], "a") == "a"
    assert _named(["RM", "x"], "rm") == "RM"
    for names in (["A", "A"], ["AB", "Ab"], []):
        with pytest.raises(UserError):
            _named(names, "ab" if len(names) else "x")


def test_the_number_of_a_row_is_that_of_all_rows() -> None:
    error = _renumbered(ServiceError("row 7: ZeroDivisionError: row 3: x", where="w", hint="h", code="app_failed"), 2000)
    assert (error.message, error.where, error.hint, error.code) == ("row 2007: ZeroDivisionError: row 3: x", "w", "h", "app_failed")
    assert isinstance(error, ServiceError)
    assert _renumbered(UserError("row-wise"), 5).message == "row-wise"
