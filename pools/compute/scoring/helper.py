"""A model beside the rows: ``python -m pools.compute.scoring.helper DESCRIPTOR``, a process of its own with limits, which knows nothing
of the cluster. Over its socket come frames: first what it runs, as JSON, then batches of inputs as Arrow streams; it answers ``+`` and an
Arrow stream of the outputs, or ``-`` and a sentence.

Rows go through the model together. That this gives what REST gives for each of them is tried, on the first batch, with the app's own code;
a model for which it does not (its first dimension is fixed, or its rows depend on each other) is called row by row, as REST does.
"""

from __future__ import annotations

import json
import math
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from apps.runtimes.onnx import load as runtime
from apps.types import TYPES, WrongTypeError
from apps.worker import limits
from apps.worker.child import LoadError, named_outputs
from pools.compute.scoring.columns import ARROW, as_json, from_json
from pools.compute.scoring.frames import read, receive, send, written

CLOSE = 1e-5
"""Relative: models of 32 bits add in another order when rows come together."""
PLAIN = {"float": "fiu", "int": "iu", "bool": "b", "str": "OU"}
"""Type of an output → numpy's kinds of it."""


class ApartError(Exception):
    """Rows can't go through this model together."""


class Model:
    """``init``: as of ``apps.spec.AppSpec.init``."""

    def __init__(self, init: Mapping[str, Any]) -> None:
        self._inputs: Mapping[str, str] = init["inputs"]
        self._outputs: Mapping[str, str] = init["outputs"]
        self._run: Callable[[Mapping[str, Any]], object] = runtime.load(init)
        self._together: Callable[[pa.RecordBatch], list[pa.Array[Any]]] | None = None
        self._tried = False
        try:
            self._together = _together(init)
        except ApartError:
            self._tried = True

    def score(self, batch: pa.RecordBatch) -> list[pa.Array[Any]]:
        """The outputs, in the order of the spec. Raises what the app raises."""
        if not self._tried and batch.num_rows > 1:
            self._tried = True
            if not self._agrees(batch):
                self._together = None
        if self._together is not None and self._tried:
            try:
                return self._together(batch)
            except ApartError:
                self._together = None
        return self._apart(batch)

    def _apart(self, batch: pa.RecordBatch) -> list[pa.Array[Any]]:
        """Row by row, by the code that serves REST."""
        columns = as_json(batch)
        found = []
        for row in range(batch.num_rows):
            given = {name: TYPES[kind].to_python(columns[name][row]) for name, kind in self._inputs.items()}
            found.append(named_outputs(self._run(given), self._outputs))
        return [from_json(kind, [one[name] for one in found]) for name, kind in self._outputs.items()]

    def _agrees(self, batch: pa.RecordBatch) -> bool:
        assert self._together is not None
        some = pa.array(sorted({0, batch.num_rows // 2, batch.num_rows - 1}))
        apart = self._apart(batch.take(some))
        try:
            together = self._together(batch)
        except Exception:  # noqa: BLE001 (one by one they went)
            return False
        return all(
            _close(one, other)
            for a, b in zip(apart, together, strict=True)
            for one, other in zip(a.to_pylist(), b.take(some).to_pylist(), strict=True)
        )


def _close(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=1e-12)
    return one == other


def _together(init: Mapping[str, Any]) -> Callable[[pa.RecordBatch], list[pa.Array[Any]]]:
    """All rows at once. ApartError where the model's shapes do not allow it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = int(init["threads"]), 1, 3
    session = onnxruntime.InferenceSession(str(Path(init["folder"]) / init["src"]), options, providers=["CPUExecutionProvider"])
    feed = _feed(session.get_inputs(), init["inputs"])
    outputs: Mapping[str, str] = init["outputs"]
    names = [entry.name for entry in session.get_outputs()]
    wanted = list(outputs) if set(outputs) <= set(names) else names[: len(outputs)]

    def run(batch: pa.RecordBatch) -> list[pa.Array[Any]]:
        found = session.run(wanted, feed(batch))
        return [_column(value, kind, batch.num_rows) for value, kind in zip(found, outputs.values(), strict=True)]

    return run


def _feed(model: list[Any], inputs: Mapping[str, str]) -> Callable[[pa.RecordBatch], dict[str, Any]]:
    """As of the runtime, with a first dimension of as many rows as there are."""
    if any(isinstance(entry.shape[0], int) if entry.shape else True for entry in model) or "date" in inputs.values():
        raise ApartError
    kinds = {entry.name: runtime.NUMPY[entry.type] for entry in model}
    if set(kinds) == set(inputs):
        shapes = {entry.name: [-1] + [1] * (len(entry.shape) - 1) for entry in model}
        return lambda batch: {name: _array(batch.column(name), kind).reshape(shapes[name]) for name, kind in kinds.items()}
    ((name, kind),) = kinds.items()
    return lambda batch: {name: np.column_stack([_array(column, kind) for column in batch.columns])}


def _array(column: pa.Array[Any], kind: str) -> Any:  # noqa: ANN401
    values = column.to_numpy(zero_copy_only=False)
    made = values.astype(kind)
    if np.dtype(kind).kind in "iu" and values.dtype.kind in "iu" and not np.array_equal(made, values):
        raise ApartError  # it does not fit: the app's own code says so
    return made


def _column(value: Any, kind: str, rows: int) -> pa.Array[Any]:  # noqa: ANN401 an array, or a list
    if kind in PLAIN:
        if not isinstance(value, np.ndarray) or value.size != rows or value.dtype.kind not in PLAIN[kind]:
            raise ApartError
        flat = value.reshape(-1)
        if kind == "float":
            flat = flat.astype("float64")
            if not np.isfinite(flat).all():
                raise WrongTypeError("NaN and infinity can't be carried as JSON")
        return pa.array(flat.tolist() if kind == "str" else flat, ARROW[kind])
    if len(value) != rows:
        raise ApartError
    return from_json(kind, [TYPES[kind].to_json(value[at]) for at in range(rows)])


def main(descriptor: int) -> None:
    """Serve until the other side is gone."""
    connection = socket.socket(fileno=descriptor)
    first = receive(connection)
    if first is None:
        return
    init = json.loads(first)
    try:
        limits.apply(int(init["memory_mb"]), None)
        model = Model(init)
    except LoadError as error:
        send(connection, b"-" + str(error).encode())
        return
    except Exception as error:  # noqa: BLE001 (onnxruntime's kinds are many)
        send(connection, b"-" + sentence(error).encode())
        return
    send(connection, b"+")
    while (frame := receive(connection)) is not None:
        try:
            answer = b"+" + written(pa.RecordBatch.from_arrays(model.score(read(frame)), names=list(init["outputs"])))
        except Exception as error:  # noqa: BLE001 (as REST: what the app raises is its answer)
            answer = b"-" + sentence(error).encode()
        send(connection, answer)


def sentence(error: Exception) -> str:
    """As a worker of the app proxy says it."""
    return str(error) if isinstance(error, WrongTypeError) else f"{type(error).__name__}: {error}"[:2000]


if __name__ == "__main__":
    main(int(sys.argv[1]))
