"""Which tables the data pool holds, as the master's catalog tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from azdata_like_cli.sqlsession import records
from bdc.errors import NotFoundError

if TYPE_CHECKING:
    import psycopg

TABLES = """SELECT n.nspname AS schema_name, c.relname AS table_name, v.distribution, v.primary_key, v.shards, v.owner, v.columns,
    v.schema_version, v.has_rows_here, v.created_at
    FROM bdc.data_tables_view AS v JOIN pg_catalog.pg_class AS c ON c.oid = v.relation
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace"""
"""One row each; a WHERE or ORDER BY may follow."""


def find(connection: psycopg.Connection[Any], name: str) -> dict[str, object]:
    """The table ``name`` (as SQL writes it) from the catalog; NotFoundError."""
    found = records(connection, f"{TABLES} WHERE v.relation = pg_catalog.to_regclass(%s)", name)
    if not found:
        raise NotFoundError(f"there is no table {name!r} in the data pool", hint="'bdc data list' shows them")
    return found[0]
