"""What becomes of a function when it is published: a file that stands by itself, or a refusal that says what to do."""

from __future__ import annotations

import functools
import json
import math
import math as m
from collections.abc import Callable
from typing import Any

import numpy
import pandas
import psycopg
import pytest

from apps.reading import read
from bdc.errors import BdcError, UserError
from bdc.publishing import Publication
from bdc.sources import source_of
from tests.apps import folders

RATE = 0.19
TABLE = {"a": [1, 2], "b": (None, "x")}
MODEL = numpy.arange(3.0)
NOT_A_NUMBER = math.nan
dumps = json.dumps
short = lambda x: x  # noqa: E731
undecided: int


def taxed(price: float) -> float:
    return price * (1 + RATE)


def twice(price: float, times: int = 2) -> float:
    return taxed(price) * times if price else 0.0


again = twice


def total(price: float, names: list[str]) -> dict[str, Any]:
    """With a helper, a module by another name, a constant, and a function in it."""

    def shown(value: float) -> str:
        return dumps({"value": m.floor(value), "of": TABLE["a"]})

    return {"sum": again(price) + len(names), "text": shown(price)}


def loaded(source: str, name: str) -> Callable[..., Any]:
    found: dict[str, Any] = {}
    exec(compile(source, "app.py", "exec"), found)
    return found[name]  # type: ignore[no-any-return]


def test_a_function_comes_with_what_it_needs() -> None:
    source = source_of(total)
    assert loaded(source, "total")(100.0, ["x"]) == total(100.0, ["x"])
    assert source.startswith("from __future__ import annotations\n\n\nfrom json import dumps\nimport math as m\n")
    assert "RATE = 0.19" in source and "again = twice" in source and "MODEL" not in source


def with_array(x: float) -> float:
    return float(MODEL[0]) + x


def with_nan(x: float) -> float:
    return NOT_A_NUMBER * x


def with_numpy(x: float) -> float:
    return float(numpy.exp(x))


def with_numpy_inside(x: float) -> float:
    import numpy.linalg

    return float(numpy.linalg.norm([x]))


def with_a_module_of_ours(x: float) -> float:
    return len(folders.CODE) + x


def with_undecided(x: float) -> float:
    return undecided + x  # noqa: F821


def with_connection() -> str:
    return str(HERE)


def with_lambda(x: float) -> float:
    return float(short(x))


def setting(x: float) -> float:
    global RATE
    RATE = x
    return x


@functools.cache
def decorated(x: float) -> float:
    return x


@functools.partial(lambda function: function)
def undone(x: float) -> float:
    return x


def outer() -> Callable[[float], float]:
    held = [1.0]

    def inner(x: float) -> float:
        return held[0] + x

    return inner


def given_array(x: float, values: Any = MODEL) -> float:
    return x


def yielding(x: float) -> Any:
    yield x


HERE = psycopg.conninfo


class Model:
    def predict(self, x: float) -> float:
        return x


@pytest.mark.parametrize(
    ("function", "said", "hint"),
    [
        (with_array, "with_array uses MODEL, which a package can't contain: ndarray", "session.apps.create(folder)"),
        (with_nan, "NOT_A_NUMBER, which a package can't contain: float", "inside of the function"),
        (with_numpy, "imports numpy, which the requirements don't name", f"requirements=['numpy=={numpy.__version__}']"),
        (with_numpy_inside, "imports numpy, which the requirements don't name", "requirements=['numpy=="),
        (with_connection, "imports psycopg, which the requirements don't name", "requirements=['psycopg"),
        (with_a_module_of_ours, "imports tests, a module of yours", "make a folder"),
        (with_undecided, "uses undecided, which is not defined", "define it"),
        (with_lambda, "a lambda can't be published", "def NAME"),
        (lambda x: x, "a lambda can't be published", "def NAME"),
        (setting, "sets the global variable RATE", "return it"),
        (decorated, "is no function that can be published", "def"),
        (undone, "is decorated", "without the decorator"),
        (outer(), "inner keeps variables of the function around it: held", "inputs"),
        (given_array, "a default of given_array is no constant: MODEL", "in the body"),
        (yielding, "is async or a generator", "return"),
        (Model().predict, "is no function that can be published: method", "def"),
        (len, "is no function that can be published: builtin_function_or_method", "def"),
        (Model, "is no function that can be published: type", "def"),
    ],
)
def test_what_can_not_come_along_is_refused(function: Callable[..., object], said: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        source_of(function)
    assert said in caught.value.message
    assert hint in str(caught.value.hint)


def test_what_the_requirements_name_is_imported() -> None:
    assert "import numpy\n" in source_of(with_numpy, ["NumPy>=2"])
    assert source_of(with_numpy_inside, ["numpy"]).count("import numpy.linalg") == 1


def frame(rows: pandas.DataFrame, least: int) -> pandas.DataFrame:
    return rows[rows.x > least]


def untyped(x, y):  # type: ignore[no-untyped-def]
    return x + y


def counted(x: complex) -> int:
    return int(x.real)


def many(*values: float) -> float:
    return sum(values)


def defaulted(x: float = 1.0) -> float:
    return x


def spec_of(function: Callable[..., object], **more: Any) -> Any:
    import io
    import tarfile

    package = Publication(function, more.pop("name", None), "v1", **more).package()
    with tarfile.open(fileobj=io.BytesIO(package.archive)) as tar:
        content = tar.extractfile("spec.yaml")
        assert content is not None
        return read(content.read().decode())


def test_the_spec_is_made_of_the_annotations_or_of_what_is_given() -> None:
    spec = spec_of(total, fields={"timeout": 5, "sample": {"price": 1.0, "names": []}})
    assert (spec.name, spec.entrypoint, spec.inputs, spec.outputs) == (
        "total",
        "total",
        {"price": "float", "names": "list"},
        {"result": "dict"},
    )
    assert spec.timeout == 5
    spec = spec_of(total, name="t-1", output={"sum": float, "text": "str"})
    assert (spec.name, spec.outputs) == ("t-1", {"sum": "float", "text": "str"})
    spec = spec_of(untyped, inputs={"x": int, "y": "int"}, output=int)
    assert (spec.inputs, spec.outputs) == ({"x": "int", "y": "int"}, {"result": "int"})
    spec = spec_of(frame)
    assert (spec.inputs, spec.outputs) == ({"rows": "dataframe", "least": "int"}, {"result": "dataframe"})


@pytest.mark.parametrize(
    ("function", "more", "said"),
    [
        (untyped, {}, "the input x has no type"),
        (untyped, {"inputs": {"x": int, "y": int}}, "what it returns has no type"),
        (untyped, {"inputs": {"x": int}, "output": int}, "inputs names x; untyped takes x, y"),
        (counted, {}, "the input x is of a type that an app has not: complex"),
        (many, {}, "the input values has no name of its own"),
        (defaulted, {}, "the input x has a default"),
        (taxed, {"name": "Not a name"}, "name"),
        (taxed, {"output": {"y": "number"}}, "output"),
        (taxed, {"fields": {"timeot": 5}}, "timeot"),
        (taxed, {"fields": {"sample": {"price": "x"}}}, "sample.json"),
    ],
)
def test_a_wrong_description_is_refused(function: Callable[..., object], more: dict[str, Any], said: str) -> None:
    with pytest.raises(BdcError) as caught:
        spec_of(function, **more)
    assert said in f"{caught.value.message} {caught.value.where}"
    assert caught.value.category == "user"
