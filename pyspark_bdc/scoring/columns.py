"""Columns of a DataFrame as an app's inputs, and its outputs as columns. Types are the words of the app's spec; pure."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from pyspark_bdc.errors import ScoreError

pc: Any = pyarrow.compute
ARROW = {
    "float": pa.float64(), "int": pa.int64(), "str": pa.string(), "bool": pa.bool_(), "date": pa.date32(), "bytes": pa.binary(),
    "list": pa.string(), "dict": pa.string(), "dataframe": pa.string(),
}  # fmt: skip


def checked(label: str, inputs: Mapping[str, str], columns: Sequence[Any]) -> pa.RecordBatch:
    """The inputs in Arrow's types of the spec. ScoreError for NULL, NaN and infinity: REST takes none of them."""
    made = []
    for (name, kind), column in zip(inputs.items(), columns, strict=True):
        if column.null_count:
            hint = f"leave such rows out, df.where('{name} IS NOT NULL'), or give a value: df.fillna"
            raise ScoreError(f"input {name} of {label} is NULL", hint)
        if pa.types.is_decimal(column.type):
            column = column.cast(pa.string())  # and so to the nearest double
        values = column.cast(ARROW[kind], safe=kind != "float")  # a large integer is the nearest double, as in JSON
        if kind == "float" and len(values) and not pc.all(pc.is_finite(values)).as_py():
            raise ScoreError(f"input {name} of {label} is NaN or infinite", f"leave such rows out: df.where('NOT isnan({name})')")
        made.append(values)
    return pa.RecordBatch.from_arrays(made, names=list(inputs))


def as_json(batch: pa.RecordBatch) -> dict[str, list[Any]]:
    """Inputs as REST takes them."""
    return {
        name: pc.strftime(column, format="%Y-%m-%d").to_pylist() if pa.types.is_date(column.type) else column.to_pylist()
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }


_READ: Mapping[str, Callable[[Any], Any]] = {
    "float": float,
    "date": datetime.date.fromisoformat,
    "bytes": base64.b64decode,
    "list": json.dumps,
    "dict": json.dumps,
    "dataframe": json.dumps,
}


def from_json(kind: str, values: Sequence[Any]) -> Any:  # noqa: ANN401 - an Arrow array of that kind
    """An output that REST gave."""
    read = _READ.get(kind)
    return pa.array(values if read is None else [read(value) for value in values], ARROW[kind])
