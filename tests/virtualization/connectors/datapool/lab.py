"""The same rows in a data pool of three shards and in one PostgreSQL: whatever is asked, both must say the same."""

from __future__ import annotations

import datetime
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg

from tests.services.postgresql import PostgresqlServer
from tests.virtualization import mixed
from tests.virtualization.conftest import TABLES
from tests.virtualization.connectors.datapool.shards import SOURCE, Shards, arrow, shards
from tests.virtualization.encoding.test_rows import split
from virtualization.catalog import Column, MemoryCatalog, VirtualTable
from virtualization.encoding import text_rows
from virtualization.engine import Engine
from virtualization.errors import VirtualizationError
from virtualization.executors.duckdb import DuckDbExecutor
from virtualization.executors.scratch import ScratchExecutor
from virtualization.plan import Plan
from virtualization.types import pg_type, pg_type_by_oid, pg_type_of

Row = tuple[object, ...]
Answer = tuple[list[str], list[Row]]

COMPANY: dict[str, dict[str, str]] = {
    **mixed.COLUMNS,
    "part": {"p_id": "integer", "p_name": "text", "p_brand": "text", "p_size": "integer", "p_retail": "numeric(12,2)"},
    "event": {
        "e_id": "bigint",
        "e_customer": "integer",
        "e_at": "timestamp without time zone",
        "e_kind": "text",
        "e_ok": "boolean",
        "e_value": "numeric(12,3)",
        "e_note": "text",
    },
}
LAYOUTS: dict[str, dict[str, str]] = {
    # statements over COMPANY
    "hashed": {
        "customer": "HASH(c_id)", "orders": "HASH(o_customer)", "nation": "REPLICATED", "supplier": "REPLICATED",
        "lineitem": "HASH(l_order)", "part": "HASH(p_id)", "event": "HASH(e_customer)",
    },
    "lines": {
        "customer": "REPLICATED", "orders": "HASH(o_id)", "nation": "REPLICATED", "supplier": "HASH(s_id)",
        "lineitem": "HASH(l_order)", "part": "HASH(p_id, p_size)", "event": "ROUND_ROBIN",
    },
    "round": {name: "ROUND_ROBIN" for name in COMPANY} | {"nation": "REPLICATED"},
}  # fmt: skip
"""Which tables of a layout meet on a shard is different in each."""
SMALL = {
    "hashed": {
        "orders": "HASH(cust)", "customer": "HASH(id)", "visits": "HASH(cust)", "pages": "REPLICATED", "empty": "HASH(id)",
    },
    "lines": {
        "orders": "HASH(id)", "customer": "REPLICATED", "visits": "HASH(id)", "pages": "HASH(page)", "empty": "REPLICATED",
    },
    "round": {name: "ROUND_ROBIN" for name in TABLES} | {"pages": "REPLICATED"},
}  # fmt: skip


