"""Runs an MLflow model folder: by onnxruntime where it is an ONNX model, else as ``python_function``. Runs in the worker.

A call is one row. The spec's inputs are the model's, by name or, where the names are others, in their order; so are the outputs.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from apps.mlflavors import file_of_onnx
from apps.runtimes.onnx.load import load as load_onnx
from apps.worker.child import LoadError

DTYPES = {"boolean": "bool", "integer": "int32", "long": "int64", "float": "float32", "double": "float64", "string": "object"}
"""MLflow's type of a column → that of pandas: MLflow refuses to narrow an int64 by itself."""
Model = Any
"""An ``mlflow.pyfunc.PyFuncModel``; numpy and pandas are known to the worker only."""


def load(init: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], object]:
    """LoadError for a model that MLflow can't load, or whose packages are missing."""
    folder = Path(init["folder"]) / init["src"]
    try:
        import yaml

        flavors = yaml.safe_load((folder / "MLmodel").read_text())["flavors"]
    except ImportError:
        raise LoadError("PyYAML is not installed in the model's environment: its requirements.txt must name mlflow") from None
    onnx = file_of_onnx(flavors)
    if onnx is not None:
        return load_onnx({**init, "src": f"{init['src']}/{onnx}"})
    model = _model(folder, flavors)
    feed = _feed(model.metadata.get_input_schema(), list(init["inputs"]))
    outputs = list(init["outputs"])
    return lambda inputs: _named(_first(model.predict(feed(inputs))), outputs)


def _model(folder: Path, flavors: Mapping[str, Any]) -> Model:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"
    try:
        pyfunc = importlib.import_module("mlflow.pyfunc")
    except ImportError as error:
        raise LoadError(f"MLflow can't be imported in the model's environment: {error}") from None
    try:
        return pyfunc.load_model(str(folder), suppress_warnings=True)
    except Exception as error:  # the model's own packages, of which there are many
        saved, here = str(flavors["python_function"].get("python_version", "")), ".".join(map(str, sys.version_info[:2]))
        other = f"; it was saved with Python {saved}, this is {here}" if saved and not saved.startswith(f"{here}.") else ""
        raise LoadError(f"MLflow can't load it: {type(error).__name__}: {str(error)[:600]}{other}") from error


def _feed(schema: Any, names: Sequence[str]) -> Callable[[Mapping[str, Any]], Any]:  # noqa: ANN401 (mlflow's Schema)
    """From a call's inputs to what the model takes: a DataFrame of one row, or arrays with a first dimension of one."""
    import numpy
    import pandas

    if schema is None:
        return lambda given: pandas.DataFrame({name: pandas.Series([value]) for name, value in given.items()})
    specs = list(schema.inputs)
    if len(specs) != len(names):
        raise LoadError(f"the model takes {len(specs)} inputs; the spec has {len(names)}")
    theirs = [spec.name for spec in specs]
    order = theirs if set(theirs) == set(names) else names
    if schema.is_tensor_spec():

        def arrays(given: Mapping[str, Any]) -> Any:  # noqa: ANN401 (numpy)
            made = [numpy.asarray(given[name], dtype=spec.type)[None] for name, spec in zip(order, specs, strict=True)]
            return made[0] if theirs == [None] else dict(zip(theirs, made, strict=True))

        return arrays

    def frame(given: Mapping[str, Any]) -> Any:  # noqa: ANN401 (pandas)
        columns = [_column(given[name], str(getattr(spec.type, "name", spec.type))) for name, spec in zip(order, specs, strict=True)]
        return pandas.DataFrame(
            {at if name is None else name: column for at, (name, column) in enumerate(zip(theirs, columns, strict=True))}
        )

    return frame


def _column(value: object, kind: str) -> Any:  # noqa: ANN401 (pandas)
    import pandas

    if kind == "datetime":
        return pandas.to_datetime(pandas.Series([value]))
    return pandas.Series([value], dtype=DTYPES.get(kind, "object"))


def _first(found: Any) -> object:  # noqa: ANN401 (whatever a model gives)
    """Of a batch of one, the one: of a DataFrame the row, of a dict each of its values."""
    if hasattr(found, "to_dict") and hasattr(found, "columns"):
        return {str(name): found[name].iloc[0] for name in found.columns}
    if hasattr(found, "iloc"):
        return found.iloc[0]
    if isinstance(found, Mapping):
        return {str(name): _first(value) for name, value in found.items()}
    if isinstance(found, list | tuple) or (hasattr(found, "ndim") and found.ndim):
        return found[0]
    return found


def _named(found: object, outputs: Sequence[str]) -> object:
    """Under the spec's names: by theirs, else in their order."""
    if not isinstance(found, Mapping) or set(outputs) == set(found):
        return found
    if set(outputs) <= set(found):
        return {name: found[name] for name in outputs}
    return dict(zip(outputs, found.values(), strict=True)) if len(outputs) == len(found) else found
