"""Tensors of the Open Inference Protocol v2 as rows of an app, and back: JSON only, no numpy. The first dimension is the rows.

| type of the spec | tensor | shape |
|---|---|---|
| float, int, bool | FP64, INT64, BOOL; of a request any that fits | [rows], or [rows, 1] |
| str, date, bytes (base64) | BYTES | the same |
| list | whatever its values are | [rows, …] |
| dict, dataframe | none | |
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from apps.checking import check
from apps.errors import AppError, InputError
from apps.types import json_name

WHOLE = {f"{sign}INT{bits}": bits for bits in (8, 16, 32, 64) for sign in ("", "U")}
BROKEN = ("FP16", "FP32", "FP64")
DATATYPES = ("BOOL", *WHOLE, *BROKEN, "BYTES")
TAKEN: dict[str, tuple[str, ...]] = {
    "float": (*BROKEN, *WHOLE), "int": tuple(WHOLE), "bool": ("BOOL",), "str": ("BYTES",), "date": ("BYTES",), "bytes": ("BYTES",),
    "list": DATATYPES,
}  # fmt: skip
"""Type of the spec → datatypes of a request that it may have; a type that is missing here has no tensor."""
GIVEN = {"float": "FP64", "int": "INT64", "bool": "BOOL", "str": "BYTES", "date": "BYTES", "bytes": "BYTES", "list": "FP64"}
MAX_ROWS = 65_536
MAX_DIMENSIONS = 8
Json = Any


class TensorError(AppError):
    """A request whose tensors are not those of the model. ``where`` names the tensor."""

    code = "invalid_tensor"
    status = 400


@dataclass(frozen=True)
class Asked:
    """``rows``: inputs of calls, checked; ``outputs``: names in the order asked for; ``id``: None where the request has none."""

    rows: list[dict[str, Any]]
    outputs: tuple[str, ...]
    id: str | None


def metadata(kinds: Mapping[str, str]) -> list[dict[str, Json]]:
    """Of inputs or outputs; those without a tensor are left out."""
    return [
        {"name": name, "datatype": GIVEN[kind], "shape": [-1, -1] if kind == "list" else [-1]}
        for name, kind in kinds.items()
        if kind in GIVEN
    ]


def asked(request: Json, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> Asked:
    """From the body. TensorError."""
    if not isinstance(request, dict) or not isinstance(request.get("inputs"), list):
        raise TensorError('the body must be {"inputs": [{"name", "shape", "datatype", "data"}, …]}', where="inputs")
    name = request.get("id")
    if name is not None and not isinstance(name, str):
        raise TensorError(f"id must be a text, is {json_name(name)}", where="id")
    columns: dict[str, list[Json]] = {}
    for tensor in request["inputs"]:
        column, values = _column(tensor, inputs)
        if column in columns:
            raise TensorError(f"the input {column} comes twice", where=column)
        columns[column] = values
    missing = [one for one in inputs if one not in columns]
    if missing:
        raise TensorError(f"the input {missing[0]} ({inputs[missing[0]]}) is missing", where=missing[0], hint=_known(inputs))
    return Asked(_rows(columns, inputs), _wanted(request.get("outputs"), outputs), name)


def answer(results: Sequence[Mapping[str, Json]], wanted: Iterable[str], outputs: Mapping[str, str]) -> list[dict[str, Json]]:
    """The outputs of all rows as tensors. TensorError where lists are not all of one shape and kind."""
    return [_tensor(name, outputs[name], [row[name] for row in results]) for name in wanted]


def _column(tensor: Json, inputs: Mapping[str, str]) -> tuple[str, list[Json]]:
    """The name of an input, and its values row by row."""
    if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
        raise TensorError("each of inputs must be an object with name, shape, datatype and data", where="inputs")
    name = tensor["name"]
    if name not in inputs:
        raise TensorError(f"there is no input {name[:60]!r}", where=name[:60], hint=_known(inputs))
    kind, datatype = inputs[name], tensor.get("datatype")
    if datatype not in DATATYPES:
        raise TensorError(f"{name}: there is no datatype {str(datatype)[:20]!r}; there are: {', '.join(DATATYPES)}", where=name)
    if datatype not in TAKEN.get(kind, ()):
        takes = f"takes {', '.join(TAKEN[kind])}" if kind in TAKEN else "has no tensor: call …/run"
        raise TensorError(f"{name}: a {kind} {takes}; it is {datatype}", where=name)
    shape = _shape(name, tensor.get("shape"), listed=kind == "list")
    return name, _split(_flat(name, tensor.get("data"), shape, str(datatype)), shape, listed=kind == "list")


def _shape(name: str, given: Json, *, listed: bool) -> tuple[int, ...]:
    if not isinstance(given, list) or not given or any(type(size) is not int or size < 0 for size in given):
        raise TensorError(f"{name}: shape must be a list of whole numbers", where=name)
    shape = tuple(given)
    if listed and not 2 <= len(shape) <= MAX_DIMENSIONS:
        raise TensorError(f"{name}: shape must be [rows, …]", where=name)
    if not listed and (len(shape) > 2 or shape[1:] not in ((), (1,))):
        raise TensorError(f"{name}: shape must be [rows] or [rows, 1]", where=name)
    if not 0 < shape[0] <= MAX_ROWS:
        raise TensorError(f"{name}: one request takes from 1 to {MAX_ROWS} rows", where=name, hint="send more requests")
    return shape


def _flat(name: str, given: Json, shape: tuple[int, ...], datatype: str) -> list[Json]:
    """Row by row, whether it is nested as the shape says, or flat."""
    if not isinstance(given, list):
        raise TensorError(f"{name}: data must be a list, is {json_name(given)}; binary data is not taken", where=name)
    data: list[Json] = given
    if data and isinstance(data[0], list):
        for size in shape[1:]:
            if any(not isinstance(part, list) or len(part) != size for part in data):
                raise TensorError(f"{name}: data is not of the shape {list(shape)}", where=name)
            data = [*chain.from_iterable(data)]
    if len(data) != math.prod(shape):
        raise TensorError(f"{name}: data holds {len(data)} values, a shape of {list(shape)} {math.prod(shape)}", where=name)
    wrong = next((value for value in data if not _fits(value, datatype)), None)
    if wrong is not None or None in data:
        raise TensorError(f"{name}: a value of {datatype} can't be {json_name(wrong)} such as in data", where=name)
    return data


def _fits(value: Json, datatype: str) -> bool:
    if datatype == "BYTES":
        return isinstance(value, str)
    if datatype == "BOOL":
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if datatype in BROKEN:
        return True
    least, most = (0, 2 ** WHOLE[datatype]) if datatype.startswith("U") else (-(2 ** (WHOLE[datatype] - 1)), 2 ** (WHOLE[datatype] - 1))
    return isinstance(value, int) and least <= value < most


def _split(data: list[Json], shape: tuple[int, ...], *, listed: bool) -> list[Json]:
    """Into rows."""
    if not listed:
        return data
    for size in reversed(shape[1:]):
        data = [data[at * size : (at + 1) * size] for at in range(len(data) // size)] if size else [[] for _ in range(shape[0])]
    return data


def _rows(columns: Mapping[str, list[Json]], inputs: Mapping[str, str]) -> list[dict[str, Any]]:
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise TensorError("the inputs must have as many rows as each other" if lengths else "the model has no inputs", where="inputs")
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    for number, row in enumerate(rows):
        try:
            check(row, inputs)
        except InputError as error:
            raise TensorError(f"row {number}: {error.message}", where=error.where) from None
    return rows


def _wanted(given: Json, outputs: Mapping[str, str]) -> tuple[str, ...]:
    if given is None or given == []:
        names = list(outputs)
    elif isinstance(given, list) and all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in given):
        names = [one["name"] for one in given]
    else:
        raise TensorError("outputs must be a list of objects with a name", where="outputs")
    for name in names:
        if name not in outputs:
            raise TensorError(f"there is no output {name[:60]!r}", where=name[:60], hint=f"outputs are: {', '.join(outputs)}")
        if outputs[name] not in GIVEN:
            raise TensorError(
                f"the output {name} is a {outputs[name]}, which has no tensor", where=name, hint="name other outputs; or call …/run"
            )
    return tuple(dict.fromkeys(names))


def _tensor(name: str, kind: str, values: list[Json]) -> dict[str, Json]:
    if kind != "list":
        return {"name": name, "datatype": GIVEN[kind], "shape": [len(values)], "data": values}
    shape, data = [len(values)], values
    while data and isinstance(data[0], list):
        size = len(data[0])
        if any(not isinstance(part, list) or len(part) != size for part in data):
            raise TensorError(f"the output {name} is not of one shape in all rows", where=name, hint="call …/run row by row")
        shape, data = [*shape, size], [*chain.from_iterable(data)]
    return {"name": name, "datatype": _datatype(name, data), "shape": shape, "data": data}


def _datatype(name: str, data: list[Json]) -> str:
    kinds = {type(value) for value in data}
    for datatype, types in (("BOOL", {bool}), ("INT64", {int}), ("FP64", {int, float}), ("BYTES", {str})):
        if kinds and kinds <= types:
            return datatype
    if not kinds:
        return "FP64"
    raise TensorError(f"the output {name} holds values that are in no tensor together", where=name, hint="call …/run")


def _known(inputs: Mapping[str, str]) -> str:
    return f"inputs are: {', '.join(inputs) or 'none'}"
