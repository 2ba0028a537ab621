"""From a query over data-pool tables to the texts that shards and the merge run, and to the tables that a ticket names.

The text of a shard reads each table at a mark, its columns as c0, c1 …: the shard puts the rows visible there, of one plain SELECT.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.connectors.datapool.pruning import placement_of
from virtualization.duckdb_sql.kinds import Kind, kind_of_text
from virtualization.duckdb_sql.quotients import KEY_FUNCTION
from virtualization.duckdb_sql.statements import FRAGMENT_PREFIX, Columns, Translated, placeholder, translate_kinds
from virtualization.pieces import Pieces
from virtualization.placement import DataPlacement, StoredColumn
from virtualization.plan import Kept
from virtualization.types import pg_type


@dataclass(frozen=True)
class ReadTable:
    """One entry of a read ticket's ``tables``: its columns are c0, c1 … for the statement, ``number`` is its mark."""

    number: int
    data: DataPlacement
    columns: tuple[StoredColumn, ...]
    name: str = ""

    @cached_property
    def claim(self) -> dict[str, object]:
        """Its JSON form; made once for all queries of a template."""
        columns = [_column_claim(f"c{at}", column) for at, column in enumerate(self.columns)]
        return {"id": self.data.id, "alias": str(self.number), "schema_version": self.data.schema_version, "columns": columns, "key": []}

    @property
    def shown(self) -> str:
        """For EXPLAIN: the table as users know it."""
        return f"(SELECT {', '.join(f'{quoted(column.name)} AS c{at}' for at, column in enumerate(self.columns))} FROM {quoted(self.name)})"


@dataclass(frozen=True)
class Statement:
    """``text``: DuckDB's, with a mark (``placeholder``) where each of ``tables`` is read; output columns c0, c1 … of ``kinds``."""

    text: Pieces
    tables: tuple[ReadTable, ...]
    kinds: tuple[Kind, ...]

    @property
    def sql(self) -> str:
        """All of the text."""
        return self.text.text

    @property
    def shown(self) -> str:
        """For EXPLAIN."""
        text = self.sql
        for table in self.tables:
            text = text.replace(placeholder(table.number), table.shown)
        return text


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
        read = []
        for number in sorted(translated.reads):
            table = self._tables[number]
            data = placement_of(table)
            stored = {column.name: column for column in data.columns}
            read.append(ReadTable(number, data, tuple(stored[name] for name, _ in self.columns[number]), table.name))
        return Statement(Pieces((translated.sql,)), tuple(read), tuple(kind for _, kind in translated.columns))


def _column_claim(name: str, column: StoredColumn) -> dict[str, object]:
    claim: dict[str, object] = {"id": column.id, "name": name, "type": pg_type(column.type).text, "nullable": column.nullable}
    return claim if column.missing is None else claim | {"missing": column.missing}


def runs_on_shards(translated: Translated) -> bool:
    """Quotients are compared by a function of this process."""
    return KEY_FUNCTION not in translated.sql


def quoted(name: str) -> str:
    """As an identifier."""
    return '"' + name.replace('"', '""') + '"'


def _used_columns(query: exp.Expr) -> set[tuple[str, str]] | None:
    """(alias, column); None: all."""
    if any(isinstance(star.parent, (exp.Select, exp.Column)) for star in query.find_all(exp.Star)):
        return None
    return {(column.table, column.name) for column in query.find_all(exp.Column)}
