"""MLflow model folders: inputs and outputs of the signature, packages, and what is wrong with one, before anything of it runs."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

import pytest

from apps import templates
from apps.errors import PackageError, SpecError
from apps.mlmodel import MlModel, packages
from apps.reading import load
from tests.apps.mlflow_models import app, column, function, mlmodel, tensor


def read(folder: pathlib.Path, more: str = "") -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
    spec, requirements = load(app(folder, more))
    return dict(spec.inputs), dict(spec.outputs), requirements


def test_the_signature_gives_inputs_and_outputs_and_its_requirements_the_packages(tmp_path: pathlib.Path) -> None:
    function(tmp_path / "model")
    expected = {"of_x": "int", "t": "str"}, {"whole": "int", "text": "str"}, ("mlflow-skinny==3.17.2", "numpy", "pandas")
    assert read(tmp_path) == expected
    (tmp_path / "sample.json").write_text('{"of_x": 1, "t": 2}')
    with pytest.raises(SpecError, match=r"sample\.json: t must be a text"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("inputs", "outputs", "expected"),
    [
        ([tensor("float64", 13)], [tensor("float64")], ({"input": "list"}, {"prediction": "float"})),
        (
            [tensor("float32", 13, name="X")], [tensor("int64"), tensor("float32", 3)],
            ({"X": "list"}, {"prediction_0": "int", "prediction_1": "list"}),
        ),
        (
            [column("sepal length (cm)", "double"), column("1st", "boolean"), column("when", "datetime")], [{"type": "string"}],
            ({"sepal_length_cm": "float", "_1st": "bool", "when": "str"}, {"prediction": "str"}),
        ),
    ],
)  # fmt: skip
def test_signatures(tmp_path: pathlib.Path, inputs: Any, outputs: Any, expected: Any) -> None:
    mlmodel(tmp_path / "model", inputs, outputs)
    assert read(tmp_path)[:2] == expected


def test_the_specs_own_go_before(tmp_path: pathlib.Path) -> None:
    function(tmp_path / "model")
    more = "inputs: {x: int, text: str}\noutput: {a: int, b: str}\nrequirements: [mlflow-skinny>=3, numpy<3]"
    assert read(tmp_path, more) == ({"x": "int", "text": "str"}, {"a": "int", "b": "str"}, ("mlflow-skinny>=3", "numpy<3", "pandas"))


def test_packages_of_a_model_that_names_none(tmp_path: pathlib.Path) -> None:
    assert packages(MlModel({}, {}, False, "3.1.0"), ("mlflow_x==1", "Pandas==2")) == (
        "mlflow_x==1", "Pandas==2", "mlflow-skinny==3.1.0", "numpy",
    )  # fmt: skip
    assert packages(MlModel({}, {}, False, "x; rm"), ("mlflow[extras]==3.1",)) == ("mlflow-skinny[extras]==3.1", "numpy", "pandas")
    assert packages(MlModel({}, {}, True, "3.1.0"), ("mlflow==1",)) == ()


SAID = [
    (lambda model: (model / "MLmodel").unlink(), "src: model is no MLflow model: there is no MLmodel in it"),
    (lambda model: shutil.rmtree(model), "src: model is no MLflow model"),
    (lambda model: (model / "MLmodel").write_text("a: ["), "src: model/MLmodel:1: is not YAML"),
    (lambda model: (model / "MLmodel").write_text("flavors: 1"), "src: model/MLmodel names no flavors"),
    (lambda model: (model / "MLmodel").write_bytes(b"\xff\xfe"), "src: model/MLmodel can't be read"),
    (lambda model: mlmodel(model, spark={}), "one of python_function and onnx is needed"),
    (lambda model: mlmodel(model, onnx={"data": "no.onnx"}), "model holds no no.onnx"),
    (lambda model: mlmodel(model, None), "inputs: is missing, and the model has no signature"),
    (lambda model: mlmodel(model, [column("a b", "long"), column("a-b", "long")]), "names that can't be told apart"),
    (lambda model: mlmodel(model, [column("a", "any")]), "the signature's a is a any, which can't be carried"),
    (lambda model: mlmodel(model, {"a": 1}), "the signature's inputs in MLmodel can't be understood"),
    (lambda model: mlmodel(model, 5), "the signature's inputs in MLmodel can't be understood"),
    (lambda model: (model / "requirements.txt").write_text("--index-url=x\n"), "model/requirements.txt, line 1"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "said"), SAID, ids=[said for _, said in SAID])
def test_what_is_no_model_is_told_at_create(tmp_path: pathlib.Path, spoil: Any, said: str) -> None:
    spoil(function(tmp_path / "model"))
    with pytest.raises(SpecError) as caught:
        load(app(tmp_path))
    assert said in caught.value.message


def test_other_numbers_of_parameters_are_told(tmp_path: pathlib.Path) -> None:
    function(tmp_path / "model")
    with pytest.raises(SpecError, match=r"spec.yaml:5: inputs: names 1; the model's signature has 2: of_x, t"):
        load(app(tmp_path, "inputs: {x: int}"))


def test_the_template_takes_a_folder(tmp_path: pathlib.Path) -> None:
    function(tmp_path / "mine")
    names = templates.init(tmp_path / "a", "mlflow", "mine", "v1", tmp_path / "mine")
    assert names == ("model/MLmodel", "model/code/loading.py", "model/data/weights", "model/requirements.txt", "spec.yaml")
    assert load(tmp_path / "a")[0].label == "mine@v1"
    for template, model, said in (("onnx", tmp_path / "mine", "takes a file"), ("mlflow", tmp_path / "a/spec.yaml", "takes a folder")):
        with pytest.raises(PackageError, match=said):
            templates.init(tmp_path / "b", template, "mine", "v1", model)
