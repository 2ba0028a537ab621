"""A model of runtime onnx beside the rows. It is loaded once in each of Spark's Python processes, which outlive tasks.

Rows go through the model together. That this gives what REST gives for each of them is tried on the first rows, one by one; a model for
which it does not (its first dimension is fixed, or its rows depend on each other) is called row by row. The shapes of models are those
of ``apps/runtimes/onnx``: an input for each of the spec's, or one that takes them side by side.
"""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from pyspark_bdc.errors import ScoreError
from pyspark_bdc.scoring.columns import ARROW
from pyspark_bdc.scoring.task import Task

INSTALL = "pip install 'pyspark-bdc[onnx]' where Spark's Python runs, on every executor"
KEPT = 4
"""Models that stay loaded in a process; the one used longest ago goes first."""
MOST_ROWS = 16_384
CLOSE = 1e-5
"""Relative: models of 32 bits add in another order when rows come together."""
NUMPY = {
    "tensor(float)": "float32", "tensor(double)": "float64", "tensor(int64)": "int64", "tensor(int32)": "int32", "tensor(bool)": "bool",
    "tensor(string)": "object", "tensor(float16)": "float16", "tensor(int8)": "int8", "tensor(uint8)": "uint8", "tensor(int16)": "int16",
}  # fmt: skip
TOGETHER = {"float": "fiu", "int": "iu", "bool": "b", "str": "OU"}
"""Type of an output → numpy's kinds of it."""
SCALARS: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "float": ("a number", (int, float)), "int": ("an int", (int,)), "str": ("a str", (str,)), "bool": ("a bool", (bool,)),
}  # fmt: skip
_models: OrderedDict[tuple[Any, ...], Model] = OrderedDict()


class _ApartError(Exception):
    """Rows can't go through this model together."""


def loaded(task: Task) -> Model:
    """The one of this process. ScoreError: no onnxruntime here, no model that it can run, inputs that do not fit."""
    key = (task.label, task.model, tuple(task.inputs.items()), tuple(task.outputs.items()))
    found = _models.get(key)
    if found is None:
        found = _models[key] = Model(task, _session(task))
        while len(_models) > KEPT:
            _models.popitem(last=False)
    _models.move_to_end(key)
    return found


