"""What an instance of DuckDB is set to, so that rendered statements mean what they say, and answers in the library's Arrow contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from duckdb.func import PythonUDFType

from virtualization.duckdb_sql.kinds import Kind
from virtualization.duckdb_sql.quotients import KEY_FUNCTION, keys, quotient_text
from virtualization.encoding.numerics import decimal_text
from virtualization.plan import OutputColumn

_SETTINGS = (
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET allow_community_extensions = false",
    "SET python_enable_replacements = false",
    "SET default_null_order = 'nulls_last_on_asc_first_on_desc'",
    "SET TimeZone = 'UTC'",
)


def prepare(connection: Any) -> None:  # noqa: ANN401 duckdb is untyped
    """Settings and functions of a new instance."""
    for setting in _SETTINGS:
        connection.execute(setting)
    connection.create_function(KEY_FUNCTION, keys, ["VARCHAR", "VARCHAR", "BIGINT"], "VARCHAR", type=PythonUDFType.ARROW)


def output_columns(columns: Sequence[tuple[str, Kind]]) -> tuple[OutputColumn, ...]:
    """Names and PostgreSQL types."""
    return tuple(OutputColumn(name, kind.pg) for name, kind in columns)


def carried(column: Any, kind: Kind, field: Any) -> Any:  # noqa: ANN401 Arrow arrays and fields of any type
    """DuckDB's column in the Arrow type of the result: an unconstrained numeric travels as text."""
    if kind.name == "quotient":
        return quotient_text(column, kind.places)
    if kind.name == "decimal" and pa.types.is_string(field.type):
        return decimal_text(column).cast(pa.string())
    return column.cast(field.type)
