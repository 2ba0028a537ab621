"""Runs a query of PostgreSQL's with named parameters (``%(name)s``). Runs in the worker.

The address comes from libpq's own variables (PGHOST, PGUSER, PGPASSWORD …) in the worker's environment. A transaction of its own per call,
read only, no longer than the app's ``timeout``. One output of type ``dataframe`` or ``list`` gets all rows; else the query must give one
row, whose columns are the outputs. A connection that broke is made anew by the next call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from apps.worker.child import LoadError

MAX_ROWS = 100_000
PATIENCE_SECONDS, PAUSE_SECONDS = 60.0, 0.5
"""A database that starts at the same time may not answer yet."""


def load(init: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], object]:
    """LoadError where there is no psycopg, or the database does not take the connection."""
    try:
        import psycopg
    except ImportError:
        raise LoadError("psycopg is not installed here: pip install 'psycopg[binary]'") from None
    text = (Path(init["folder"]) / init["src"]).read_text(encoding="utf-8").encode()
    outputs, database = init["outputs"], _Database(float(init["timeout"]))
    try:
        database.connect(PATIENCE_SECONDS)
    except psycopg.Error as error:
        raise LoadError(f"the database does not take the connection: {str(error).splitlines()[0]}") from None

    def run(inputs: Mapping[str, Any]) -> object:
        return shaped([{name: _number(value) for name, value in row.items()} for row in database.rows(text, dict(inputs))], outputs)

    return run


class _Database:
    """``seconds``: of one statement; the server ends one that takes longer, also when nobody waits for it any more."""

    def __init__(self, seconds: float) -> None:
        self._options = f"-c default_transaction_read_only=on -c statement_timeout={max(1, int(seconds * 1000))}"
        self._connection: Any = None

    def connect(self, patience: float = 0.0) -> None:
        """psycopg.Error. Whoever is refused by name or password is told at once."""
        import psycopg
        from psycopg.rows import dict_row

        deadline = time.monotonic() + patience
        while True:
            try:
                self._connection = psycopg.connect(row_factory=dict_row, connect_timeout=10, options=self._options)
                self._connection.read_only = True
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline or not any(word in str(error) for word in ("refused", "starting up", "timeout")):
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                return

    def rows(self, text: bytes, inputs: dict[str, Any]) -> list[dict[str, Any]]:
        """psycopg.Error."""
        if self._connection.closed:
            self.connect()
        with self._connection.transaction():  # prepared: the server takes just one statement, and parses it once
            found: list[dict[str, Any]] = self._connection.execute(text, inputs, prepare=True).fetchmany(MAX_ROWS + 1)
        return found


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
