"""What a read ticket asks for, understood once: the queries of a shape come with one ticket (load-protocol.md, DoGet)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pools.data.errors import ShardError, required
from pools.data.tables import ColumnSpec, TableSpec, quoted, table_of
from pools.data.visibility import Snapshot, View
from virtualization.pieces import joined

Generations = Mapping[int, Mapping[str, str]]
"""Of a table: number → physical columns and their types."""

_VALUES = re.compile(r"[0-9]{1,19}(?:,[0-9]{1,19})*")
_NUMBER = re.compile(r"[0-9]{1,19}")
_WITH = re.compile(r"\s*WITH\b(\s+RECURSIVE\b)?", re.IGNORECASE)


class Asked(NamedTuple):
    """A read ticket as it comes: what was signed, the integers beside it, the number of the query (for the log), each perhaps empty."""

    signed: str
    values: str = ""
    query: str = ""

    @classmethod
    def of(cls, ticket: str) -> Asked:
        """Whatever was sent: what is no number of a query counts as values, and is refused with them."""
        signed, _, rest = ticket.partition(" ")
        values, _, query = rest.rpartition(" ")
        return cls(signed, values, query) if _NUMBER.fullmatch(query) and " " in rest else cls(signed, rest)


class Question:
    """Of one ticket's claims. Thread-safe."""

    def __init__(self, claims: Mapping[str, Any]) -> None:
        db, tables, number, pending, sql = required(dict(claims), "db", "tables", "snapshot", "pending", "sql")
        self.tables = [table_of(db, claim) for claim in tables]
        self.snapshot = Snapshot.of(number, pending, claims.get("load"))
        self.types: tuple[str, ...] | None = None if claims.get("types") is None else tuple(claims["types"])
        self.output: Sequence[str] | None = claims.get("output")
        self._texts: Sequence[str] = (sql,) if isinstance(sql, str) else sql
        self._made: tuple[Sequence[View], Sequence[Generations], list[tuple[str, str]]] | None = None

    def text(self, values: str) -> str:
        """The statement, with the integers that came beside the ticket. 08P01 where they don't fit."""
        if values and not _VALUES.fullmatch(values):
            raise ShardError("08P01", "what stands beside the ticket are not integers")
        numbers = [int(value) for value in values.split(",")] if values else []
        if len(self._texts) != len(numbers) + 1:
            raise ShardError("08P01", f"the ticket's statement needs {len(self._texts) - 1} integers, {len(numbers)} came with it")
        return joined(self._texts, numbers)

    def relations(self, seen: Sequence[View], known: Sequence[Generations]) -> list[tuple[str, str]]:
        """Alias and text of each table as ``seen``; the same as a moment ago as long as nothing has changed."""
        made = self._made
        if made is not None and made[0] == seen and made[1] == known:
            return made[2]
        relations = []
        for table, of, generations in zip(self.tables, seen, known, strict=True):
            columns = generations[of.generation] if of.generation is not None else {}
            relations.append((table.alias or table.id, relation(table, of, columns)))
        self._made = (seen, known, relations)
        return relations


def relation(table: TableSpec, seen: View, columns: Mapping[str, str], *places: str) -> str:
    """The table as the snapshot sees it, with its own column names and types. ``places``: more physical expressions, ``rowid AS …``."""
    listed = ", ".join((*(f"{_stored(column, columns)} AS {quoted(column.name)}" for column in table.columns), *places))
    if seen.generation is None:
        empty = ", ".join(f"CAST(NULL AS {column.duckdb}) AS {quoted(column.name)}" for column in table.columns)
        return f"SELECT {empty or 'NULL'} WHERE false"
    return f"SELECT {listed} FROM {table.physical(seen.generation)} WHERE {seen.condition}"


def _stored(column: ColumnSpec, columns: Mapping[str, str]) -> str:
    """A column; for one that the physical table does not have yet, what its rows have in it."""
    present = columns.get(column.physical)
    if present is None:
        return f"CAST({column.missing or 'NULL'} AS {column.duckdb})"
    return column.physical if present == column.duckdb else f"CAST({column.physical} AS {column.duckdb})"


def with_relations(sql: str, relations: list[tuple[str, str]]) -> str:
    """The statement with its tables: in the places that it marks (DuckDB plans that sooner), else put before it."""
    named = []
    for alias, text in relations:
        mark = f"\0{alias}\0"
        if mark in sql:
            sql = sql.replace(mark, f"({text})")
        else:
            named.append(f"{quoted(alias)} AS NOT MATERIALIZED ({text})")
    if not named:
        return sql
    tables = ", ".join(named)
    own = _WITH.match(sql)
    if own is None:
        return f"WITH {tables} {sql}"
    return f"WITH{' RECURSIVE' if own[1] else ''} {tables}, {sql[own.end() :]}"
