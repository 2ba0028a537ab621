"""How an MLflow model is run, by the flavors of its ``MLmodel``: the host and the worker must think the same. Standard library only."""

from __future__ import annotations

from typing import Any


def file_of_onnx(flavors: Any) -> str | None:  # noqa: ANN401 (what YAML holds)
    """The model's file where onnxruntime alone can run it: no code of its own around it."""
    onnx, function = flavors.get("onnx"), flavors.get("python_function", {})
    if not isinstance(onnx, dict) or not isinstance(onnx.get("data"), str) or not isinstance(function, dict):
        return None
    return onnx["data"] if function.get("loader_module", "mlflow.onnx") == "mlflow.onnx" and ".." not in onnx["data"] else None
