"""From a checked query to the text that the source receives.

Each virtual table becomes a derived table that renames and casts, such as
``(SELECT "amt"::numeric(12,2) AS "amount" FROM "public"."sales") AS "s"``. So the rest of the query keeps its names, and every
column has its *declared* type whatever became of the remote one. A cast to the type that a column has already costs nothing:
PostgreSQL drops it and pulls the derived table up, indexes included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.schema import MappingSchema

from virtualization.binding.grouping import AGGREGATES
from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.postgresql.facts import Facts
from virtualization.connectors.postgresql.result_types import METADATA
from virtualization.connectors.postgresql.types import is_decimal, wants_text
from virtualization.errors import DefinitionError
from virtualization.types import PgType, pg_type

_PART = re.compile(r'"((?:[^"]|"")+)"|([^\s".]+)')
_TEXT_TYPES = ("text", "character varying", "character", "name")


def quoted(name: str) -> str:
    """As an identifier."""
    return '"' + name.replace('"', '""') + '"'


def location_parts(location: str) -> tuple[str, str]:
    """(schema, table) of a virtual table's location; unquoted parts are folded to lower case, as SQL does."""
    parts: list[str] = []
    place = 0
    while True:
        match = _PART.match(location, place)
        if match is None or len(parts) == 2:
            raise DefinitionError(f'location "{location}" is not schema.table', hint='Quote parts as in SQL: public."Order Lines".')
        parts.append(match[1].replace('""', '"') if match[1] is not None else match[2].lower())
        place = match.end()
        if place == len(location):
            break
        if location[place] != ".":
            raise DefinitionError(f'location "{location}" is not schema.table', hint='Quote parts as in SQL: public."Order Lines".')
        place += 1
    return ("public", parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def annotated(query: exp.Query, tables: Mapping[str, VirtualTable]) -> exp.Query:
    """A copy with the types of the declared columns carried through all expressions."""
    query = query.copy()
    aliases = {id(node): node.alias_or_name for node in query.find_all(exp.Table)}
    schema = MappingSchema(dialect="postgres")
    for node in query.find_all(exp.Table):
        table = tables.get(aliases[id(node)])
        if table is not None:
            columns = {column.name: _sqlglot_type(column.type) for column in table.columns}
            schema.add_table(node.copy(), columns, dialect="postgres", normalize=False, match_depth=False)
    typed = annotate_types(query, schema=schema, expression_metadata=METADATA, dialect="postgres")
    assert isinstance(typed, exp.Query)
    return typed


@lru_cache(maxsize=2000)
def _sqlglot_type(of: str) -> exp.DataType:
    try:
        return exp.DataType.build(of, dialect="postgres")
    except SqlglotError:
        return exp.DataType.build("unknown")


def unknown_table(query: exp.Query, tables: Mapping[str, VirtualTable]) -> exp.Table | None:
    """A name in FROM that is neither one of ``tables`` nor a common table expression."""
    names = {cte.alias for cte in query.find_all(exp.CTE)}
    for node in query.find_all(exp.Table):
        if node.alias_or_name not in tables and (node.db or node.name not in names):
            return node
        if not isinstance(node.this, exp.Identifier) or node.args.get("sample") or node.args.get("only"):
            return node
    return None


def rendered(query: exp.Expr, tables: Mapping[str, VirtualTable], facts: Facts) -> str:
    """The remote text."""
    query = query.copy()
    ctes = {cte.alias for cte in query.find_all(exp.CTE)}
    used = _used_columns(query)
    for node in list(query.find_all(exp.Table)):
        alias = node.alias_or_name
        table = tables.get(alias)
        if table is None or (not node.db and node.name in ctes):
            continue
        kept = [column for column in table.columns if used is None or (alias, column.name) in used]
        made = exp.Table(this=exp.Var(this=_derived(table, kept or table.columns[:1], facts)))
        made.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
        made.set("joins", node.args.get("joins"))  # of a join in brackets
        node.replace(made)
    return query.sql(dialect="postgres", identify=True)


def _used_columns(query: exp.Expr) -> set[tuple[str, str]] | None:
    used = {(column.table, column.name) for column in query.find_all(exp.Column)}
    stars = any(isinstance(star.parent, (exp.Select, exp.Column)) for star in query.find_all(exp.Star))
    return None if stars else used | {(alias, name) for _, name in used if not _ for alias in _aliases(query)}


def _aliases(query: exp.Expr) -> Iterable[str]:
    return {node.alias_or_name for node in query.find_all(exp.Table)}


def plainly_joined(query: exp.Query, tables: Mapping[str, VirtualTable]) -> Mapping[str, VirtualTable]:
    """The tables, by alias, of a query that only picks rows of one, or of the inner join of several different ones, and computes row by
    row; none: it is more than that."""
    if not isinstance(query, exp.Select) or any(query.args.get(part) for part in _MORE):
        return {}
    joins = query.args.get("joins") or []
    if any(join.side or join.kind not in ("", "INNER", "CROSS") or join.args.get("using") or join.args.get("method") for join in joins):
        return {}
    items = [query.args["from_"].this, *(join.this for join in joins)] if query.args.get("from_") else []
    if not all(isinstance(item, exp.Table) and not item.args.get("joins") for item in items):
        return {}
    if sum(1 for _ in query.find_all(exp.Table)) != len(items) or len({table.location for table in tables.values()}) != len(items):
        return {}
    if query.find(exp.AggFunc, exp.Window, exp.Subquery, exp.WithinGroup) is not None:
        return {}
    if any(call.name.lower() in AGGREGATES for call in query.find_all(exp.Anonymous)):
        return {}
    return tables


_MORE = ("with_", "laterals", "group", "having", "distinct", "order", "limit", "offset", "windows")


def table_name(table: VirtualTable) -> str:
    """As it stands in remote texts."""
    schema, name = location_parts(table.location)
    return f"{quoted(schema)}.{quoted(name)}"


def _derived(table: VirtualTable, columns: Sequence[Column], facts: Facts) -> str:
    items = ", ".join(f"{_cast(column, facts)} AS {quoted(column.name)}" for column in columns)
    return f"(SELECT {items} FROM {table_name(table)})"


def _cast(column: Column, facts: Facts) -> str:
    of = pg_type(column.type)
    text = f"{quoted(column.remote_name)}::{of.text}"
    if facts.nondeterministic and of.name in _TEXT_TYPES:
        text += ' COLLATE "C"'  # else different texts might be equal there
    return text


def outputs(query: exp.Query, tables: Mapping[str, VirtualTable]) -> list[str | None]:
    """The PostgreSQL type of each output where it is a declared column; None: the source must be asked."""
    if not isinstance(query, exp.Select):
        return [None for _ in query.selects]
    return [_declared(item.unalias(), query, tables) for item in query.selects]


def _declared(item: exp.Expr, query: exp.Select, tables: Mapping[str, VirtualTable]) -> str | None:
    if isinstance(item, exp.Count):
        return "bigint"
    if not isinstance(item, exp.Column):
        return None
    sources = [query.args["from_"].this] if query.args.get("from_") else []
    sources += [join.this for join in query.args.get("joins") or []]
    if not any(isinstance(source, exp.Table) and source.db and source.alias_or_name == item.table for source in sources):
        return None
    return next((column.type for column in tables[item.table].columns if column.name == item.name), None)


def with_transport(query: exp.Expr, types: Sequence[PgType], render: Callable[[exp.Expr], str]) -> str:
    """The remote text of ``query``, outputs that travel as text cast to it. Decimals are cast around the query, where a condition on them
    may follow (``narrowing``)."""
    casts = [wants_text(of) for of in types]
    if not any(casts):
        return render(query)
    plain = isinstance(query, exp.Select) and not any(query.args.get(part) for part in ("distinct", "group", "order"))
    if plain and not any(is_decimal(of) for of in types):
        query = query.copy()
        for item, cast in zip(query.selects, casts, strict=True):  # type: ignore[attr-defined]
            if cast:
                inner = item.unalias()
                item.replace(exp.alias_(exp.cast(inner.copy(), "text", dialect="postgres"), item.alias_or_name or "c", quoted=True))
        return render(query)
    # DISTINCT and GROUP BY must compare, and ORDER BY sort, the values themselves; a sub-query's order survives a plain projection
    names = [f"c{number}" for number in range(len(casts))]
    items = ", ".join(f"{name}::text" if cast else name for name, cast in zip(names, casts, strict=True))
    return f"SELECT {items} FROM ({render(query)}) AS q({', '.join(names)})"
