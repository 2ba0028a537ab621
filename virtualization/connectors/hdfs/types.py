"""Types both ways: declared PostgreSQL types as DuckDB reads them from a text (CSV, JSON) or a typed column (Parquet, ORC, Avro), and
what a file's own types become when a table is detected.

A CSV value is taken only in a form that PostgreSQL's own input takes with the same meaning: DuckDB alone would read ``1.5`` as the
bigint 2 and ``1_000`` as 1000.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from virtualization.connectors.hdfs.nested import array_text, json_text
from virtualization.connectors.hdfs.options import FileFormat
from virtualization.errors import DefinitionError
from virtualization.types import PgType

_DUCKDB = {
    "boolean": "BOOLEAN", "smallint": "SMALLINT", "integer": "INTEGER", "bigint": "BIGINT", "real": "FLOAT",
    "double precision": "DOUBLE", "text": "VARCHAR", "character varying": "VARCHAR", "character": "VARCHAR", "name": "VARCHAR",
    "bytea": "BLOB", "date": "DATE", "time without time zone": "TIME", "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMPTZ", "uuid": "VARCHAR", "json": "VARCHAR",
    "jsonb": "VARCHAR",
}  # fmt: skip
_NUMBER = r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*"
_WHOLE = r"\s*[+-]?[0-9]+\s*"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
_FORMS = {
    "boolean": r"(?i)(t|true|f|false|y|yes|n|no|1|0)",
    "smallint": _WHOLE, "integer": _WHOLE, "bigint": _WHOLE, "numeric": _NUMBER,
    "real": rf"{_NUMBER}|(?i)\s*(nan|[+-]?inf(inity)?)\s*", "double precision": rf"{_NUMBER}|(?i)\s*(nan|[+-]?inf(inity)?)\s*",
    "date": _DATE, "time without time zone": _CLOCK, "timestamp without time zone": rf"{_DATE}([ T]{_CLOCK})?",
    "timestamp with time zone": rf"{_DATE}([ T]{_CLOCK}( ?(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?))?)?",
}  # fmt: skip
_ARRAY = r"(?s)\{.*\}"  # whoever reads it as an array looks inside
_PLAIN_NUMERIC = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?"
_ZONE = r".*(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"
_LENGTH_LIMITED = ("character varying", "character")
_INTEGER_DIGITS: dict[pa.DataType, int] = {
    pa.int8(): 3,
    pa.int16(): 5,
    pa.int32(): 10,
    pa.int64(): 19,
    pa.uint8(): 3,
    pa.uint16(): 5,
    pa.uint32(): 10,
}
_DETECTED = {
    pa.bool_(): "boolean", pa.int8(): "smallint", pa.uint8(): "smallint", pa.int16(): "smallint", pa.uint16(): "integer",
    pa.int32(): "integer", pa.uint32(): "bigint", pa.int64(): "bigint", pa.uint64(): "numeric(20,0)", pa.float16(): "real",
    pa.float32(): "real", pa.float64(): "double precision", pa.string(): "text", pa.large_string(): "text",
    pa.string_view(): "text", pa.binary(): "bytea", pa.large_binary(): "bytea", pa.date32(): "date", pa.date64(): "date",
}  # fmt: skip
_WIDER = {
    "boolean": (), "smallint": ("integer", "bigint"), "integer": ("bigint",), "real": ("double precision",),
    "text": ("character varying", "character", "uuid", "json", "name"),
}  # fmt: skip


DATA_MARK = "bdc-data-error:"
"""Begins the messages of our own checks inside the engine."""


def literal(text: str) -> str:
    """As a DuckDB string."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """As a DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


def duckdb_type(of: PgType, column: str) -> str:
    """The DuckDB type that carries ``of``; DefinitionError for one that files can't hold."""
    if of.array:
        if of.name in _DUCKDB or of.name == "numeric":
            return "VARCHAR"
    else:
        if of.name == "numeric":
            shape = of.precision_and_scale
            return f"DECIMAL({shape[0]},{shape[1]})" if shape and not of.travels_as_text else "VARCHAR"
        if of.name in _DUCKDB:
            return _DUCKDB[of.name]
    raise DefinitionError(
        f'column "{column}": type {of} can\'t be read from a file', hint="Declare the column text and cast it in the query."
    )


def text_value(text: str, of: PgType, shape: FileFormat, place: str) -> str:
    """DuckDB SQL that turns the SQL expression ``text`` (VARCHAR) into ``of``, or fails with ``place`` (SQL too) and the value."""
    made = converted(text, of, shape)
    if made == text:
        return text
    failure = f"error({place} || coalesce(left({text}, 100), ''))"
    return f"CASE WHEN {text} IS NOT NULL THEN coalesce({made}, {failure}) END"