@dataclass(frozen=True)
class Lab:
    """One layout: an engine over it, and PostgreSQL."""

    catalog: MemoryCatalog
    engine: Engine
    shards: Shards
    reference: psycopg.Connection[Row]

    def plan(self, sql: str) -> Plan:
        """Of the engine."""
        return self.engine.plan(sql, self.catalog)

    def plain(self, sql: str) -> Answer:
        """What PostgreSQL answers: types, and rows as texts, in their order."""
        result = self.reference.pgconn.exec_params(sql.encode(), None)
        if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
            raise psycopg.Error((result.error_message or b"").decode())
        types = [pg_type_by_oid(result.ftype(at), result.fmod(at)).text for at in range(result.nfields)]
        return types, [tuple(result.get_value(row, at) for at in range(result.nfields)) for row in range(result.ntuples)]

    def planned(self, sql: str) -> Answer:
        """What the engine answers."""
        plan = self.plan(sql)
        types = [pg_type(column.type) for column in self.engine.describe(plan)]
        result = self.engine.run(plan, self.shards.context())
        rows: list[Row] = []
        try:
            for batch in result:
                assert [pg_type_of(field) for field in batch.schema] == types
                rows += [tuple(row) for row in split(bytes(text_rows(batch, types)))]
        finally:
            result.close()
        return [of.text for of in types], rows

    def difference(self, sql: str, *, ordered: bool = False) -> str | None:
        """None: the same types and rows, or PostgreSQL refuses the query itself."""
        try:
            types, rows = self.plain(sql)
        except psycopg.Error:
            return None
        try:
            actual_types, actual = self.planned(sql)
        except VirtualizationError as error:
            return f"{sql}\n   {error.code} {error.message} {error.detail or ''} {error.hint or ''}"
        if not ordered:
            rows, actual = sorted(rows, key=repr), sorted(actual, key=repr)
        if (actual_types, actual) == (types, rows):
            return None
        missing, wrong = [r for r in rows if r not in actual][:4], [r for r in actual if r not in rows][:4]
        how = self.engine.explain(sql, self.catalog).text()
        return f"{sql}\n   types {types} / {actual_types}\n   rows {len(rows)} / {len(actual)}: {missing} / {wrong}\n{how}"


def columns_of(columns: Mapping[str, str]) -> tuple[Column, ...]:
    """From name → type."""
    return tuple(Column(name, of) for name, of in columns.items())


def fill(pool: Shards, layout: str, name: str, columns: Sequence[Column], distribution: str, rows: Sequence[Row]) -> VirtualTable:
    """Make a table and load it in two loads, the second one not yet published."""
    table = pool.table(name, columns, distribution)
    half = len(rows) // 2
    typed = arrow(columns, [[_typed(value, column.type) for value, column in zip(row, columns, strict=True)] for row in rows])
    pool.load(table, typed.slice(0, half))
    pool.load(table, typed.slice(half), publish=False)
    return table


def _typed(value: Any, of: str) -> Any:
    """``TABLES`` holds texts."""
    if not isinstance(value, str):
        return value
    return datetime.date.fromisoformat(value) if of == "date" else Decimal(value) if of.startswith("numeric") else value


@contextmanager
def labs(postgresql: PostgresqlServer, folder: pathlib.Path) -> Iterator[dict[str, Lab]]:
    """All layouts over one set of shards; tables of ``COMPANY`` in database ``datapool_company``, of ``TABLES`` in ``datapool_small``."""
    content = mixed.rows()
    with shards(folder) as pool:
        executors = [DuckDbExecutor(256 << 20, folder / "spill", 2), ScratchExecutor(postgresql.dsn(), max_connections=2)]
        engine = Engine(executors, {"datapool": pool.connector})
        company = {name: (columns_of(of), content[name]) for name, of in COMPANY.items()}
        small = {name: (columns_of(of), rows) for name, (_, of, rows) in TABLES.items()}
        made: dict[str, Lab] = {}
        for prefix, tables, layouts in (("company", company, LAYOUTS), ("small", small, SMALL)):
            reference = _reference(postgresql, f"datapool_{prefix}", tables)
            for layout, distributions in layouts.items():
                filled = [
                    fill(pool, layout, name, columns, distributions[name], rows)  # type: ignore[arg-type]
                    for name, (columns, rows) in tables.items()
                ]
                made[f"{prefix}-{layout}"] = Lab(MemoryCatalog.of([SOURCE], filled), engine, pool, reference)
        yield made
        engine.close()
        for lab in made.values():
            lab.reference.close()


def _reference(
    postgresql: PostgresqlServer, database: str, tables: Mapping[str, tuple[tuple[Column, ...], Any]]
) -> psycopg.Connection[Row]:
    with postgresql.connect() as server:
        server.execute(f"CREATE DATABASE {database}")  # type: ignore[call-overload]
    connection = postgresql.connect(database)
    connection.execute("SET timezone = 'UTC'")
    for name, (columns, rows) in tables.items():
        mixed._load(connection, name, columns, rows)
    return connection
