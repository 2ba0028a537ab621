"""Tables as tickets name them, and what they are called and typed in DuckDB.

A physical table is ``rows_<id>_<generation>`` in schema ``db_<identity>``; columns ``c<column id>``, ``seg``, ``dead``. Renaming a column
therefore changes nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import pyarrow as pa

from pools.data.errors import ShardError, required
from virtualization.errors import DefinitionError
from virtualization.types import PgType, pg_type

_IDENTIFIER = re.compile(r"^[0-9A-Za-z-]{1,64}$")

_DUCKDB = {
    pa.bool_(): "BOOLEAN",
    pa.binary(): "BLOB",
    pa.int64(): "BIGINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.string(): "VARCHAR",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.time64("us"): "TIME",
    pa.timestamp("us"): "TIMESTAMP",
    pa.timestamp("us", "UTC"): "TIMESTAMP WITH TIME ZONE",
}


@lru_cache(maxsize=1024)
def duckdb_type(of: PgType) -> str:
    """DuckDB's type of a column: that of the Arrow type which carries it."""
    arrow = of.arrow
    return f"DECIMAL({arrow.precision},{arrow.scale})" if pa.types.is_decimal(arrow) else _DUCKDB[arrow]


def quoted(name: str) -> str:
    """As an identifier in DuckDB's SQL."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True)
class ColumnSpec:
    """A column: ``default`` (for rows that come without it) and ``missing`` (what rows older than the column have) are DuckDB's SQL."""

    id: int
    name: str
    type: PgType
    nullable: bool = True
    default: str | None = None
    missing: str | None = None

    @property
    def physical(self) -> str:
        """Its name in the physical table."""
        return f"c{self.id}"

    @property
    def duckdb(self) -> str:
        """Its type in the physical table."""
        return duckdb_type(self.type)


@dataclass(frozen=True)
class TableSpec:
    """A table of a ticket; ``generation`` is None where the snapshot decides (reads, changes)."""

    db: str
    id: str
    schema_version: int
    columns: tuple[ColumnSpec, ...]
    key: tuple[str, ...] = ()
    generation: int | None = None
    alias: str | None = None

    @cached_property
    def by_name(self) -> dict[str, ColumnSpec]:
        """Columns by name."""
        return {column.name: column for column in self.columns}

    @property
    def key_columns(self) -> tuple[ColumnSpec, ...]:
        """The columns of the key, in its order."""
        return tuple(self.by_name[name] for name in self.key)

    def physical(self, generation: int) -> str:
        """The physical table, qualified and quoted."""
        return physical_table(self.db, self.id, generation)


def schema_name(db: str) -> str:
    """The DuckDB schema of a database."""
    return f"db_{db}"


def physical_table(db: str, table: str, generation: int) -> str:
    """Qualified and quoted."""
    return f"{quoted(schema_name(db))}.{quoted(f'rows_{table}_{generation}')}"


def identifier(value: object, what: str) -> str:
    """A UUID or the like, which becomes part of a name; 08P01 for anything else."""
    if not isinstance(value, str) or not _IDENTIFIER.match(value):
        raise ShardError("08P01", f"{what} is no identifier")
    return value


def table_of(db: str, claim: Mapping[str, Any]) -> TableSpec:
    """The table that a ticket or a message describes; 08P01 where it is not as the protocol has it."""
    table, version, columns = required(dict(claim), "id", "schema_version", "columns")
    generation = claim.get("generation")
    spec = TableSpec(
        identifier(db, "db"),
        identifier(table, "the table's id"),
        int(version),
        tuple(_column(column) for column in columns),
        tuple(claim.get("key") or ()),
        None if generation is None else int(generation),
        claim.get("alias"),
    )
    unknown = [name for name in spec.key if name not in spec.by_name]
    if unknown:
        raise ShardError("08P01", f"the key names no column: {', '.join(unknown)}")
    return spec


def _column(claim: Mapping[str, Any]) -> ColumnSpec:
    number, name, type_ = required(dict(claim), "id", "name", "type")
    try:
        of = pg_type(type_)
    except DefinitionError as error:
        raise ShardError("0A000", f'column "{name}": {error.message}') from error
    return ColumnSpec(int(number), name, of, bool(claim.get("nullable", True)), claim.get("default"), claim.get("missing"))
