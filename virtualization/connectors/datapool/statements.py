"""From a query over data-pool tables to the texts that shards and the merge run, and to the tables that a ticket names.

A shard supplies each alias as a sub-select of the rows visible, its columns under the names that the ticket gives them: those of the
catalog, but two that differ in case only (DuckDB does not tell them apart) are told apart by their ids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.connectors.datapool.pruning import placement_of
from virtualization.duckdb_sql.kinds import Kind, kind_of_text
from virtualization.duckdb_sql.quotients import KEY_FUNCTION
from virtualization.duckdb_sql.statements import FRAGMENT_PREFIX, Columns, Translated, placeholder, translate_kinds
from virtualization.placement import DataPlacement, StoredColumn
from virtualization.plan import Kept
from virtualization.types import pg_type


@dataclass(frozen=True)
class ReadTable:
    """One entry of a read ticket's ``tables``: ``columns`` (name for the statement, column) in the order of the catalog."""

    alias: str
    data: DataPlacement
    columns: tuple[tuple[str, StoredColumn], ...]

    @cached_property
    def claim(self) -> dict[str, object]:
        """Its JSON form; made once for all queries of a template."""
        columns = [_column_claim(name, column) for name, column in self.columns]
        return {"id": self.data.id, "alias": self.alias, "schema_version": self.data.schema_version, "columns": columns, "key": []}


@dataclass(frozen=True)
class Statement:
    """``sql``: DuckDB's, over the aliases of ``tables``; output columns c0, c1 … of ``kinds``."""

    sql: str
    tables: tuple[ReadTable, ...]
    kinds: tuple[Kind, ...]


class Rendering:
    """Of one request: ``tables`` by the alias that the query gives them."""

    def __init__(self, query: exp.Query, tables: Mapping[str, VirtualTable]) -> None:
        self._aliases = sorted(tables)
        self._tables = [tables[alias] for alias in self._aliases]
        used = _used_columns(query)
        self.columns: list[Columns] = [
            [(column.name, kind_of_text(column.type)) for column in table.columns if used is None or (alias, column.name) in used]
            or [(table.columns[0].name, kind_of_text(table.columns[0].type))]
            for alias, table in zip(self._aliases, self._tables, strict=True)
        ]
        self._names = _table_names(self._tables)

    def translated(self, query: exp.Query) -> Translated | Kept:
        """``query`` with its tables as numbered ones; the reason why DuckDB would not answer exactly."""
        made = query.copy()
        for node in list(made.find_all(exp.Table)):
            if node.db and node.alias_or_name in self._aliases:
                number = self._aliases.index(node.alias_or_name)
                node.set("alias", exp.TableAlias(this=exp.to_identifier(node.alias_or_name, quoted=True)))
                node.set("this", exp.to_identifier(f"{FRAGMENT_PREFIX}{number}", quoted=True))
                node.set("db", None)
                node.set("catalog", None)
        return translate_kinds(made, self.columns)

    def statement(self, translated: Translated) -> Statement:
        """The text for a shard."""
        sql = translated.sql
        read: dict[tuple[str, str], set[str]] = {}
        for number in translated.reads:
            table, columns = self._tables[number], self.columns[number]
            names = column_names(placement_of(table))
            items = ", ".join(f"{quoted(names[name])} AS c{at}" for at, (name, _) in enumerate(columns))
            sql = sql.replace(placeholder(number), f"(SELECT {items} FROM {quoted(self._names[table.key])})")
            read.setdefault(table.key, set()).update(name for name, _ in columns)
        tables = {table.key: table for table in self._tables}
        read_tables = tuple(_read_table(self._names[key], tables[key], columns) for key, columns in read.items())
        return Statement(sql, read_tables, tuple(kind for _, kind in translated.columns))


def _column_claim(name: str, column: StoredColumn) -> dict[str, object]:
    claim: dict[str, object] = {"id": column.id, "name": name, "type": pg_type(column.type).text, "nullable": column.nullable}
    return claim if column.missing is None else claim | {"missing": column.missing}


def runs_on_shards(translated: Translated) -> bool:
    """Quotients are compared by a function of this process."""
    return KEY_FUNCTION not in translated.sql


def quoted(name: str) -> str:
    """As an identifier."""
    return '"' + name.replace('"', '""') + '"'


def column_names(data: DataPlacement) -> dict[str, str]:
    """Catalog name → name in statements."""
    seen: dict[str, int] = {}
    for column in data.columns:
        seen[column.name.lower()] = seen.get(column.name.lower(), 0) + 1
    return {column.name: column.name if seen[column.name.lower()] == 1 else f"{column.name}#{column.id}" for column in data.columns}


def _read_table(alias: str, table: VirtualTable, wanted: set[str]) -> ReadTable:
    data = placement_of(table)
    names = column_names(data)
    return ReadTable(alias, data, tuple((names[column.name], column) for column in data.columns if column.name in wanted))


def _table_names(tables: Sequence[VirtualTable]) -> dict[tuple[str, str], str]:
    """A name per table, unique without regard to case."""
    names: dict[tuple[str, str], str] = {}
    taken: set[str] = set()
    for table in tables:
        if table.key in names:
            continue
        name, number = table.name, 1
        while name.lower() in taken:
            number += 1
            name = f"{table.name}#{number}"
        taken.add(name.lower())
        names[table.key] = name
    return names


def _used_columns(query: exp.Expr) -> set[tuple[str, str]] | None:
    """(alias, column); None: all."""
    if any(isinstance(star.parent, (exp.Select, exp.Column)) for star in query.find_all(exp.Star)):
        return None
    return {(column.table, column.name) for column in query.find_all(exp.Column)}
