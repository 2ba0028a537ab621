"""The types of inputs and outputs: one row each. What JSON carries, what the app's function gets, and what may come back.

Standard library only (pandas on first use, for ``dataframe``): workers import this in the app's own environment.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Json = Any
Convert = Callable[[Any], Any]


class WrongTypeError(Exception):
    """The message says what it should be and what it is, without the value."""


@dataclass(frozen=True)
class Kind:
    """One type. ``check`` (JSON → nothing, or WrongTypeError) runs in the server; ``to_python`` and ``to_json`` in the worker."""

    schema: Mapping[str, Json]
    check: Callable[[Json], None]
    to_python: Convert
    to_json: Convert


def json_name(value: object) -> str:
    """What people call it."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "an integer", float: "a number", str: "a text", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)


def _wrong(wanted: str, value: object) -> WrongTypeError:
    return WrongTypeError(f"must be {wanted}, is {json_name(value)}")


def _is(wanted: str, *types: type) -> Callable[[Json], None]:
    def check(value: Json) -> None:
        if type(value) not in types:
            raise _wrong(wanted, value)

    return check


def _deep(kind: Callable[[Json], None]) -> Callable[[Json], None]:
    """``kind``, and no infinity anywhere inside: JSON's 1e999 becomes one, and nothing of JSON can carry it on."""

    def check(value: Json) -> None:
        kind(value)
        inside = [value]
        for some in inside:  # grows on the way; JSON has no cycles
            if type(some) is float and not math.isfinite(some):
                raise WrongTypeError("must hold finite numbers only")
            if type(some) is list:
                inside += some
            elif type(some) is dict:
                inside += some.values()

    return check


def _check_float(value: Json) -> None:
    if type(value) not in (int, float):
        raise _wrong("a number", value)
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise WrongTypeError("must be a finite number")


def _check_date(value: Json) -> None:
    if type(value) is not str:
        raise _wrong("a date as YYYY-MM-DD", value)
    try:
        datetime.date.fromisoformat(value)
    except ValueError:
        raise WrongTypeError("must be a date as YYYY-MM-DD") from None


def _check_bytes(value: Json) -> None:
    if type(value) is not str:
        raise _wrong("bytes in base64", value)
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise WrongTypeError("must be bytes in base64") from None


def _check_dataframe(value: Json) -> None:
    if type(value) is list and all(type(row) is dict for row in value):
        return
    if type(value) is dict and all(type(column) is list for column in value.values()):
        if len({len(column) for column in value.values()}) > 1:
            raise WrongTypeError("must have columns of equal length")
        return
    raise WrongTypeError("must be a list of rows (objects), or an object of columns (lists)")


def _plain(value: object) -> Json:
    """What is left of numpy's scalars and arrays, dates and bytes inside of lists and objects. WrongTypeError for what JSON can't carry."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _finite(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return _other(value)


def _other(value: Any) -> Json:  # noqa: ANN401 (what the app gave)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if callable(getattr(value, "tolist", None)):
        return _plain(value.tolist())
    raise WrongTypeError(f"{type(value).__name__} can't be carried as JSON")


def _finite(value: Any) -> float:  # noqa: ANN401 (a number)
    if not math.isfinite(value):
        raise WrongTypeError("NaN and infinity can't be carried as JSON")
    return float(value)


def _scalar(wanted: str, *types: type) -> Convert:
    """The output is one of ``types``, or numpy's scalar (or array of one element) of it."""

    def convert(value: Any) -> Json:  # noqa: ANN401 (what the app gave)
        if hasattr(value, "tolist") and not isinstance(value, bytes | bytearray | memoryview):
            value = value.tolist()
            while isinstance(value, list) and len(value) == 1:
                value = value[0]
        if (isinstance(value, bool) and bool not in types) or not isinstance(value, types):
            raise _wrong(wanted, value)
        return _finite(value) if float in types else value

    return convert


def _list(value: Any) -> Json:  # noqa: ANN401 (what the app gave)
    found = _plain(value)
    if not isinstance(found, list):
        raise _wrong("a list", value)
    return found


def _dict(value: object) -> Json:
    if not isinstance(value, Mapping):
        raise _wrong("a dict", value)
    return _plain(value)


def _date(value: object) -> Json:
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    if not isinstance(value, datetime.date):
        raise _wrong("a date", value)
    return value.isoformat()


def _bytes(value: object) -> Json:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise _wrong("bytes", value)
    return base64.b64encode(value).decode()


def _frame(value: Json) -> object:
    import pandas

    return pandas.DataFrame(value)


def _rows(value: Any) -> Json:  # noqa: ANN401 (what the app gave)
    """A DataFrame's rows as objects; missing values are null."""
    if isinstance(value, list):
        return _list(value)
    if not hasattr(value, "to_dict") or not hasattr(value, "columns"):
        raise _wrong("a DataFrame", value)
    found = value.astype(object).where(value.notna(), None)
    return _plain(found.to_dict("records"))


def _same(value: object) -> object:
    return value


def _b64(value: str) -> bytes:
    return base64.b64decode(value)


TYPES: dict[str, Kind] = {
    "bool": Kind({"type": "boolean"}, _is("a boolean", bool), _same, _scalar("a bool", bool)),
    "bytes": Kind({"type": "string", "contentEncoding": "base64"}, _check_bytes, _b64, _bytes),
    "dataframe": Kind(
        {"oneOf": [{"type": "array", "items": {"type": "object"}}, {"type": "object", "additionalProperties": {"type": "array"}}]},
        _deep(_check_dataframe),
        _frame,
        _rows,
    ),
    "date": Kind({"type": "string", "format": "date"}, _check_date, datetime.date.fromisoformat, _date),
    "dict": Kind({"type": "object"}, _deep(_is("an object", dict)), _same, _dict),
    "float": Kind({"type": "number"}, _check_float, float, _scalar("a number", int, float)),
    "int": Kind({"type": "integer"}, _is("an integer", int), _same, _scalar("an int", int)),
    "list": Kind({"type": "array", "items": {}}, _deep(_is("a list", list)), _same, _list),
    "str": Kind({"type": "string"}, _is("a text", str), _same, _scalar("a str", str)),
}
"""Name in ``spec.yaml`` → what it means."""

ALIASES = {
    "integer": "int", "number": "float", "double": "float", "numeric": "float", "string": "str", "character": "str", "text": "str",
    "boolean": "bool", "logical": "bool", "array": "list", "object": "dict", "data.frame": "dataframe", "binary": "bytes",
}  # fmt: skip
"""Words of other languages, for the hint: they are not taken, because 'number' and 'character' leave open what is meant."""
