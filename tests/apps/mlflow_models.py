"""MLflow model folders for tests, as ``save_model`` writes them, but by hand: text only, nothing pickled."""

from __future__ import annotations

import json
import pathlib
import textwrap
from typing import Any

import yaml

VERSION = "3.17.2"
CODE = """
    import pandas

    class Model:
        def predict(self, frame, params=None):
            assert str(frame["of x"].dtype) == "int32", frame.dtypes
            return pandas.DataFrame({"whole": 10 // frame["of x"].to_numpy(), "text": frame["t"] + "!"})

    def _load_pyfunc(path):
        return Model()
"""


def column(name: str, kind: str) -> dict[str, Any]:
    return {"type": kind, "name": name, "required": True}


def tensor(dtype: str, *shape: int, name: str | None = None) -> dict[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1, *shape]}} | ({"name": name} if name else {})


INPUTS, OUTPUTS = (column("of x", "integer"), column("t", "string")), (column("whole", "long"), column("text", "string"))


def mlmodel(folder: pathlib.Path, inputs: Any = INPUTS, outputs: Any = OUTPUTS, **flavors: Any) -> pathlib.Path:
    """Just ``MLmodel``; ``inputs`` None: without a signature."""
    folder.mkdir(parents=True, exist_ok=True)
    flavors = flavors or {"python_function": {"loader_module": "loading", "code": "code", "data": "data", "python_version": "3.11.2"}}
    signature = {"signature": {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}} if inputs is not None else {}
    (folder / "MLmodel").write_text(yaml.safe_dump({"flavors": flavors, "mlflow_version": VERSION, **signature}))
    return folder


def function(folder: pathlib.Path, code: str = CODE, **more: Any) -> pathlib.Path:
    """One that MLflow loads: code beside it, and requirements as MLflow writes them."""
    mlmodel(folder, **more)
    for inner in ("code", "data"):
        (folder / inner).mkdir(exist_ok=True)
    (folder / "code" / "loading.py").write_text(textwrap.dedent(code))
    (folder / "data" / "weights").write_text("1")
    (folder / "requirements.txt").write_text(f"mlflow=={VERSION}\nnumpy\npandas")
    return folder


def app(folder: pathlib.Path, more: str = "") -> pathlib.Path:
    """The spec beside it."""
    (folder / "spec.yaml").write_text(f"name: ml\nversion: v1\nruntime: mlflow\nsrc: model\n{more}\n")
    return folder
