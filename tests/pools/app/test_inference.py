"""The Open Inference Protocol v2, by requests as its document has them (kserve/open-inference-protocol, inference_rest.md)."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps import templates
from pools.app.tensors import DATATYPES, TensorError, answer, asked
from tests.apps.folders import python
from tests.pools.app.stand import Stand

V2 = "/api/app/lin/v1/v2"
INFER = f"{V2}/models/lin/infer"
X = {"name": "x", "shape": [2], "datatype": "FP32", "data": [2, 0.5]}
Y = {"name": "y", "shape": [2, 1], "datatype": "INT64", "data": [[3], [1]]}


@pytest.fixture(scope="module")
def lin(proxy: Stand, tmp_path_factory: pytest.TempPathFactory) -> Stand:
    folder = tmp_path_factory.mktemp("lin")
    templates.init(folder / "a", "onnx", "lin", "v1")
    proxy.create(folder / "a")
    proxy.create(python(folder / "b", "def run(x): return x", "{x: int}"))
    return proxy


def test_the_server_and_its_health(lin: Stand) -> None:
    for path in (V2, f"{V2}/"):
        found = lin.call("GET", path, lin.token("app-reader"))
        assert (found.status_code, found.json()) == (200, {"name": "openbdc", "version": "2", "extensions": []})
    assert lin.call("GET", f"{V2}/health/live").json() == {"live": True}
    ready = lin.call("GET", f"{V2}/health/ready")
    assert (ready.status_code, ready.json()["live"]) == (200, True)
    for path in ("lin/ready", "lin/versions/v1/ready"):
        found = lin.call("GET", f"{V2}/models/{path}")
        assert (found.status_code, found.json()) == (200, {"name": "lin", "ready": True})


def test_the_models_metadata_with_and_without_its_version(lin: Stand) -> None:
    for base, path in ((V2, "lin"), (V2, "lin/versions/v1"), ("/api/app/lin/live/v2", "lin")):
        assert lin.call("GET", f"{base}/models/{path}").json() == {
            "name": "lin", "versions": ["v1"], "platform": "onnx_onnxv1",
            "inputs": [{"name": name, "datatype": "FP64", "shape": [-1]} for name in "xy"],
            "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [-1]}],
        }  # fmt: skip


@pytest.mark.parametrize("path", ["v1/v2/models/lin/infer", "live/v2/models/lin/infer", "v1/v2/models/lin/versions/v1/infer"])
def test_rows_of_tensors_get_what_run_gives(lin: Stand, path: str) -> None:
    request = {"id": "42", "parameters": {"any": 1}, "inputs": [X, Y], "outputs": [{"name": "prediction"}]}
    found = lin.call("POST", f"/api/app/lin/{path}", lin.token("app-reader"), json=request)
    rows = [lin.run("lin", x=x, y=y).json()["outputParameters"]["prediction"] for x, y in ((2, 3), (0.5, 1))]
    assert found.status_code == 200, found.text
    assert found.headers["x-app-version"] == "v1"
    assert found.json() == {
        "model_name": "lin", "model_version": "v1", "id": "42",
        "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [2], "data": rows}],
    }  # fmt: skip


def test_without_an_id_and_many_rows(lin: Stand) -> None:
    many = [{**tensor, "shape": [500], "data": [*range(500)]} for tensor in (X, Y)]
    before = lin.call("GET", "/api/v1/apps/lin/v1").json()["calls"]
    found = lin.call("POST", INFER, json={"inputs": many}).json()
    assert "id" not in found
    assert found["outputs"][0]["data"][3] == lin.run("lin", x=3, y=3).json()["outputParameters"]["prediction"]
    assert lin.call("GET", "/api/v1/apps/lin/v1").json()["calls"] == before + 501


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({}, "the body must be"),
        ([], "the body must be"),
        ({"inputs": [X]}, "the input y (float) is missing (inputs are: x, y)"),
        ({"inputs": [X, X]}, "the input x comes twice"),
        ({"inputs": [X, {**Y, "name": "z"}]}, "there is no input 'z'"),
        ({"inputs": [X, {**Y, "datatype": "FLOAT"}]}, "there is no datatype 'FLOAT'"),
        ({"inputs": [X, {**Y, "datatype": "BYTES"}]}, "y: a float takes FP16"),
        ({"inputs": [X, {**Y, "shape": [2, 2]}]}, "y: shape must be [rows] or [rows, 1]"),
        ({"inputs": [X, {**Y, "shape": [-1]}]}, "y: shape must be a list of whole numbers"),
        ({"inputs": [X, {**Y, "shape": [0]}]}, "from 1 to 65536 rows"),
        ({"inputs": [X, {**Y, "shape": [3]}]}, "y: data holds 2 values, a shape of [3] 3"),
        ({"inputs": [X, {**Y, "data": [[3], 1]}]}, "y: data is not of the shape [2, 1]"),
        ({"inputs": [X, {**Y, "data": ["3", "1"]}]}, "y: a value of INT64 can't be a text"),
        ({"inputs": [X, {**Y, "data": [2**63, 1]}]}, "y: a value of INT64 can't be an integer"),
        ({"inputs": [X, {**Y, "data": [None, 1]}]}, "y: a value of INT64 can't be null"),
        ({"inputs": [X, {**Y, "data": None, "parameters": {"binary_data_size": 16}}]}, "binary data is not taken"),
        ({"inputs": [X, {**Y, "shape": [1], "data": [3]}]}, "as many rows as each other"),
        ({"inputs": [X, Y], "outputs": [{"name": "label"}]}, "there is no output 'label' (outputs are: prediction)"),
        ({"inputs": [X, Y], "id": 42}, "id must be a text"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_sentence_of_the_protocols_error(lin: Stand, request_: Any, said: str) -> None:
    found = lin.call("POST", INFER, json=request_)
    assert (found.status_code, [*found.json()]) == (400, ["error"])
    assert said in found.json()["error"]


def test_other_errors_have_its_form_too(lin: Stand) -> None:
    huge = [{**X, "data": [1e300, 1]}, Y]
    for method, path, token, content, status, said in (
        ("POST", INFER, None, "{", 400, "not valid JSON"),
        ("POST", INFER, None, json.dumps({"inputs": huge}), 500, "row 0: "),
        ("POST", INFER, lin.token(), "", 403, "lacks the role 'app-reader'"),
        ("POST", INFER, "a.b.c", "", 401, "token"),
        ("GET", INFER, None, "", 405, "does not take that method"),
        ("GET", f"{V2}/models/other", None, "", 404, "there is no model 'other' here (it is called lin)"),
        ("GET", f"{V2}/models/lin/versions/v2", None, "", 404, "this is not version 'v2'"),
        ("GET", f"{V2}/repository/index", None, "", 404, "there is no such path"),
        ("GET", "/api/app/none/v1/v2", None, "", 404, "there is no app none@v1"),
        ("POST", "/api/app/t/v1/v2/models/t/infer", None, "{}", 400, "t@v1 is no model, its runtime is python"),
    ):
        found = lin.call(method, path, token, content=content)
        assert (found.status_code, [*found.json()]) == (status, ["error"]), (path, found.text)
        assert said in found.json()["error"]


def test_the_apps_document_and_description_say_so(lin: Stand) -> None:
    paths = lin.call("GET", "/api/app/lin/live/swagger.json").json()["paths"]
    assert [*paths] == [f"/api/app/lin/live/{rest}" for rest in ("run", "v2/models/lin", "v2/models/lin/infer")]
    assert lin.call("GET", "/api/v1/apps/lin/v1").json()["links"]["inference"].endswith(V2)
    assert [*lin.call("GET", "/api/app/t/v1/swagger.json").json()["paths"]] == ["/api/app/t/v1/run"]


def test_a_model_folder_of_mlflow_speaks_it_too(proxy: Stand, tmp_path: pathlib.Path) -> None:
    templates.init(tmp_path / "a", "mlflow", "ml", "v1")
    described = proxy.create(tmp_path / "a")
    assert described["input_param_defs"] == [{"name": name, "type": "float"} for name in "xy"]
    found = proxy.call("POST", "/api/app/ml/v1/v2/models/ml/infer", json={"inputs": [X, Y]}).json()
    assert found["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [2], "data": [14.0, 5.0]}]
    assert proxy.call("GET", "/api/app/ml/v1/v2/models/ml").json()["platform"] == "mlflow_pyfunc"


def test_a_model_that_is_not_ready_says_so(proxy: Stand, tmp_path: pathlib.Path) -> None:
    templates.init(tmp_path / "a", "onnx", "broken", "v1")
    (tmp_path / "a" / "model.onnx").write_bytes(b"no model")
    proxy.create(tmp_path / "a", state="Error")
    for path in ("health/ready", "models/broken/ready", "models/broken"):
        assert proxy.call("GET", f"/api/app/broken/v1/v2/{path}").status_code == 503


LISTS = {"l": "list"}
SHAPES = st.lists(st.integers(1, 4), min_size=2, max_size=4)


@given(SHAPES, st.booleans(), st.data())
def test_tensors_of_lists_come_back_as_they_were_sent(shape: list[int], nested: bool, data: st.DataObject) -> None:
    size = 1
    for one in shape:
        size *= one
    flat: list[Any] = data.draw(st.lists(st.integers(-5, 5), min_size=size, max_size=size))
    sent = flat
    for one in reversed(shape[1:]) if nested else ():
        sent = [sent[at : at + one] for at in range(0, len(sent), one)]
    tensor = {"name": "l", "shape": shape, "datatype": "INT8", "data": sent}
    found = asked({"inputs": [tensor]}, LISTS, LISTS)
    assert len(found.rows) == shape[0]
    assert answer(found.rows, found.outputs, LISTS) == [{"name": "l", "shape": shape, "datatype": "INT64", "data": flat}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=8
)
TENSOR = st.fixed_dictionaries(
    {"name": st.sampled_from(["l", "f"]), "shape": JSON, "datatype": st.sampled_from(DATATYPES) | JSON, "data": JSON}
)


@given(st.lists(TENSOR, max_size=3) | JSON)
def test_no_request_is_more_than_refused(inputs: Any) -> None:
    try:
        found = asked({"inputs": inputs}, {"l": "list", "f": "float"}, {"l": "list"})
    except TensorError:
        return
    assert found.rows


@pytest.mark.parametrize("values", [[[1, 2], [3]], [["a"], [1]], [[{}], [{}]], [[None], [1]]])
def test_outputs_that_are_no_tensor(values: list[Any]) -> None:
    with pytest.raises(TensorError, match="the output l"):
        answer([{"l": value} for value in values], ["l"], LISTS)
    with pytest.raises(TensorError, match="is a dict, which has no tensor"):
        asked({"inputs": [{"name": "f", "shape": [1], "datatype": "FP64", "data": [1]}]}, {"f": "float"}, {"d": "dict"})
