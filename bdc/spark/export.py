"""A model of Spark ML as ONNX, which no app needs Spark for: converted, then compared with Spark, and kept only if both say the same.

The converter is onnxmltools'. What it is known to get wrong is mended in ``mending``; what it gets wrong unknown to us is found by the
comparison, which is never left out.
"""

from __future__ import annotations

import importlib.util
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bdc.errors import ServiceError, UserError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

TOLERANCE = 1e-3
"""Of each value: absolute, and relative where the value is larger than one. ONNX computes with 32 bits."""
MOST_ROWS = 100_000
"""Of the sample that are compared."""
INSTALL = "pip install 'pyspark-bdc[onnx]'"
COMPARED = ("prediction", "probability")
_NUMBERS = frozenset({"byte", "short", "integer", "long", "float", "double", "decimal", "boolean"})


@dataclass(frozen=True)
class Report:
    """What was compared. ``max_difference``: the largest absolute one between Spark's output and the model's; ``inputs`` in the model's
    order; ``outputs``: those that were compared."""

    path: pathlib.Path
    max_difference: float
    rows: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __str__(self) -> str:
        """For a notebook."""
        return f"{self.path}: differs from Spark by {self.max_difference:.2g} at most, in {self.rows} rows ({', '.join(self.outputs)})"


def export_onnx(model: Any, sample: DataFrame, path: str | os.PathLike[str], *, tolerance: float = TOLERANCE) -> Report:  # noqa: ANN401
    """Write ``model`` (a fitted model or pipeline of Spark ML) to ``path`` as ONNX, if it gives for ``sample`` what Spark gives.

    ``sample``: rows as they come into the model; up to 100,000 are compared. The model's inputs are the columns that it reads, by name.
    UserError: the outputs differ by more than ``tolerance`` (absolute, and relative to values above one), with the figures; the model
    has a step that can't be converted; the sample is empty. Then there is no file, and one that was there before stays.
    """
    _needed()
    if not hasattr(model, "transform") or not hasattr(model, "uid"):
        raise UserError(f"a fitted model of Spark ML is wanted, this is a {type(model).__name__}", hint="call fit() first")
    if not tolerance >= 0:
        raise UserError("the tolerance must be a number of 0 or more", where="tolerance")
    inputs = _inputs(model, sample)
    rows = _sampled(model, sample, inputs)
    content = _converted(model, inputs, sample)
    differences = _differences(content, inputs, rows)
    worst = max(differences.values(), key=lambda one: one.relative)
    if not worst.relative <= tolerance:
        raise UserError(
            f"the ONNX model says something else than Spark: {worst.column} differs by up to {worst.absolute:.4g} in {len(rows)} rows",
            where=f"row {worst.row} of the sample: Spark {worst.spark:.6g}, ONNX {worst.onnx:.6g}",
            why=f"more than {tolerance:g} is no rounding: the converter does not know this model",
            hint="nothing was written; a runtime python app can call the model instead",
        )
    file = pathlib.Path(path)
    whole = file.with_name(f".{file.name}.part")
    try:
        whole.write_bytes(content)
        whole.replace(file)
    except OSError as error:
        raise UserError(f"{file} can't be written", where=str(file), why=error.strerror) from None
    finally:
        whole.unlink(missing_ok=True)
    return Report(file, max(one.absolute for one in differences.values()), len(rows), tuple(inputs), tuple(differences))


def _needed() -> None:
    for name in ("pyspark", "onnx", "onnxmltools", "onnxruntime"):
        if importlib.util.find_spec(name) is None:
            raise UserError(f"{name} is not installed here", hint=f"{INSTALL}; then restart this Python")


def _inputs(model: Any, sample: DataFrame) -> dict[str, tuple[str, int]]:  # noqa: ANN401
    """The columns of the sample that the model reads → "number", "text" or "vector", and how many values each is."""
    if not hasattr(sample, "schema") or not hasattr(sample, "sparkSession"):
        raise UserError(f"the sample is a DataFrame of Spark, not a {type(sample).__name__}", hint="spark.createDataFrame makes one")
    made: set[str] = set()
    needed: list[str] = []
    for stage in _stages(model):
        needed += [name for name in _columns(stage, "input") if name not in made and name not in needed]
        made.update(_columns(stage, "output"))
    kinds = {field.name: field.dataType.typeName() for field in sample.schema.fields}
    found = {}
    for name in needed:
        if name not in kinds:
            raise UserError(
                f"the sample has no column {name!r}, which the model reads", where=name, hint=f"it has {', '.join(kinds)[:200]}"
            )
        if kinds[name] in _NUMBERS:
            found[name] = ("number", 1)
        elif kinds[name] == "string":
            found[name] = ("text", 1)
        elif kinds[name] in ("vector", "vectorudt", "udt"):
            first = sample.select(name).first()
            if first is None:
                raise _empty()
            found[name] = ("vector", len(first[0]))
        else:
            raise UserError(f"column {name!r} is a {kinds[name]}: numbers, texts and vectors can be a model's inputs", where=name)
    return found


def _stages(model: Any) -> Sequence[Any]:  # noqa: ANN401
    return [inner for stage in model.stages for inner in _stages(stage)] if hasattr(model, "stages") else [model]


