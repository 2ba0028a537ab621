"""One suite for every runtime: it starts, answers, names its outputs, says what is wrong with it, and goes on after a failed call.

A new runtime joins with one ``Case``; a runtime without one fails."""

from __future__ import annotations

import asyncio
import pathlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from apps import templates
from apps.environments import Environments
from apps.errors import AppError, CallError, StartError
from apps.running import Place, running
from apps.runtimes import RUNTIMES
from apps.worker.pool import Workers
from tests.apps import mlflow_models
from tests.apps.folders import python
from tests.services.postgresql import PostgresqlServer

ENVIRONMENTS = pathlib.Path(__file__).parents[3] / ".cache" / "app-environments"
"""Kept: MLflow and pandas are some 60 MB of the package registry's."""


@dataclass(frozen=True)
class Case:
    """``good`` makes a folder that gives ``outputs`` for ``inputs``, and fails in the call for ``failing``; ``bad`` spoils it so
    that it can't be loaded, and ``said`` is why."""

    good: Callable[[pathlib.Path], object]
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    failing: dict[str, Any]
    bad: Callable[[pathlib.Path], object]
    said: str


def _sql(folder: pathlib.Path) -> None:
    templates.init(folder, "sql", "q", "v1")
    (folder / "query.sql").write_text(
        "SELECT 10 / %(x)s::int AS whole, 10 / %(x)s::numeric AS part, current_setting('transaction_read_only') AS ro"
    )
    spec = (folder / "spec.yaml").read_text().partition("inputs:")[0]
    (folder / "spec.yaml").write_text(spec + "inputs: {x: int}\noutput: {whole: int, part: float, ro: str}\n")


CASES = {
    "python": Case(
        lambda folder: python(folder, "def run(x):\n    return 10 // x\n", "{x: int}"),
        {"x": 5},
        {"result": 2},
        {"x": 0},
        lambda folder: (folder / "app.py").write_text("import nothing\ndef run(x): pass\n"),
        "No module named",
    ),
    "onnx": Case(
        lambda folder: templates.init(folder, "onnx", "lin", "v1"),
        {"x": 2, "y": 3},
        {"prediction": 14.0},
        {"x": 1e300, "y": 1},
        lambda folder: (folder / "model.onnx").write_bytes(b"no model"),
        "is no model that onnxruntime can run",
    ),
    "mlflow": Case(
        lambda folder: mlflow_models.app(mlflow_models.function(folder / "model").parent),
        {"of_x": 5, "t": "a"},
        {"whole": 2, "text": "a!"},
        {"of_x": 2**40, "t": ""},
        lambda folder: (folder / "model" / "MLmodel").write_text("flavors: {}"),
        "one of python_function and onnx is needed",
    ),
    "sql": Case(
        _sql, {"x": 4}, {"whole": 2, "part": 2.5, "ro": "on"}, {"x": 0}, lambda folder: (folder / "query.sql").unlink(), "there is no file"
    ),
}  # fmt: skip


def variables(server: PostgresqlServer) -> dict[str, str]:
    """With which libpq finds it."""
    return {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(server.port),
        "PGUSER": server.user,
        "PGDATABASE": "postgres",
        "PGPASSWORD": server.password,
    }


