"""Runs a query of PostgreSQL's with named parameters (``%(name)s``). Runs in the worker.

The address comes from libpq's own variables (PGHOST, PGUSER, PGPASSFILE …) in the worker's environment. A transaction of its own per call,
read only. One output of type ``dataframe`` or ``list`` gets all rows; else the query must give one row, whose columns are the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from apps.worker.child import LoadError

MAX_ROWS = 100_000


def load(init: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], object]:
    """LoadError where there is no psycopg, or the database does not take the connection."""
    try:
        import psycopg
        from psycopg.rows import dict_row
    except ImportError:
        raise LoadError("psycopg is not installed here: pip install 'psycopg[binary]'") from None
    text = (Path(init["folder"]) / init["src"]).read_text(encoding="utf-8")
    try:
        connection = psycopg.connect(row_factory=dict_row, connect_timeout=10)
        connection.read_only = True
    except psycopg.Error as error:
        raise LoadError(f"the database does not take the connection: {str(error).splitlines()[0]}") from None
    outputs = init["outputs"]

    def run(inputs: Mapping[str, Any]) -> object:
        with connection.transaction():
            rows = connection.execute(text.encode(), dict(inputs)).fetchmany(MAX_ROWS + 1)
        return shaped([{name: _number(value) for name, value in row.items()} for row in rows], outputs)

    return run


def shaped(rows: list[dict[str, Any]], outputs: Mapping[str, str]) -> object:
    """As the spec's outputs. ValueError where the rows are others."""
    if len(rows) > MAX_ROWS:
        raise ValueError(f"the query gives more than {MAX_ROWS} rows: add a LIMIT")
    if len(outputs) == 1 and next(iter(outputs.values())) in ("dataframe", "list"):
        return rows
    if len(rows) != 1:
        raise ValueError(f"the query gives {len(rows)} rows, where one is needed")
    return rows[0]


def _number(value: object) -> object:
    """NUMERIC as the number that JSON has; a float keeps some 15 digits of it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else float(value)
    return value
