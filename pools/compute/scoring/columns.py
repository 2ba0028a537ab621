"""A query's columns as an app's inputs, and its outputs as columns. Types are the spec's words; pure."""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute

from pools.compute.errors import StatementError

pc: Any = pyarrow.compute
_INTEGERS = frozenset({"smallint", "integer", "bigint"})
_TEXTS = frozenset({"text", "character varying", "character", "name"})
_TAKES = {
    "float": _INTEGERS | {"real", "double precision", "numeric"},
    "int": _INTEGERS,
    "str": _TEXTS,
    "bool": frozenset({"boolean"}),
    "date": frozenset({"date"}),
}
"""Type of an input → PostgreSQL types that it takes, without their modifiers."""
POSTGRESQL = {
    "float": "double precision", "int": "bigint", "str": "text", "bool": "boolean", "date": "date", "bytes": "bytea",
    "list": "jsonb", "dict": "jsonb", "dataframe": "jsonb",
}  # fmt: skip
ARROW = {
    "float": pa.float64(), "int": pa.int64(), "str": pa.string(), "bool": pa.bool_(), "date": pa.date32(), "bytes": pa.binary(),
    "list": pa.string(), "dict": pa.string(), "dataframe": pa.string(),
}  # fmt: skip


def refuse_inputs(label: str, inputs: Mapping[str, str]) -> None:
    """StatementError 0A000 for an app that takes what no column of a query is."""
    for name, kind in inputs.items():
        if kind not in _TAKES:
            raise StatementError(
                "0A000", f"input {name} of {label} is a {kind}: SQL gives {', '.join(_TAKES)} only", hint="Call it by REST: bdc app run."
            )


def places(label: str, inputs: Mapping[str, str], names: Sequence[str], types: Sequence[str]) -> list[int]:
    """Which of a query's columns is which input: by name, upper and lower case alike where no name is just the same. StatementError."""
    found = []
    for name, kind in inputs.items():
        same = [at for at, given in enumerate(names) if given == name] or [
            at for at, given in enumerate(names) if given.lower() == name.lower()
        ]
        if len(same) != 1:
            what = "the query gives no column" if not same else "the query gives several columns"
            known = ", ".join(f"{input_name} {POSTGRESQL[of]}" for input_name, of in inputs.items())
            raise StatementError("42703", f"{what} {name}, which {label} takes", hint=f"{label} takes {known}.")
        given_type = types[same[0]]
        if given_type.partition("(")[0] not in _TAKES[kind]:
            raise StatementError(
                "42804",
                f"input {name} of {label} is {POSTGRESQL[kind]}, the query's column is {given_type}",
                hint=f"Cast it in the query: CAST({names[same[0]]} AS {POSTGRESQL[kind]}).",
            )
        found.append(same[0])
    return found


def checked(label: str, inputs: Mapping[str, str], columns: Sequence[Any]) -> pa.RecordBatch:
    """The inputs in Arrow's types of the spec. StatementError 22004 for NULL, 22003 for NaN: REST takes neither."""
    made = []
    for (name, kind), column in zip(inputs.items(), columns, strict=True):
        values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if values.null_count:
            raise StatementError(
                "22004",
                f"input {name} of {label} is NULL",
                hint=f"Leave such rows out ({name} IS NOT NULL), or give a value: coalesce({name}, …).",
            )
        if pa.types.is_decimal(values.type):
            values = values.cast(pa.string())  # and so to the nearest double
        values = values.cast(ARROW[kind], safe=kind != "float")  # a large integer is the nearest double, as in JSON
        if kind == "float" and not pc.all(pc.is_finite(values)).as_py() and len(values):
            raise StatementError("22003", f"input {name} of {label} is NaN or infinite", hint=f"Leave such rows out: {name} <> 'NaN'.")
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


def from_json(kind: str, values: Sequence[Any]) -> pa.Array[Any]:
    """An output that REST gave."""
    read = _READ.get(kind)
    return pa.array(values if read is None else [read(value) for value in values], ARROW[kind])
