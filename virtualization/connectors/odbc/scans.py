"""Reading a table: the columns that are needed, of the rows that are wanted."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from virtualization.connectors.odbc.conditions import Conditions
from virtualization.connectors.odbc.rows import Output
from virtualization.connectors.odbc.tables import Tables
from virtualization.plan import Kept
from virtualization.refusal import RefusedError

Scan = tuple[str, tuple[Output, ...], tuple[exp.Expr, ...], tuple[Kept, ...]]
"""The statement, its outputs, the predicates that it does not apply, and why."""


def scan_statement(tables: Tables, alias: str, names: Sequence[str], predicates: Sequence[exp.Expr], conditions: Conditions) -> Scan:
    """Of the table ``alias``, the only one of ``tables``; ``conditions``: over its columns."""
    outputs = tuple(tables.output(alias, name, name) for name in names)
    taken, left, kept = [], [], []
    for predicate in predicates:
        try:
            taken.append(conditions.sql(predicate))
        except RefusedError as refused:
            left.append(predicate)
            kept.append(refused.kept)
    text = f"SELECT {select_list(outputs)} FROM {tables.from_item(alias)}"
    if taken:
        text += f" WHERE {' AND '.join(taken)}"
    return text, outputs, tuple(left), tuple(kept)


def select_list(outputs: Sequence[Output]) -> str:
    """With names of their own: those of the query may be the same twice."""
    return ", ".join(f"{one.sql} AS c{number}" for number, one in enumerate(outputs))
