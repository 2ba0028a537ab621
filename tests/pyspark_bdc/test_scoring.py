"""Rows in one of Spark's Python processes, without Spark: models as the compute pool runs them, batches at a real app proxy."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import onnxruntime
import pyarrow as pa
import pytest

from pyspark_bdc.errors import ScoreError
from pyspark_bdc.scoring import model as models
from pyspark_bdc.scoring.columns import checked
from pyspark_bdc.scoring.model import MOST_ROWS, Model, loaded
from pyspark_bdc.scoring.task import Task, scored
from tests.apps.folders import python
from tests.pools.app.stand import Stand, stand
from tests.pools.compute.scoring.onnx_models import BOOL, FLOAT, INT64, Shape, model, node, tensor

AB, Y = {"a": "float", "b": "float"}, {"y": "float"}


def run(content: bytes, inputs: dict[str, str], outputs: dict[str, str], batch: pa.RecordBatch) -> dict[str, list[Any]]:
    task = Task("m@v1", inputs, outputs, range(len(inputs)), 30.0, "m.onnx")
    found = Model(task, onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])).score(batch)
    return {name: values.to_pylist() for name, values in zip(outputs, found, strict=True)}


def features(rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"a": [float(n) for n in range(rows)], "b": [n * 0.5 for n in range(rows)]})


def sums(first: int | None) -> bytes:
    shape: Shape = (first, 2)
    return model([node("ReduceMean", ["x"], "y", axes=[1], keepdims=1)], [tensor("x", FLOAT, shape)], [tensor("y", FLOAT, (first, 1))])


@pytest.mark.parametrize("first", [None, 1])
@pytest.mark.parametrize("rows", [1, 5])
def test_a_fixed_first_dimension_gives_the_same(first: int | None, rows: int) -> None:
    assert run(sums(first), AB, Y, features(rows))["y"] == [n * 0.75 for n in range(rows)]


def test_more_rows_than_go_together() -> None:
    assert run(sums(None), AB, Y, features(MOST_ROWS + 7))["y"] == [n * 0.75 for n in range(MOST_ROWS + 7)]


def test_rows_that_depend_on_each_other_are_called_one_by_one() -> None:
    steps = [
        node("ReduceMean", ["x"], "m", axes=[0], keepdims=1),
        node("Sub", ["x", "m"], "d"),
        node("ReduceMean", ["d"], "y", axes=[1], keepdims=1),
    ]
    content = model(steps, [tensor("x", FLOAT, (None, 2))], [tensor("y", FLOAT, (None, 1))])
    assert run(content, AB, Y, features(4))["y"] == [0.0] * 4


def test_inputs_by_name_and_outputs_of_other_types() -> None:
    content = model(
        [node("Add", ["n", "k"], "s"), node("Greater", ["n", "k"], "g")],
        [tensor("n", INT64, (None,)), tensor("k", INT64, (None,))],
        [tensor("s", INT64, (None,)), tensor("g", BOOL, (None,))],
    )
    found = run(
        content, {"n": "int", "k": "int"}, {"s": "int", "g": "bool"}, pa.RecordBatch.from_pydict({"n": [1, 2**60, 3], "k": [2, 1, 3]})
    )
    assert found == {"s": [3, 2**60 + 1, 6], "g": [False, True, False]}


def test_what_the_spec_does_not_say_and_infinite_numbers_are_errors_as_by_rest() -> None:
    with pytest.raises(ScoreError, match="m@v1: output y: must be an int"):
        run(sums(None), AB, {"y": "int"}, features(3))
    content = model([node("Div", ["a", "b"], "y")], [tensor(n, FLOAT, (None,)) for n in "ab"], [tensor("y", FLOAT, (None,))])
    assert len(run(content, AB, Y, features(4).slice(1))["y"]) == 3
    with pytest.raises(ScoreError, match="NaN and infinity"):
        run(content, AB, Y, features(4))


def test_without_onnxruntime_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(models, "_models", type(models._models)())
    with pytest.raises(ScoreError, match=r"onnxruntime is not installed on this executor.*pip install 'pyspark-bdc\[onnx\]'"):
        loaded(Task("m@v1", AB, Y, (0, 1), 30.0, "m.onnx"))


def test_inputs_are_those_of_the_spec() -> None:
    batch = checked("m@v1", {"a": "float", "n": "int"}, [pa.array([Decimal("1.10"), Decimal("2.00")]), pa.array([1, 2], pa.int8())])
    assert batch.to_pydict() == {"a": [1.1, 2.0], "n": [1, 2]}
    assert checked("m@v1", {"a": "float"}, [pa.array([2**53 + 1])]).to_pydict() == {"a": [float(2**53)]}
    with pytest.raises(ScoreError, match="input a of m@v1 is NULL"):
        checked("m@v1", {"a": "float"}, [pa.array([1.0, None])])
    with pytest.raises(ScoreError, match="NaN or infinite"):
        checked("m@v1", {"a": "float"}, [pa.array([1.0, float("inf")])])


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    code = """
        def run(n, day):
            if n == 7:
                raise ValueError("no sevens")
            return {"text": f"{day} {n}"}
    """
    folder: Path = tmp_path_factory.mktemp("proxy")
    with stand(folder) as made:
        made.create(python(tmp_path_factory.mktemp("app"), code, "{n: int, day: date}", "{text: str}"))
        yield made


def called(proxy: Stand, token: str, numbers: list[int]) -> list[object]:
    batch = pa.RecordBatch.from_pydict({"day": [date(2026, 1, 2)] * len(numbers), "n": numbers, "kept": numbers})
    given = {
        "label": "t@v1", "inputs": {"n": "int", "day": "date"}, "outputs": {"text": "str"}, "places": [1, 0], "timeout": 30.0,
        "url": f"http://127.0.0.1:{proxy.port}", "path": "/api/app/t/v1/batch", "token": token,
    }  # fmt: skip
    found = pa.Table.from_batches(list(scored(given, iter([batch, batch.slice(0, 0)]))))
    assert found.column_names == ["day", "n", "kept", "text"]
    return list(found.column("text").to_pylist())


def test_other_runtimes_are_called_in_batches(proxy: Stand) -> None:
    assert called(proxy, proxy.token("app-reader"), list(range(1000, 3500))) == [f"2026-01-02 {n}" for n in range(1000, 3500)]


def test_what_the_proxy_refuses_ends_the_task(proxy: Stand) -> None:
    with pytest.raises(ScoreError, match=r"t@v1: .*no sevens"):
        called(proxy, proxy.token("app-reader"), [1, 7])
    with pytest.raises(ScoreError, match=r"call bdc\.spark\.score again"):
        called(proxy, "ended", [1])
    with pytest.raises(ScoreError, match="app-reader"):
        called(proxy, proxy.token("user"), [1])
