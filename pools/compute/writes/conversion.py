"""Values as PostgreSQL writes them (parameters in text form) in the Arrow types of the table's columns, a column at a time, by DuckDB."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa

from pools.compute.errors import StatementError
from pools.compute.wire.packed import PackedValues
from virtualization.types import PgType, arrow_field, pg_type

_BYTEA = 17
_DATES = frozenset({1082, 1114, 1184})
_LOCK = threading.Lock()
_CONNECTIONS: list[duckdb.DuckDBPyConnection] = []


def columns_of(values: Sequence[bytes | None], width: int) -> list[pa.Array[Any]]:
    """Row-major parameters as columns of text; StatementError 22021 for what is not UTF-8."""
    if isinstance(values, PackedValues):
        columns = values.columns(width)
    else:
        columns = [pa.array(values[place::width], pa.binary()) for place in range(width)]
    try:
        return [column.cast(pa.string()) for column in columns]
    except pa.ArrowInvalid as error:
        raise StatementError("22021", 'invalid byte sequence for encoding "UTF8" in a parameter') from error


def typed(names: Sequence[str], types: Sequence[str], table: pa.Table) -> pa.Table:
    """Columns of text (``table``, in the order of ``names``) as values of PostgreSQL's ``types``; StatementError 22P02 or 22003."""
    kinds = [pg_type(one) for one in types]
    schema = pa.schema([arrow_field(name, one) for name, one in zip(names, types, strict=True)])
    items = ", ".join(f"{_expression(f'c{place}', kind)} AS c{place}" for place, kind in enumerate(kinds))
    given = table.rename_columns([f"c{place}" for place in range(len(names))])
    cursor = _cursor()
    cursor.register("given", given)
    try:
        found = cursor.sql(f"SELECT {items} FROM given").to_arrow_table()
        return pa.Table.from_arrays([column.cast(field.type) for column, field in zip(found.columns, schema, strict=True)], schema=schema)
    except (duckdb.Error, pa.ArrowInvalid) as error:
        first = (str(error).splitlines() or [""])[0]
        code = "22003" if "range" in first.lower() else "22P02"
        raise StatementError(code, "a value does not fit the type of its column", detail=first) from None
    finally:
        cursor.close()


def _expression(name: str, kind: PgType) -> str:
    if kind.travels_as_text or kind.arrow == pa.string():
        return name
    if kind.oid == _BYTEA:
        return f"unhex(substr({name}, 3))"
    arrow = kind.arrow
    if pa.types.is_decimal(arrow):
        return f"CAST({name} AS DECIMAL({arrow.precision},{arrow.scale}))"
    source = f"replace({name}, ' BC', ' (BC)')" if kind.oid in _DATES else name
    return f"CAST({source} AS {_NAMES[arrow]})"


_NAMES = {
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.time64("us"): "TIME",
    pa.timestamp("us"): "TIMESTAMP",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
}


def _cursor() -> duckdb.DuckDBPyConnection:
    with _LOCK:
        if not _CONNECTIONS:
            root = duckdb.connect(config={"threads": 1})
            root.execute("SET TimeZone = 'UTC'")
            _CONNECTIONS.append(root)
        return _CONNECTIONS[0].cursor()
