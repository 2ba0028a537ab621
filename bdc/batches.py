"""Rows of pandas, Arrow or plain dicts, as requests of up to so many rows to an app, and the outputs beside them again."""

from __future__ import annotations

import base64
import datetime
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from bdc.errors import BdcError, InternalError, UserError
from bdc.names import kind_of, route_segment
from bdc.rest import JsonClient, object_of

Rows = TypeVar("Rows")
"""``pandas.DataFrame``, ``pyarrow.Table`` or a list of dicts."""
Columns = dict[str, list[Any]]
BATCH_ROWS = 1_000


@dataclass(frozen=True)
class Batched:
    """One version, as the app proxy describes it."""

    client: JsonClient
    path: str
    label: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    @classmethod
    def find(cls, client: JsonClient, name: str, version: str) -> Batched:
        """``live`` is the version that is live now, and stays it. NotFoundError."""
        found = cls(client, _path(name, version), "", {}, {})._asked("GET", None)
        number = str(found["version"])
        return cls(client, _path(name, number), f"{name}@{number}", _kinds(found, "inputs"), _kinds(found, "outputs"))

    def _asked(self, method: str, body: object) -> dict[str, Any]:
        return object_of(self.client.request(method, self.path, body=body), "batch")

    def call(self, columns: Columns, count: int) -> Columns:
        """The outputs for so many rows, in their order. The first row that fails ends it: UserError, ServiceError with its number."""
        outputs: Columns = {name: [] for name in self.outputs}
        done = 0
        while done < count:
            part = {name: values[done : done + BATCH_ROWS] for name, values in columns.items()}
            try:
                answer = self._asked("POST", {"inputs": part})
            except BdcError as error:
                raise _renumbered(error, done) from None
            if not isinstance(rows := answer.get("rows"), int) or rows < 1:
                raise InternalError(f"{self.label} answered a batch without rows", where=self.client.base)
            for name, values in outputs.items():
                values += answer["outputs"][name]
            done += rows
        return outputs


def score(app: Batched, rows: Rows) -> Rows:
    """The same rows, of the same kind and in their order, with the outputs as further columns. UserError."""
    table = _table(rows)
    if not app.inputs:
        raise UserError(f"{app.label} has no inputs: there is nothing to score", where=app.label, hint="session.apps.run calls it")
    columns = {name: [_value(one, kind) for one in table.column(name)] for name, kind in app.inputs.items()}
    if clash := {name.lower() for name in table.names()} & {name.lower() for name in app.outputs}:
        raise UserError(
            f"the rows have a column {min(clash)!r} already, which is an output of {app.label}",
            where=min(clash),
            hint="rename it, or leave it out",
        )
    scored: Any = table.with_columns(app.call(columns, table.count()))
    return scored  # type: ignore[no-any-return]


def _path(name: str, version: str) -> str:
    return f"/api/app/{route_segment(name, 'app')}/{route_segment(version, 'version')}/batch"


def _kinds(found: Mapping[str, Any], key: str) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in found[key].items()}


def _renumbered(error: BdcError, done: int) -> BdcError:
    """``row 3`` of a request is another one of all rows."""
    number = re.match(r"row (\d+)(?=:)", error.message)
    message = error.message if number is None else f"row {int(number[1]) + done}{error.message[number.end() :]}"
    return type(error)(message, where=error.where, why=error.why, hint=error.hint, code=error.code, request_id=error.request_id)


class _Dicts:
    """A list of dicts, each with all the inputs."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._rows = rows

    def names(self) -> list[str]:
        return list(dict.fromkeys(name for row in self._rows for name in row))

    def count(self) -> int:
        return len(self._rows)

    def column(self, name: str) -> Iterator[Any]:
        key = _named(self.names(), name) if self._rows else name
        for number, row in enumerate(self._rows):
            if key not in row:
                raise UserError(f"row {number} has no {key!r}, which is an input", where=key)
            yield row[key]

    def with_columns(self, added: Columns) -> list[dict[str, Any]]:
        outputs = (dict(zip(added, values, strict=True)) for values in zip(*added.values(), strict=True))
        return [{**row, **more} for row, more in zip(self._rows, outputs, strict=True)]


class _Frame:
    """pandas' DataFrame; its index stays."""

    def __init__(self, frame: Any) -> None:  # noqa: ANN401 - pandas has no types here
        self._frame = frame

    def names(self) -> list[str]:
        return [str(name) for name in self._frame.columns]

    def count(self) -> int:
        return len(self._frame)

    def column(self, name: str) -> list[Any]:
        column = self._frame[_named(self.names(), name)]
        found: list[Any] = column.astype(object).where(column.notna(), None).tolist()
        return found

    def with_columns(self, added: Columns) -> Any:  # noqa: ANN401 - a DataFrame
        return self._frame.assign(**added)


