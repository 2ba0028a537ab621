"""Lists and structures of a file as the texts in which PostgreSQL's arrays and jsonb travel."""

from __future__ import annotations

_BARE = r'[^{}",\\\s]+'
"""An element that PostgreSQL writes without quotes (unless it spells NULL)."""


def json_text(column: str) -> str:
    """DuckDB SQL: any value as JSON. A NaN or infinity inside has no JSON form: PostgreSQL says so where it reads the text."""
    return f"CAST(to_json({column}) AS VARCHAR)"


def array_text(column: str, of: str) -> str:
    """DuckDB SQL: a list of plain values as PostgreSQL writes an array of type ``of`` (``integer[]``)."""
    element = _element("x", of.removesuffix("[]"))
    bare = f"regexp_full_match(t, '{_BARE}') AND upper(t) <> 'NULL'"
    shown = f"CASE WHEN t IS NULL THEN 'NULL' WHEN {bare} THEN t ELSE '\"' || replace(replace(t, '\\', '\\\\'), '\"', '\\\"') || '\"' END"
    items = f"list_transform(list_transform({column}, lambda x: {element}), lambda t: {shown})"
    return f"CASE WHEN {column} IS NOT NULL THEN '{{' || coalesce(array_to_string({items}, ','), '') || '}}' END"


def _element(item: str, of: str) -> str:
    if of == "boolean":
        return f"CASE {item} WHEN true THEN 't' WHEN false THEN 'f' END"
    if of == "bytea":
        return f"'\\x' || lower(hex({item}))"
    if of.startswith("timestamp"):
        return f"CAST(CAST({item} AS TIMESTAMP{'TZ' if of.endswith('with time zone') else ''}) AS VARCHAR)"
    return f"CAST({item} AS VARCHAR)"
