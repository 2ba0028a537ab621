"""Each type, both ways; what is not of it is refused without being shown."""

from __future__ import annotations

import datetime
from json import loads
from typing import Any

import numpy
import pytest

from apps.checking import check, from_text, parse
from apps.errors import InputError
from apps.types import TYPES, WrongTypeError

GOOD: list[tuple[str, Any, Any, Any]] = [
    ("int", 5, 5, 5),
    ("int", 10**30, 10**30, 10**30),
    ("float", 5, 5.0, 5.0),
    ("float", 0.5, 0.5, 0.5),
    ("str", "ä", "ä", "ä"),
    ("bool", True, True, True),
    ("date", "2026-11-22", datetime.date(2026, 11, 22), "2026-11-22"),
    ("list", [1, "a", None], [1, "a", None], [1, "a", None]),
    ("dict", {"a": [1]}, {"a": [1]}, {"a": [1]}),
    ("bytes", "AAE=", b"\0\1", "AAE="),
]


@pytest.mark.parametrize(("kind", "sent", "got", "back"), GOOD)
def test_there_and_back(kind: str, sent: Any, got: Any, back: Any) -> None:
    TYPES[kind].check(sent)
    found = TYPES[kind].to_python(sent)
    assert found == got
    assert type(found) is type(got)
    assert TYPES[kind].to_json(found) == back


INFINITE = loads("1e999")
"""As bodies bring it: JSON has no infinity, but numbers that are read as one."""


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", 1.0), ("int", True), ("int", "1"), ("int", None), ("float", "1"), ("float", True), ("float", 10**400), ("str", 1),
        ("bool", 1),
        ("date", "22.11.2026"), ("date", "2026-02-30"), ("date", 1), ("list", {}), ("dict", []), ("bytes", "?"), ("bytes", "é"),
        ("bytes", 1),
        ("dataframe", [1]), ("dataframe", {"a": 1}), ("dataframe", {"a": [1], "b": []}), ("dataframe", "x"), ("float", float("nan")),
        ("float", INFINITE), ("list", [1, [INFINITE]]), ("dict", {"a": [{"b": INFINITE}]}), ("dataframe", [{"a": INFINITE}]),
        ("dataframe", {"a": [1, INFINITE]}),
    ],
)  # fmt: skip
def test_what_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        check({"x": value}, {"x": kind})
    assert (caught.value.where, caught.value.status) == ("x", 422)


@pytest.mark.parametrize(
    ("kind", "value", "json"),
    [
        ("float", numpy.float32(0.5), 0.5), ("int", numpy.int64(5), 5), ("float", numpy.array([[2.5]]), 2.5),
        ("bool", numpy.bool_(True), True),
        ("list", numpy.arange(3), [0, 1, 2]), ("list", (1, 2), [1, 2]), ("dict", {"a": numpy.float64(1)}, {"a": 1.0}),
        ("date", datetime.datetime(2026, 11, 22, 1), "2026-11-22"), ("bytes", bytearray(b"\0"), "AA=="), ("float", 3, 3.0),
    ],
)  # fmt: skip
def test_what_numerical_libraries_give(kind: str, value: Any, json: Any) -> None:
    found = TYPES[kind].to_json(value)
    assert (found, type(found)) == (json, type(json))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("float", float("nan")), ("float", float("inf")), ("int", 1.5), ("int", True), ("float", "1"), ("str", b"a"),
        ("list", [float("nan")]),
        ("list", [object()]), ("dict", [1]), ("float", numpy.arange(2)), ("float", None), ("date", "2026-11-22"), ("dataframe", 1),
    ],
)  # fmt: skip
def test_outputs_that_are_refused(kind: str, value: Any) -> None:
    with pytest.raises(WrongTypeError):
        TYPES[kind].to_json(value)


def test_frames() -> None:
    pandas = pytest.importorskip("pandas")
    kind = TYPES["dataframe"]
    for sent in ([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], {"a": [1, 2], "b": ["x", "y"]}):
        kind.check(sent)
        assert kind.to_json(kind.to_python(sent)) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert kind.to_json(pandas.DataFrame({"a": [1.5, float("nan")]})) == [{"a": 1.5}, {"a": None}]


@pytest.mark.parametrize("body", [b'{"x": NaN}', b'{"x": Infinity}', b"{", b"\xff", b'{"x": 1, "x": 2}', b"[" * 100_000, b"1" * 5000])
def test_bodies_that_are_no_json(body: bytes) -> None:
    with pytest.raises(InputError):
        check(parse(body), {"x": "int"})


def test_names_are_those_of_the_spec() -> None:
    assert check(parse(b""), {}) == {}
    for given, where in (({"x": 1, "z": 1}, "z"), ({}, "x"), ([], "body")):
        with pytest.raises(InputError) as caught:
            check(given, {"x": "int"})
        assert caught.value.where == where


def test_values_of_the_command_line() -> None:
    assert [from_text("5", "int"), from_text("true", "bool"), from_text("a,b", "str"), from_text("[1]", "list")] == [5, True, "a,b", [1]]
    for text in ("x", "NaN", ""):
        with pytest.raises(ValueError):
            from_text(text, "float")