def _columns(stage: Any, way: str) -> list[str]:  # noqa: ANN401
    """``inputCol``, ``inputCols``, ``featuresCol``; ``outputCol``, ``outputCols``, ``predictionCol`` and its like."""
    singles, several = (("inputCol", "featuresCol"), "inputCols") if way == "input" else (
        ("outputCol", "predictionCol", "probabilityCol", "rawPredictionCol"), "outputCols",
    )  # fmt: skip
    given = [stage.getOrDefault(name) for name in singles if stage.hasParam(name) and stage.isDefined(name)]
    more = stage.getOrDefault(several) if stage.hasParam(several) and stage.isDefined(several) else []
    return [str(name) for name in (*more, *given)]


def _empty() -> UserError:
    return UserError(
        "the sample has no rows: nothing can be compared", where="sample", hint="give some hundred rows of what it was fitted on"
    )


def _sampled(model: Any, sample: DataFrame, inputs: Mapping[str, Any]) -> list[Any]:  # noqa: ANN401
    """Rows with inputs and Spark's own outputs."""
    limited = sample.limit(MOST_ROWS)
    missing = limited.where(" OR ".join(f"`{name}` IS NULL" for name in inputs)).select(*inputs).first()
    if missing is not None:
        name = next(name for name in inputs if missing[name] is None)
        raise UserError(f"column {name!r} of the sample has NULLs, which no model takes", where=name, hint="sample.dropna()")
    try:
        outputs = model.transform(limited)
        wanted = [name for name in COMPARED if name in outputs.columns]
        rows = list(outputs.select(*inputs, *wanted).collect())
    except Exception as error:
        raise UserError("Spark itself can't run the model over the sample", why=str(error).strip().splitlines()[0][:300]) from error
    if "prediction" not in wanted:
        raise UserError("the model gives no column 'prediction'", hint="leave predictionCol as it is, and end with a predictor")
    if not rows:
        raise _empty()
    return rows


def _converted(model: Any, inputs: Mapping[str, tuple[str, int]], sample: DataFrame) -> bytes:  # noqa: ANN401
    from onnxmltools import convert_sparkml
    from onnxmltools.convert.common.data_types import FloatTensorType, StringTensorType

    from bdc.spark.mending import mended
    from bdc.spark.saving import saved_aside

    kinds = [
        (name, StringTensorType([None, 1]) if kind == "text" else FloatTensorType([None, width])) for name, (kind, width) in inputs.items()
    ]
    try:
        with mended(), saved_aside(sample.sparkSession):
            made = convert_sparkml(model, "model", kinds, spark_session=sample.sparkSession)
    except Exception as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"the model can't be converted to ONNX: {said[0][:300]}",
            where=", ".join(type(stage).__name__ for stage in _stages(model)),
            hint="a runtime python app can call it instead",
        ) from error
    content: bytes = made.SerializeToString()
    return content


@dataclass(frozen=True)
class Difference:
    """The worst of one output; ``relative`` to values above one."""

    column: str
    absolute: float
    relative: float
    row: int
    spark: float
    onnx: float


def _differences(content: bytes, inputs: Mapping[str, tuple[str, int]], rows: Sequence[Any]) -> dict[str, Difference]:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        given = {name: _fed(kind, [row[name] for row in rows]) for name, (kind, _) in inputs.items()}
        names = [entry.name for entry in session.get_outputs() if entry.name in COMPARED]
        found = dict(zip(names, session.run(names, given), strict=True))
    except Exception as error:  # noqa: BLE001 - onnxruntime's own kinds are many, and none of them documented
        raise ServiceError("onnxruntime can't run what the converter made", why=str(error).splitlines()[0][:300]) from None
    if "prediction" not in found:
        raise UserError("the ONNX model has no output 'prediction'", hint="end the pipeline with a predictor")
    return {name: _worst(name, rows, values) for name, values in found.items() if name in rows[0].asDict()}


def _fed(kind: str, values: Sequence[Any]) -> Any:  # noqa: ANN401 - numpy's array
    import numpy as np

    return np.array([list(value) if kind == "vector" else [value] for value in values], object if kind == "text" else "float32")


def _worst(name: str, rows: Sequence[Any], values: Any) -> Difference:  # noqa: ANN401 - an array of rows
    worst = Difference(name, 0.0, 0.0, 0, 0.0, 0.0)
    for at, row in enumerate(rows):
        ours = [float(one) for one in values[at].reshape(-1)] if hasattr(values[at], "reshape") else [float(values[at])]
        theirs = [float(one) for one in row[name]] if hasattr(row[name], "__len__") else [float(row[name])]
        if len(ours) != len(theirs):
            return Difference(name, math.inf, math.inf, at, theirs[0], ours[0] if ours else math.nan)
        for one, other in zip(theirs, ours, strict=True):
            absolute = abs(one - other) if not (math.isnan(one) and math.isnan(other)) else 0.0
            absolute = math.inf if math.isnan(absolute) else absolute
            relative = absolute / max(1.0, abs(one))
            if relative > worst.relative:
                worst = Difference(name, absolute, relative, at, one, other)
    return worst