class _Arrow:
    """pyarrow's Table."""

    def __init__(self, table: Any) -> None:  # noqa: ANN401 - pyarrow is not always here
        self._table = table

    def names(self) -> list[str]:
        return list(self._table.column_names)

    def count(self) -> int:
        return int(self._table.num_rows)

    def column(self, name: str) -> list[Any]:
        found: list[Any] = self._table.column(_named(self.names(), name)).to_pylist()
        return found

    def with_columns(self, added: Columns) -> Any:  # noqa: ANN401 - a Table
        table = self._table
        for name, values in added.items():
            table = table.append_column(name, [values])
        return table


def _table(rows: Any) -> _Dicts | _Frame | _Arrow:  # noqa: ANN401 - what the user has
    if hasattr(rows, "column_names") and hasattr(rows, "append_column"):
        return _Arrow(rows)
    if hasattr(rows, "columns") and hasattr(rows, "assign"):
        return _Frame(rows)
    if isinstance(rows, list | tuple) and all(isinstance(row, Mapping) for row in rows):
        return _Dicts(rows)
    raise UserError(
        f"rows are a pandas DataFrame, an Arrow table or a list of dicts, not {type(rows).__name__}",
        hint="a DataFrame of Spark: bdc.spark.score; one call: session.apps.run",
    )


def _named(names: list[str], name: str) -> str:
    """The column that is this input: of just its name, else the only one that differs in upper and lower case. UserError."""
    found = [one for one in names if one == name] or [one for one in names if one.lower() == name.lower()]
    if len(found) != 1:
        problem = "more than one" if found else "no"
        shown = ", ".join(names)[:200]
        raise UserError(f"the rows have {problem} column {name!r}, which is an input", where=name, hint=f"they have {shown}")
    return found[0]


def _value(value: Any, kind: str) -> Any:  # noqa: ANN401 - of any column
    """As JSON carries it; what is missing is null, which the app's own check refuses with the row's number."""
    if hasattr(value, "tolist") and not isinstance(value, bytes | bytearray | memoryview):
        value = value.tolist()  # numpy's
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, float) and kind == "int" and value.is_integer():
        return int(value)  # pandas makes floats of integers beside a missing one
    if isinstance(value, Decimal):
        return int(value) if kind == "int" and value == value.to_integral_value() else float(value)
    if isinstance(value, datetime.date):
        return (value.date() if kind == "date" and isinstance(value, datetime.datetime) else value).isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    return value


def carried(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of one call as JSON carries them: numbers and arrays of numpy, decimals, dates, bytes. UserError names what no JSON is."""
    return {str(name): _carried(value, str(name)) for name, value in inputs.items()}


def _carried(value: Any, name: str) -> Any:  # noqa: ANN401 - whatever a notebook has
    if hasattr(value, "tolist") and not isinstance(value, bytes | bytearray | memoryview):
        value = value.tolist()
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        value = value.to_dict("records")  # pandas' DataFrame
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {str(key): _carried(one, name) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_carried(one, name) for one in value]
    if isinstance(value, datetime.date | bytes | bytearray | memoryview):
        at_midnight = isinstance(value, datetime.datetime) and value.time() == datetime.time.min  # pandas has no date
        return _value(value, "date" if at_midnight else "")
    if value is not None and not isinstance(value, str | int | float):
        raise UserError(
            f"input {name} is a {kind_of(value)}, which no JSON carries", where=name, hint="numbers, texts, lists and dicts are"
        )
    return value
