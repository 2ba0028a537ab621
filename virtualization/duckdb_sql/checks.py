"""What DuckDB's own binder says of a rendered statement: it must know all of it, and find the types that we found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
from sqlglot import exp

from virtualization.duckdb_sql.statements import Columns, Translated, placeholder
from virtualization.plan import Kept


def mismatch(cursor: Any, translated: Translated, columns: Sequence[Columns], query: exp.Expr) -> Kept | None:  # noqa: ANN401 duckdb is untyped
    """Bind over empty tables with these columns; None: DuckDB agrees."""
    sql = translated.sql
    for number in translated.reads:
        typed = ", ".join(f"CAST(NULL AS {kind.duckdb}) AS c{at}" for at, (_, kind) in enumerate(columns[number]))
        sql = sql.replace(placeholder(number), f"(SELECT {typed} WHERE false)")
    try:
        found = [str(of) for of in cursor.sql(sql).types]
    except duckdb.Error as error:
        return Kept(query.sql("postgres")[:200], "engine_refused", f"DuckDB does not take it: {str(error).splitlines()[0]}")
    expected = [kind.duckdb for _, kind in translated.columns]
    if found != expected:
        return Kept(query.sql("postgres")[:200], "engine_types", f"DuckDB's types are {found}, PostgreSQL's {expected}")
    return None