def _session(task: Task) -> Any:  # noqa: ANN401 - onnxruntime has no types
    try:
        import onnxruntime
    except ImportError:
        raise ScoreError(f"{task.label} is a model, and onnxruntime is not installed on this executor", INSTALL) from None
    from pyspark import SparkFiles

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = 1, 1, 3  # tasks are what runs side by side
    try:
        return onnxruntime.InferenceSession(SparkFiles.get(str(task.model)), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime's own kinds are many, and none of them documented
        raise ScoreError(f"{task.label} can't be run by Spark: {str(error).splitlines()[0][:300]}", "call it by REST") from None


class Model:
    """``session``: of onnxruntime."""

    def __init__(self, task: Task, session: Any) -> None:  # noqa: ANN401 - onnxruntime has no types
        self.label, self._inputs, self._outputs = task.label, task.inputs, task.outputs
        self._session = session
        self._entries = session.get_inputs()
        self._kinds = [NUMPY.get(entry.type, "") for entry in self._entries]
        self._named = {entry.name for entry in self._entries} == set(task.inputs)
        if not all(self._kinds) or not (self._named or len(self._entries) == 1):
            raise ScoreError(f"the inputs of {task.label} are not those of its model", "bdc app describe")
        names = [entry.name for entry in session.get_outputs()]
        self._wanted = list(task.outputs) if set(task.outputs) <= set(names) else names[: len(task.outputs)]
        free = all(entry.shape and not isinstance(entry.shape[0], int) for entry in self._entries)
        self._together = free and set(task.outputs.values()) <= set(TOGETHER)
        self._tried = False

    def score(self, batch: pa.RecordBatch) -> list[Any]:
        """The outputs as Arrow arrays, in the order of the spec. ScoreError: what the model says."""
        try:
            if batch.num_rows <= MOST_ROWS:
                return self._scored(batch)
            parts = [self._scored(batch.slice(at, MOST_ROWS)) for at in range(0, batch.num_rows, MOST_ROWS)]
            return [pa.concat_arrays(list(arrays)) for arrays in zip(*parts, strict=True)]
        except ScoreError:
            raise
        except Exception as error:  # noqa: BLE001 - as REST: what the model raises is its answer
            raise ScoreError(f"{self.label}: {type(error).__name__}: {error}"[:2000]) from None

    def _scored(self, batch: pa.RecordBatch) -> list[Any]:
        columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
        if self._together and not self._tried and batch.num_rows > 1:
            self._tried, self._together = True, self._agrees(columns, batch.num_rows)
        if self._together and self._tried:
            try:
                return self._run(columns, batch.num_rows)
            except _ApartError:
                self._together = False
        return self._apart(columns, batch.num_rows)

    def _agrees(self, columns: list[Any], rows: int) -> bool:
        some = sorted({0, rows // 2, rows - 1})
        apart = self._apart([column[some] for column in columns], len(some))
        try:
            together = self._run(columns, rows)
        except Exception:  # noqa: BLE001 - one by one they went
            return False
        pairs = ((one, other[at]) for a, other in zip(apart, together, strict=True) for one, at in zip(a, some, strict=True))
        return all(_close(one.as_py(), other.as_py()) for one, other in pairs)

    def _apart(self, columns: list[Any], rows: int) -> list[Any]:
        found = [self._one([column[row : row + 1] for column in columns]) for row in range(rows)]
        return [pa.array([one[at] for one in found], ARROW[kind]) for at, kind in enumerate(self._outputs.values())]

    def _one(self, columns: list[Any]) -> list[Any]:
        answers = self._session.run(self._wanted, self._feed(columns, exactly=False))
        return [
            self._plain(name, kind, value) for (name, kind), value in zip(self._outputs.items(), map(_single, answers), strict=True)
        ]  # fmt: skip

    def _plain(self, name: str, kind: str, value: Any) -> Any:  # noqa: ANN401 - what the model gave
        """As REST gives it; lists and objects as JSON."""
        if hasattr(value, "tolist"):
            value = value.tolist()
        if kind not in SCALARS:
            if not isinstance(value, {"list": list, "dict": dict}.get(kind, ())):
                raise ScoreError(f"{self.label}: output {name}: must be a {kind}")
            return json.dumps(value, allow_nan=False)
        while isinstance(value, list) and len(value) == 1:
            value = value[0]
        wanted, types = SCALARS[kind]
        if (isinstance(value, bool) and bool not in types) or not isinstance(value, types):
            raise ScoreError(f"{self.label}: output {name}: must be {wanted}")
        if kind != "float":
            return value
        number = float(value)  # type: ignore[arg-type]  # an int or a float, as was just seen
        if not math.isfinite(number):
            raise ScoreError(f"{self.label}: output {name}: NaN and infinity can't be carried as JSON")
        return number

    def _run(self, columns: list[Any], rows: int) -> list[Any]:
        found = self._session.run(self._wanted, self._feed(columns, exactly=True))
        return [self._column(value, name, kind, rows) for value, (name, kind) in zip(found, self._outputs.items(), strict=True)]

    def _feed(self, columns: list[Any], *, exactly: bool) -> dict[str, Any]:
        if not self._named:
            (entry,), (kind,) = self._entries, self._kinds
            return {entry.name: np.column_stack([_cast(column, kind, exactly) for column in columns])}
        given = dict(zip(self._inputs, columns, strict=True))
        made = {}
        for entry, kind in zip(self._entries, self._kinds, strict=True):
            values = _cast(given[entry.name], kind, exactly)
            dimensions = len(entry.shape)
            made[entry.name] = values.reshape(()) if not dimensions else values.reshape([-1] + [1] * (dimensions - 1))
        return made

    def _column(self, value: Any, name: str, kind: str, rows: int) -> Any:  # noqa: ANN401 - an array, or a list
        if not isinstance(value, np.ndarray) or value.size != rows or value.dtype.kind not in TOGETHER[kind]:
            raise _ApartError
        flat = value.reshape(-1)
        if kind == "float":
            flat = flat.astype("float64")
            if not np.isfinite(flat).all():
                raise ScoreError(f"{self.label}: output {name}: NaN and infinity can't be carried as JSON")
        return pa.array(flat.tolist() if kind == "str" else flat, ARROW[kind])


def _single(value: Any) -> Any:  # noqa: ANN401 - of a batch of one, the one
    if hasattr(value, "ndim") and value.ndim and value.shape[0] == 1:
        return value[0]
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _cast(values: Any, kind: str, exactly: bool) -> Any:  # noqa: ANN401 - numpy's array
    """``exactly``: integers that do not fit go row by row, which says so."""
    made = values.astype(kind)
    if np.dtype(kind).kind in "iu" and values.dtype.kind in "iu" and not np.array_equal(made, values):
        if exactly:
            raise _ApartError
        raise OverflowError(f"Python integer out of bounds for {kind}")
    return made


def _close(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=1e-12)
    return one == other