@pytest.fixture(params=sorted(RUNTIMES))
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def marks(runtime: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """What the worker of that runtime is given by whoever runs it."""
    if runtime != "sql":
        return {}
    return variables(request.getfixturevalue("postgresql"))


def run(folder: pathlib.Path, marks: dict[str, str], what: Callable[[Workers], Any]) -> Any:
    async def all_of_it() -> Any:
        _, workers = await running(Place(folder, folder.parent / "scratch", Environments(ENVIRONMENTS), secrets=lambda _spec: marks))
        try:
            return await what(workers)
        finally:
            await workers.close()

    return asyncio.run(all_of_it())


def test_every_runtime_has_a_case_and_a_template() -> None:
    assert set(CASES) == set(RUNTIMES) == set(templates.TEMPLATES)


def test_it_answers_and_goes_on_after_a_failed_call(tmp_path: pathlib.Path, runtime: str, marks: dict[str, str]) -> None:
    case = CASES[runtime]
    case.good(tmp_path / "a")

    async def calls(workers: Workers) -> None:
        assert (await workers.call(case.inputs)).outputs == case.outputs
        with pytest.raises(CallError):
            await workers.call(case.failing)
        assert (await workers.call(case.inputs)).outputs == case.outputs
        assert workers.restarts == 0

    run(tmp_path / "a", marks, calls)


def test_it_says_why_it_can_not_be_loaded(tmp_path: pathlib.Path, runtime: str, marks: dict[str, str]) -> None:
    case = CASES[runtime]
    case.good(tmp_path / "a")
    case.bad(tmp_path / "a")
    with pytest.raises(AppError, match=case.said):
        run(tmp_path / "a", marks, lambda workers: workers.call(case.inputs))


def test_what_its_template_writes_runs(tmp_path: pathlib.Path, runtime: str, marks: dict[str, str]) -> None:
    templates.init(tmp_path / "a", runtime, "mine", "v1")
    inputs = {"sql": {"least": 9}}.get(runtime, {"x": 1.0, "y": 2.0})
    found = run(tmp_path / "a", marks, lambda workers: workers.call(inputs))
    assert found.outputs == {
        "python": {"result": 3.0}, "onnx": {"prediction": 9.0}, "mlflow": {"prediction": 9.0},
        "sql": {"rows": [{"number": 9, "square": 81}, {"number": 10, "square": 100}]},
    }[runtime]  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "output", "said"),
    [("{x: float}", "{p: float}", "takes 2 features"), ("{x: float, y: float}", "{p: float, q: float}", "the model gives prediction")],
)
def test_a_model_whose_shape_is_not_the_specs(tmp_path: pathlib.Path, inputs: str, output: str, said: str) -> None:
    templates.init(tmp_path / "a", "onnx", "lin", "v1")
    spec = (tmp_path / "a" / "spec.yaml").read_text().partition("inputs:")[0]
    (tmp_path / "a" / "spec.yaml").write_text(f"{spec}inputs: {inputs}\noutput: {output}\n")
    with pytest.raises(StartError, match=said):
        run(tmp_path / "a", {}, lambda workers: workers.call({}))


def test_a_query_that_gives_no_row_where_one_is_needed(tmp_path: pathlib.Path, postgresql: PostgresqlServer) -> None:
    _sql(tmp_path / "a")
    (tmp_path / "a" / "query.sql").write_text("SELECT 1 AS whole WHERE %(x)s::int = 1")
    with pytest.raises(CallError, match="gives 0 rows"):
        run(tmp_path / "a", variables(postgresql), lambda workers: workers.call({"x": 2}))


def test_a_model_that_mlflow_can_not_load_says_why(tmp_path: pathlib.Path) -> None:
    mlflow_models.app(mlflow_models.function(tmp_path / "a" / "model", "raise ValueError('weights are of another version')").parent)
    with pytest.raises(StartError, match="MLflow can't load it: ValueError: weights are of another version"):
        run(tmp_path / "a", {}, lambda workers: workers.call({}))


@pytest.mark.full
@pytest.mark.parametrize("columns", [True, False])
def test_a_model_of_scikit_learns_as_mlflow_saves_it(tmp_path: pathlib.Path, columns: bool) -> None:
    """Written by MLflow itself, in an environment of its own; skops is the format it takes."""
    python_ = Environments(ENVIRONMENTS).python(
        (f"mlflow-skinny=={mlflow_models.VERSION}", "numpy", "pandas", "scikit-learn", "skops"), tmp_path
    )
    code = f"""
import mlflow.sklearn, pandas
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression
X = pandas.DataFrame({{"x": [1.0, 2, 3], "the y": [2.0, 3, 5]}})
X = X if {columns} else X.to_numpy()
model = LinearRegression().fit(X, [3, 5, 8])
mlflow.sklearn.save_model(model, {str(tmp_path / "a" / "model")!r}, signature=infer_signature(X, model.predict(X)))
"""
    subprocess.run([python_, "-c", code], check=True, cwd=tmp_path, env={"MLFLOW_DISABLE_TELEMETRY": "true"}, capture_output=True)
    mlflow_models.app(tmp_path / "a")
    found = run(tmp_path / "a", {}, lambda workers: workers.call({"x": 4, "the_y": 6} if columns else {"input": [4, 6]}))
    assert found.outputs == {"prediction": pytest.approx(10)}
