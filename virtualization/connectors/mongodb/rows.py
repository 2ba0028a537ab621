"""From the server's answers (BSON) to record batches: the C decoder of the driver, then Arrow's; per value in Python only where a
batch holds what neither knows (documents, mixed texts, values that are counted)."""

from __future__ import annotations

import datetime
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import bson
import bson.json_util
import pyarrow as pa
import pyarrow.compute
from bson.codec_options import CodecOptions, DatetimeConversion

from virtualization.connectors.mongodb.types import Kind
from virtualization.errors import DataError
from virtualization.types import arrow_field

pc: Any = pyarrow.compute
OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO, tz_aware=False)
_JSON = bson.json_util.JSONOptions(json_mode=bson.json_util.JSONMode.RELAXED)


@dataclass(frozen=True)
class Output:
    """A column of an answer; ``key``: its field in the documents that arrive."""

    name: str
    kind: Kind
    key: str
    finish: Callable[[list[Any]], pa.Array[Any]] | None = None
    """Makes the column from the decoded values, where they are something else than one value of the kind."""

    @property
    def field(self) -> pa.Field[Any]:
        """As the contract wants it."""
        return arrow_field(self.name, self.kind.of.text)


def schema(outputs: Sequence[Output]) -> pa.Schema:
    """Of the batches."""
    return pa.schema([output.field for output in outputs])


def decoded(data: bytes, where: str) -> list[dict[str, Any]]:
    """The documents of one answer; DataError for texts that are no UTF-8."""
    try:
        return bson.decode_all(data, OPTIONS)
    except (bson.errors.InvalidBSON, UnicodeDecodeError) as error:
        raise DataError(
            f"{where}: a document can't be read: {' '.join(str(error).split())[:200]}",
            hint="Texts in MongoDB are UTF-8; look for documents written by an old or foreign driver.",
        ) from None


def batch(documents: list[dict[str, Any]], outputs: Sequence[Output], strangers: Counter[str], where: str) -> pa.RecordBatch:
    """``documents`` as the contract's columns. Values that did not fit (MinKey) become NULL and are counted in ``strangers`` by column."""
    plain = [output for output in outputs if not output.kind.raw and output.finish is None]
    fields = [pa.field(output.key, _wire(output.kind)) for output in plain]
    made: dict[str, pa.Array[Any]] = {}
    if plain:
        columns = _columns(documents, pa.struct(fields), strangers, {output.key: output.name for output in plain}, where)
        made = {output.key: _converted(column, output, where) for output, column in zip(plain, columns, strict=True)}
    for output in outputs:
        if output.key not in made:
            values = [document.get(output.key) for document in documents]
            made[output.key] = output.finish(values) if output.finish is not None else _shown(values, output, where)
    return pa.RecordBatch.from_arrays([made[output.key] for output in outputs], schema=schema(outputs))


def _wire(kind: Kind) -> pa.DataType:
    wire: Mapping[str, pa.DataType] = {
        "integer": pa.int64(), "numeric": pa.string(), "double": pa.float64(), "boolean": pa.bool_(), "text": pa.string(),
        "date": pa.int64(), "timestamp": pa.int64(), "bytes": pa.binary(),
    }  # fmt: skip
    return wire[kind.name]


def _columns(
    documents: list[dict[str, Any]], of: pa.DataType, strangers: Counter[str], names: Mapping[str, str], where: str
) -> list[pa.Array[Any]]:
    try:
        return _flat(documents, of)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        cleaned = [{key: _counted(value, names.get(key, ""), strangers) for key, value in document.items()} for document in documents]
        if cleaned == documents:
            raise DataError(f"{where}: the source sent a value of another type than was asked for: {error}") from None
        return _flat(cleaned, of)


def _flat(documents: list[dict[str, Any]], of: pa.DataType) -> list[pa.Array[Any]]:
    made: Any = pa.array(documents, of)
    return list(made.flatten())


def _counted(value: Any, name: str, strangers: Counter[str]) -> Any:  # noqa: ANN401 values of documents
    if isinstance(value, bson.MinKey):
        strangers[name] += 1
        return None
    return value


def _converted(values: pa.Array[Any], output: Output, where: str) -> pa.Array[Any]:
    kind, target = output.kind, output.field.type
    if kind.name == "numeric":
        return values.cast(target) if pa.types.is_decimal(target) else plain_numbers(values)
    if kind.name == "timestamp":
        values = pc.multiply_checked(values, 1000)
    if kind.name == "date":
        values = pc.divide(values, 86_400_000).cast(pa.int32())
    if kind.name == "text":
        return _without_nul(values, output.name, where)
    return values if values.type == target else values.cast(target)


def plain_numbers(values: pa.Array[Any]) -> pa.Array[Any]:
    """Decimals as PostgreSQL writes them: no exponent, no sign of zero."""
    odd = pc.any(pc.match_substring_regex(values, r"E|^-0")).as_py()
    if not odd:
        return values
    return pa.array([None if text is None else _plain(text) for text in values.to_pylist()], pa.string())


def _plain(text: str) -> str:
    number = Decimal(text)
    if not number.is_finite():
        return text
    shown = f"{number:f}"
    return shown if number else shown.removeprefix("-")


def _without_nul(values: pa.Array[Any], name: str, where: str) -> pa.Array[Any]:
    if pc.any(pc.match_substring(values, "\0")).as_py():
        raise DataError(
            f'{where}: column "{name}" holds a text with the character U+0000, which PostgreSQL has not',
            hint="Remove it at the source, or leave the column out.",
        )
    return values


def _shown(values: list[Any], output: Output, where: str) -> pa.Array[Any]:
    show = as_text if output.kind.name == "text" else _uuid if output.kind.of.name == "uuid" else as_json
    try:
        made = [None if value is None else show(value) for value in values]
    except ValueError as error:
        raise DataError(f'{where}: column "{output.name}": {error}') from None
    length = output.kind.of.typmod - 4
    if output.kind.of.name == "character varying" and length > 0 and any(text is not None and len(text) > length for text in made):
        raise DataError(f'{where}: column "{output.name}" holds a text that is longer than {output.kind.of.text}')
    column: pa.Array[Any] = pa.array(made, pa.string())
    return _without_nul(column, output.name, where)


def as_text(value: Any) -> str:  # noqa: ANN401
    """Any value as text: a text is itself, a date ISO, a number and true/false as in JSON, documents and arrays JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bson.ObjectId | bson.Decimal128 | uuid.UUID):
        return str(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "milliseconds" if value.microsecond else "seconds")
    return as_json(value)


def as_json(value: Any) -> str:  # noqa: ANN401
    """Relaxed extended JSON (MongoDB's own): plain where JSON has the type."""
    return bson.json_util.dumps(value, json_options=_JSON, ensure_ascii=False)


def _uuid(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bytes) and len(value) == 16:
        return str(uuid.UUID(bytes=bytes(value)))
    return str(uuid.UUID(value)) if isinstance(value, str) else str(uuid.UUID(value.hex))
