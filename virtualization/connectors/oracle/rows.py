"""Results on their way: what the driver is asked for, and its batches as the library's Arrow contract.

The driver makes Arrow's columns itself. It reads NUMBERs into decimals exactly, into integers by cutting off: so a fraction never meets
an integer there (see ``types``). Numbers without known digits come as text.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute

from virtualization.connectors.oracle.statements import Output
from virtualization.connectors.oracle.values import MOST_DIGITS, Value
from virtualization.duckdb_sql.quotients import quotient
from virtualization.errors import DataError, InternalError
from virtualization.types import arrow_field, pg_type

pc: Any = pyarrow.compute


def wire(value: Value) -> pa.DataType:
    """What the driver is asked for."""
    if value.kind == "number":
        return pa.string() if value.scale is None else _number(value)
    if value.kind == "text":
        return pa.large_string() if value.remote == "lob" else pa.string()
    if value.kind == "bytes":
        return pa.large_binary()
    kinds: dict[str, pa.DataType] = {
        "boolean": pa.int64(), "double": pa.float64(), "real": pa.float32(), "character": pa.string(), "date": pa.date32(),
        "timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us"),
    }  # fmt: skip
    if value.kind not in kinds:
        raise InternalError(f"a value of type {value.pg} was sent for")
    return kinds[value.kind]


def _number(value: Value) -> pa.DataType:
    if value.is_integer:
        return pa.int64()
    shape = pg_type(value.pg).precision_and_scale
    return pa.decimal128(*shape) if shape is not None else pa.decimal128(MOST_DIGITS, value.scale or 0)


def wire_schema(outputs: Sequence[Output]) -> pa.Schema:
    """Of the driver's batches."""
    fields: list[pa.Field[Any]] = []
    for output in outputs:
        fields.append(pa.field(f"c{len(fields)}", wire(output.value)))
        if output.divisor is not None:
            fields.append(pa.field(f"c{len(fields)}", pa.int64()))
    return pa.schema(fields)


def schema(outputs: Sequence[Output]) -> pa.Schema:
    """Of the contract's batches."""
    return pa.schema([arrow_field(output.name, output.value.pg) for output in outputs])


def to_contract(batch: pa.RecordBatch, outputs: Sequence[Output], where: str) -> pa.RecordBatch:
    """DataError for a value that does not fit."""
    made: list[pa.Array[Any]] = []
    columns = iter(batch.columns)
    promised = schema(outputs)
    for output, field in zip(outputs, promised, strict=True):
        values = next(columns)
        try:
            if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
                values.validate(full=True)  # the driver hands on what it got, be it UTF-8 or not
            made.append(_quotients(values, next(columns), output) if output.divisor is not None else _column(values, output.value, field))
        except pa.ArrowInvalid as error:
            said = " ".join(str(error).split())
            why = f'{where}: column "{output.name}" holds a value that is no {output.value.pg}: {said}'
            raise DataError(why, hint="Mend the value at the source, declare another type, or leave the column out.") from None
    return pa.RecordBatch.from_arrays(made, schema=promised)


def _column(values: pa.Array[Any], value: Value, field: pa.Field[Any]) -> pa.Array[Any]:
    target = field.type
    if value.kind == "number" and value.scale is None:
        return plain_numbers(values)
    if value.kind == "timestamptz":
        return values.cast(pa.timestamp("us")).cast(target)
    if value.kind in ("date", "timestamp") and values.type != target:
        return values.cast(pa.timestamp("us")).cast(target)
    if pa.types.is_decimal(values.type) and pa.types.is_string(target):
        return _with_digits(values)
    return values if values.type == target else values.cast(target)


def _with_digits(values: pa.Array[Any]) -> pa.Array[Any]:
    """Decimals as PostgreSQL writes them: with all digits of their scale and no exponent."""
    texts: pa.Array[Any] = values.cast(pa.string())
    if not pc.any(pc.match_substring(texts, "E")).as_py():
        return texts
    return pa.array([None if text is None else f"{Decimal(text):f}" for text in texts.to_pylist()], pa.string())


def plain_numbers(texts: pa.Array[Any]) -> pa.Array[Any]:
    """Oracle writes .5 and -.5; beyond 64 characters an exponent."""
    made: pa.Array[Any] = pc.replace_substring_regex(texts, r"^(-?)\.", r"\10.")
    if not pc.any(pc.match_substring(made, "E")).as_py():
        return made
    return pa.array([None if text is None else f"{Decimal(text):f}" for text in made.to_pylist()], pa.string())


def _quotients(sums: pa.Array[Any], counts: pa.Array[Any], output: Output) -> pa.Array[Any]:
    """Averages with PostgreSQL's digits; one step of Python for each group."""
    unit = Decimal(1).scaleb(-(output.value.scale or 0))
    rows = zip(sums.to_pylist(), counts.to_pylist(), strict=True)
    made = [None if total is None or not count else quotient(Decimal(total).quantize(unit), Decimal(count)) for total, count in rows]
    return pa.array(made, pa.string())