def converted(text: str, of: PgType, shape: FileFormat) -> str:
    """DuckDB SQL: ``text`` as ``of``, NULL where PostgreSQL would refuse it; ``text`` itself where any will do."""
    if of.array:
        return f"CASE WHEN regexp_full_match({text}, {literal(_ARRAY)}) THEN {text} END"
    if of.name in _LENGTH_LIMITED and of.typmod >= 0:
        return _limited(text, of)
    if of.name == "date" and shape.date_format:
        return f"CAST(try_strptime({text}, {literal(shape.date_format)}) AS DATE)"
    if of.name.startswith("timestamp") and shape.timestamp_format:
        return f"CAST(try_strptime({text}, {literal(shape.timestamp_format)}) AS TIMESTAMP)"
    if of.name == "uuid":
        return f"CAST(TRY_CAST({text} AS UUID) AS VARCHAR)"
    if of.name in ("json", "jsonb"):
        return f"CASE WHEN json_valid({text}) THEN {text} END"
    if of.name == "bytea":
        return rf"CASE WHEN regexp_full_match({text}, '\\x([0-9a-fA-F]{{2}})*') THEN from_hex(substr({text}, 3)) END"
    carrying = duckdb_type(of, "")
    form = _PLAIN_NUMERIC if of.name == "numeric" and carrying == "VARCHAR" else _FORMS.get(of.name)
    if form is None:
        return text
    value = f"TRY_CAST({text} AS {carrying})"
    if of.name == "timestamp with time zone":
        # without an offset it is UTC, whatever zone the engine's session has
        value = (
            f"TRY_CAST(CASE WHEN regexp_matches(substr({text}, 11), {literal(_ZONE)}) THEN {text} ELSE {text} || '+00' END AS TIMESTAMPTZ)"
        )
    return f"CASE WHEN regexp_full_match({text}, {literal(form)}) THEN {value} END"


def _limited(text: str, of: PgType) -> str:
    length = of.typmod - 4
    if of.name == "character":
        return f"CASE WHEN length(rtrim({text}, ' ')) <= {length} THEN rpad({text}, {length}, ' ') END"
    return f"CASE WHEN length(rtrim({text}, ' ')) <= {length} THEN left({text}, {length}) END"


def typed_value(column: str, stored: pa.DataType, of: PgType, place: str) -> str | None:
    """DuckDB SQL that reads ``column`` as ``of`` without loss; None where the stored type does not fit."""
    if pa.types.is_nested(stored):
        return _nested_value(column, stored, of)
    detected = detected_type(stored)
    if detected is None or of.array:
        return None
    if of.name in ("character varying", "character", "uuid", "json", "jsonb", "text", "name"):
        if detected == "uuid" and of.name in ("uuid", "text"):
            return f"CAST({column} AS VARCHAR)"
        if detected not in ("text", "json"):
            return None
        return text_value(column, of, FileFormat("parquet"), place) if of.name != "name" else column
    if pa.types.is_uint64(stored) or of.name == "numeric":
        return _as_numeric(column, stored, of)
    same = detected.split("(")[0] == of.name
    if not same and of.name not in _WIDER.get(detected, ()):
        return None
    exact = same and _DETECTED.get(stored) == of.name and stored not in (pa.int8(), pa.uint8(), pa.float16(), pa.uint16(), pa.uint32())
    return column if exact and not pa.types.is_date64(stored) else f"CAST({column} AS {duckdb_type(of, '')})"


def _nested_value(column: str, stored: pa.DataType, of: PgType) -> str | None:
    if of.array:
        return array_text(column, of.text) if detected_type(stored) == of.text else None
    return json_text(column) if of.name in ("json", "jsonb", "text") else None


def _as_numeric(column: str, stored: pa.DataType, of: PgType) -> str | None:
    if of.name != "numeric":
        return None
    digits, scale = _INTEGER_DIGITS.get(stored, 20), 0
    if pa.types.is_decimal(stored):
        digits, scale = stored.precision, stored.scale
    elif not pa.types.is_integer(stored):
        return None
    shape = of.precision_and_scale
    if shape is None:
        return f"CAST({column} AS VARCHAR)"
    if of.travels_as_text or shape[1] < scale or shape[0] - shape[1] < digits - scale:
        return None
    return column if pa.types.is_decimal(stored) and shape == (digits, scale) else f"CAST({column} AS DECIMAL({shape[0]},{shape[1]}))"


def detected_type(stored: pa.DataType) -> str | None:
    """The PostgreSQL type for a stored column; None where nothing carries it. Nanoseconds become microseconds, lists of plain values
    arrays, all else that is nested jsonb."""
    if isinstance(stored, pa.ExtensionType):
        return {"arrow.uuid": "uuid", "arrow.json": "json"}.get(stored.extension_name)
    if pa.types.is_nested(stored):
        return _detected_nested(stored)
    if pa.types.is_dictionary(stored):
        return detected_type(stored.value_type)
    if pa.types.is_decimal(stored):
        return f"numeric({stored.precision},{stored.scale})"
    if pa.types.is_timestamp(stored):
        return "timestamp with time zone" if stored.tz else "timestamp without time zone"
    if pa.types.is_time(stored):
        return "time without time zone"
    return _DETECTED.get(stored)


def _detected_nested(stored: Any) -> str:  # noqa: ANN401 - one of several classes of lists, or not
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list, pa.types.is_list_view, pa.types.is_large_list_view)
    if any(is_list(stored) for is_list in lists) and not pa.types.is_nested(stored.value_type):
        element = detected_type(stored.value_type)
        if element is not None:
            return f"{element}[]"
    return "jsonb"
