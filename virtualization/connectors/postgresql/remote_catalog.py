"""What a PostgreSQL source knows of its own tables: the questions to its catalog, and their answers as ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from virtualization.catalog import Column
from virtualization.connectors.postgresql.client import Client
from virtualization.connectors.postgresql.remote_sql import location_parts, quoted
from virtualization.errors import DefinitionError, RemoteObjectError
from virtualization.plan import Detected, RemoteObject
from virtualization.statistics import ColumnStatistics
from virtualization.types import pg_type

_KINDS = {"r": "table", "p": "table", "v": "view", "m": "materialized view", "f": "foreign table"}

_OBJECTS = """
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
   AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
   AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND {condition}
 ORDER BY 1, 2
"""

_COLUMNS = """
WITH RECURSIVE base(relid, number, name, required, type, typmod, depth) AS (
    SELECT a.attrelid, a.attnum, a.attname, a.attnotnull, a.atttypid, a.atttypmod, 0
      FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = {schema} AND c.relname = {name} AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT b.relid, b.number, b.name, b.required OR t.typnotnull, t.typbasetype, t.typtypmod, b.depth + 1
      FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype = 'd'
)
SELECT DISTINCT ON (b.number) b.number, b.name::text AS name, b.required, t.typtype::text AS kind,
       pg_catalog.format_type(b.type, b.typmod) AS type,
       CASE WHEN c.relkind IN ('r', 'm', 'p') THEN c.reltuples::double precision END AS rows,
       s.null_frac::double precision AS null_frac, s.avg_width, s.n_distinct::double precision AS n_distinct,
       s.histogram_bounds::text AS histogram_bounds, s.most_common_vals::text AS most_common_vals,
       s.most_common_freqs::text AS most_common_freqs
  FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type JOIN pg_catalog.pg_class c ON c.oid = b.relid
  LEFT JOIN pg_catalog.pg_stats s ON s.schemaname = {schema} AND s.tablename = {name} AND s.attname = b.name
 ORDER BY b.number, b.depth DESC, s.inherited DESC
"""
"""One row per column; domains are followed to their base type, which carries the same values. Statistics are those of the last
ANALYZE there, with the parts of a partitioned table."""


_PAGES = """
SELECT pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint AS pages
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_am m ON m.oid = c.relam
 WHERE n.nspname = {schema} AND c.relname = {name} AND c.relkind IN ('r', 'm') AND NOT c.relhassubclass AND m.amname = 'heap'
   AND NOT pg_catalog.pg_is_in_recovery()
"""


def table_pages(client: Client, location: str) -> int:
    """Pages of a table that can be read in ranges of them; 0: it can't (a view, a parent of other tables, a server in recovery)."""
    schema, name = location_parts(location)
    rows = client.rows(_PAGES.format(schema=_literal(schema), name=_literal(name)), f"table {location}")
    return int(rows[0]["pages"]) if rows else 0


_STATISTICS = ("null_frac", "avg_width", "n_distinct", "histogram_bounds", "most_common_vals", "most_common_freqs")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def remote_objects(client: Client, schema: str | None) -> Sequence[RemoteObject]:
    """Tables and views that the source's user may look into; ``schema``, else the option ``schemas``, limits them."""
    schemas = (schema,) if schema is not None else client.settings.schemas
    condition = f"n.nspname IN ({', '.join(map(_literal, schemas))})" if schemas else "true"
    rows = client.rows(_OBJECTS.format(condition=condition), "its catalog")
    if not rows and schema is not None:
        known = client.rows(f"SELECT nspname::text AS name FROM pg_catalog.pg_namespace WHERE nspname = {_literal(schema)}", "its catalog")
        if not known:
            raise RemoteObjectError(f'data source "{client.settings.source}" has no schema "{schema}"')
    return [RemoteObject(row["schema"], row["name"], f"{quoted(row['schema'])}.{quoted(row['name'])}", _KINDS[row["kind"]]) for row in rows]


def remote_columns(client: Client, location: str) -> Detected:
    """Columns and row estimate of one table or view; RemoteObjectError when it is not there."""
    schema, name = location_parts(location)
    rows = client.rows(_COLUMNS.format(schema=_literal(schema), name=_literal(name)), f"table {location}")
    if not rows:
        raise RemoteObjectError(
            f'data source "{client.settings.source}": table {quoted(schema)}.{quoted(name)} does not exist or has no columns',
            hint="CALL bdc.import_schema(…) or the source's own tools show what is there; upper case needs quotes.",
        )
    columns: list[Column] = []
    unmapped: list[tuple[str, str, str]] = []
    statistics: dict[str, ColumnStatistics] = {}
    for row in rows:
        declared = _declared(row)
        if declared is None:
            unmapped.append((row["name"], row["type"], "no type of the master carries it; a cast to text at the source (a view) would"))
        else:
            columns.append(Column(row["name"], declared, not row["required"], row["name"]))
            statistics |= _statistics(row)
    estimate = rows[0]["rows"]
    known = estimate if estimate is not None and estimate >= 0 else None
    return Detected(tuple(columns), rows=known, unmapped=tuple(unmapped), statistics=statistics)


def _statistics(row: dict[str, Any]) -> dict[str, ColumnStatistics]:
    known = ColumnStatistics(**{name: row[name] for name in _STATISTICS})
    return {row["name"]: known} if known.usable else {}


def _declared(row: dict[str, Any]) -> str | None:
    if row["kind"] == "e":
        return "text"  # an enum's label is its text; its order is not carried, so it is compared as text here
    try:
        return pg_type(row["type"]).text
    except DefinitionError:
        return None
