"""Runs a model with onnxruntime. Runs in the worker.

Two shapes of models: one input for each of the spec's, by name; or one tensor ``[rows, features]`` that takes the spec's inputs side
by side, in the order of the spec. Outputs go by name where all of the spec's are the model's, else by order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from apps.worker.child import LoadError

NUMPY = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64", "tensor(int32)": "int32", "tensor(bool)": "bool",
    "tensor(string)": "object", "tensor(float16)": "float16", "tensor(int8)": "int8", "tensor(uint8)": "uint8", "tensor(int16)": "int16",
}  # fmt: skip
Feed = Callable[[Mapping[str, Any]], dict[str, Any]]


def load(init: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], object]:
    """LoadError for a model that can't be read, or whose inputs and outputs are not those of the spec."""
    try:
        import onnxruntime
    except ImportError:
        raise LoadError("onnxruntime is not installed here: pip install 'openbdc-cluster[onnx]'") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = int(init["threads"]), 1, 3
    try:
        session = onnxruntime.InferenceSession(str(Path(init["folder"]) / init["src"]), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 (onnxruntime's own kinds are many, and none of them documented)
        raise LoadError(f"{init['src']} is no model that onnxruntime can run: {str(error).splitlines()[0][:300]}") from None
    feed = _feed(session.get_inputs(), init["inputs"])
    names = _names(session.get_outputs(), init["outputs"])
    wanted = list(names.values())

    def run(inputs: Mapping[str, Any]) -> dict[str, object]:
        found = session.run(wanted, feed(inputs))
        return {name: _one(value) for name, value in zip(names, found, strict=True)}

    return run


def _feed(model: list[Any], inputs: Mapping[str, str]) -> Feed:
    import numpy

    unknown = [entry.type for entry in model if entry.type not in NUMPY]
    if unknown:
        raise LoadError(f"the model takes {unknown[0]}, which can't be given")
    kinds = {entry.name: NUMPY[entry.type] for entry in model}
    if set(kinds) == set(inputs):
        shapes = {entry.name: len(entry.shape) for entry in model}
        return lambda given: {
            name: _shaped(numpy.asarray(given[name], dtype=kind), shapes[name]) for name, kind in kinds.items()
        }  # fmt: skip
    if len(model) != 1:
        raise LoadError(f"the model takes {', '.join(kinds)}; the spec's inputs are {', '.join(inputs) or 'none'}")
    width = model[0].shape[-1] if model[0].shape else None
    if isinstance(width, int) and width != len(inputs) and [*inputs.values()] != ["list"]:
        raise LoadError(f"the model takes {width} features; the spec has {len(inputs)} inputs")
    ((name, kind),) = kinds.items()
    order = list(inputs)
    if [*inputs.values()] == ["list"]:  # all features of a row in one
        return lambda given: {name: _shaped(numpy.asarray(given[order[0]], dtype=kind), len(model[0].shape))}
    return lambda given: {name: numpy.asarray([[given[entry] for entry in order]], dtype=kind)}


def _shaped(value: Any, dimensions: int) -> Any:  # noqa: ANN401 (numpy is known to the worker only)
    """One row: as many dimensions as the model wants, the missing ones in front."""
    while value.ndim < dimensions:
        value = value[None]
    return value


def _names(model: list[Any], outputs: Mapping[str, str]) -> dict[str, str]:
    """The spec's name → the model's."""
    names = [entry.name for entry in model]
    if set(outputs) <= set(names):
        return {name: name for name in outputs}
    if len(outputs) > len(names):
        raise LoadError(f"the model gives {', '.join(names)}; the spec's outputs are {', '.join(outputs)}")
    return dict(zip(outputs, names, strict=False))


def _one(value: Any) -> object:  # noqa: ANN401 (numpy is known to the worker only)
    """Of a batch of one, the one."""
    if hasattr(value, "ndim") and value.ndim and value.shape[0] == 1:
        return value[0]
    return value[0] if isinstance(value, list) and len(value) == 1 else value
