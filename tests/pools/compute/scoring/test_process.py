"""A model in a process of its own: rows together where that gives what REST gives for each, else row by row."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Callable

import pyarrow as pa
import pytest

from pools.compute.errors import StatementError
from pools.compute.scoring.process import MODEL, ModelProcess, Place, StartingError
from pools.compute.scoring.proxy import App
from tests.pools.compute.scoring.onnx_models import BOOL, FLOAT, INT64, Shape, model, node, outside, tensor

Start = Callable[..., ModelProcess]


@pytest.fixture
def start(tmp_path: pathlib.Path) -> Start:
    made = []

    def started(content: bytes, inputs: dict[str, str], outputs: dict[str, str], **more: object) -> ModelProcess:
        (tmp_path / MODEL).write_bytes(content)
        fields = {"timeout": 60.0, "memory_mb": 512, **more}
        app = App("m", "v1", "d", "onnx", inputs, outputs, model=hashlib.sha256(content).hexdigest(), **fields)  # type: ignore[arg-type]
        made.append(ModelProcess(app, Place(tmp_path, 1)))
        made[-1].start()
        return made[-1]

    yield started  # type: ignore[misc]
    for process in made:
        process.close()


def features(rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"a": [float(n) for n in range(rows)], "b": [n * 0.5 for n in range(rows)]})


def sums(first: int | None) -> bytes:
    """[first, 2] → [first, 1]."""
    shape: Shape = (first, 2)
    return model([node("ReduceMean", ["x"], "y", axes=[1], keepdims=1)], [tensor("x", FLOAT, shape)], [tensor("y", FLOAT, (first, 1))])


AB, Y = {"a": "float", "b": "float"}, {"y": "float"}


@pytest.mark.parametrize("first", [None, 1])
def test_a_fixed_first_dimension_gives_the_same(start: Start, first: int | None) -> None:
    process = start(sums(first), AB, Y)
    assert process.score(features(5))["y"].to_pylist() == [n * 0.75 for n in range(5)]
    assert process.score(features(1))["y"].to_pylist() == [0.0]


def test_more_rows_than_one_batch_takes(start: Start) -> None:
    assert start(sums(None), AB, Y).score(features(20_000))["y"].to_pylist() == [n * 0.75 for n in range(20_000)]


def test_rows_that_depend_on_each_other_are_called_one_by_one(start: Start) -> None:
    steps = [
        node("ReduceMean", ["x"], "m", axes=[0], keepdims=1),
        node("Sub", ["x", "m"], "d"),
        node("ReduceMean", ["d"], "y", axes=[1], keepdims=1),
    ]
    process = start(model(steps, [tensor("x", FLOAT, (None, 2))], [tensor("y", FLOAT, (None, 1))]), AB, Y)
    assert process.score(features(4))["y"].to_pylist() == [0.0] * 4


def test_inputs_by_name_and_outputs_of_other_types(start: Start) -> None:
    content = model(
        [node("Add", ["n", "k"], "s"), node("Greater", ["n", "k"], "g")],
        [tensor("n", INT64, (None,)), tensor("k", INT64, (None,))],
        [tensor("s", INT64, (None,)), tensor("g", BOOL, (None,))],
    )
    process = start(content, {"n": "int", "k": "int"}, {"s": "int", "g": "bool"})
    found = process.score(pa.RecordBatch.from_pydict({"n": [1, 2**60, 3], "k": [2, 1, 3]}))
    assert {name: values.to_pylist() for name, values in found.items()} == {"s": [3, 2**60 + 1, 6], "g": [False, True, False]}


def test_an_output_that_the_spec_does_not_say(start: Start) -> None:
    process = start(sums(None), AB, {"y": "int"})
    with pytest.raises(StatementError, match=r"m@v1: output y: must be an int, is a number"):
        process.score(features(3))


def test_infinite_numbers_are_refused_as_by_rest(start: Start) -> None:
    process = start(
        model([node("Div", ["a", "b"], "y")], [tensor("a", FLOAT, (None,)), tensor("b", FLOAT, (None,))], [tensor("y", FLOAT, (None,))]),
        AB,
        Y,
    )
    assert len(process.score(features(4).slice(1))["y"]) == 3
    with pytest.raises(StatementError, match="NaN and infinity"):
        process.score(features(4))


def test_what_is_no_model(start: Start) -> None:
    with pytest.raises(StartingError, match="no model that onnxruntime can run"):
        start(b"nothing", AB, Y)
    with pytest.raises(StartingError, match="features"):
        start(sums(None), {"a": "float", "b": "float", "c": "float"}, Y)


@pytest.mark.parametrize("file", ["../secret", "/etc/hostname"])
def test_a_model_reads_no_file_of_the_pool(start: Start, tmp_path: pathlib.Path, file: str) -> None:
    (tmp_path.parent / "secret").write_bytes(b"secret")
    content = model(
        [node("Cast", ["w"], "f", to=FLOAT), node("Add", ["x", "f"], "y")],
        [tensor("x", FLOAT, (None, 1))],
        [tensor("y", FLOAT, (None, 1))],
        (outside("w", 1, file),),
    )
    with pytest.raises(StartingError, match="External data path"):
        start(content, {"a": "float"}, Y)


def test_a_process_that_ended_is_started_again(start: Start) -> None:
    process = start(sums(None), AB, Y)
    before = process.score(features(3))["y"]
    assert process._process is not None
    process._process.kill()
    process._process.wait()
    assert process.score(features(3))["y"] == before


def test_it_gets_nothing_of_the_pools_environment(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    process = start(sums(None), AB, Y)
    assert process._process is not None
    told = pathlib.Path(f"/proc/{process._process.pid}/environ").read_bytes()
    assert b"SECRET" not in told
