"""The text for a query, without a server: over columns as an Oracle would tell them."""

from __future__ import annotations

from virtualization.bind import bind
from virtualization.catalog import Column, DataSource, MemoryCatalog, VirtualTable
from virtualization.connectors.oracle.scopes import Columns
from virtualization.connectors.oracle.statements import Query, Statements
from virtualization.connectors.oracle.types import RemoteColumn, column_value
from virtualization.parse import parse
from virtualization.planner.properties import base_tables
from virtualization.rules import rewrite

ORDERS: dict[str, tuple[str, RemoteColumn]] = {
    "o_id": ("bigint", RemoteColumn("O_ID", "NUMBER", 0, 18, 0, False)),
    "o_cust": ("integer", RemoteColumn("O_CUST", "NUMBER", 0, 9, 0, True)),
    "o_total": ("numeric(15,2)", RemoteColumn("O_TOTAL", "NUMBER", 0, 15, 2, True)),
    "o_at": ("timestamp without time zone", RemoteColumn("O_AT", "DATE", 0, None, None, True)),
    "o_day": ("date", RemoteColumn("O_AT", "DATE", 0, None, None, True)),
    "o_ts": ("timestamp without time zone", RemoteColumn("O_TS", "TIMESTAMP(6)", 0, None, 6, True)),
    "o_tz": ("timestamp with time zone", RemoteColumn("O_TZ", "TIMESTAMP(6) WITH TIME ZONE", 0, None, 6, True)),
    "o_note": ("text", RemoteColumn("O_NOTE", "VARCHAR2", 80, None, None, True)),
    "o_code": ("text", RemoteColumn("O_CODE", "VARCHAR2", 10, None, None, True)),
    "o_national": ("text", RemoteColumn("O_NATIONAL", "NVARCHAR2", 10, None, None, True)),
    "o_folded": ("text", RemoteColumn("O_FOLDED", "VARCHAR2", 10, None, None, True, "BINARY_CI")),
    "o_char": ("character(5)", RemoteColumn("O_CHAR", "CHAR", 5, None, None, True)),
    "o_lob": ("text", RemoteColumn("O_LOB", "CLOB", 0, None, None, True)),
    "o_any": ("numeric", RemoteColumn("O_ANY", "NUMBER", 0, None, None, True)),
    "o_dbl": ("double precision", RemoteColumn("O_DBL", "BINARY_DOUBLE", 0, None, None, True)),
    "o_flag": ("boolean", RemoteColumn("O_FLAG", "NUMBER", 0, 1, 0, True)),
}
CUSTOMER: dict[str, tuple[str, RemoteColumn]] = {
    "c_id": ("bigint", RemoteColumn("C_ID", "NUMBER", 0, 18, 0, False)),
    "c_name": ("text", RemoteColumn("C_NAME", "VARCHAR2", 25, None, None, True)),
}
TABLES = {"orders": ORDERS, "customer": CUSTOMER}
CATALOG = MemoryCatalog.of(
    [DataSource("src", "oracle", "oracle://h/s")],
    [
        VirtualTable("public", name, "src", f"SHOP.{name}", tuple(Column(c, of, True, remote.name) for c, (of, remote) in columns.items()))
        for name, columns in TABLES.items()
    ],
)


def generated(sql: str, *, utf8: bool = True) -> Query:
    """RefusedError where it is not sent."""

    def columns(table: VirtualTable, alias: str) -> Columns:
        return {name: column_value(alias, of, remote, utf8) for name, (of, remote) in TABLES[table.name].items()}

    bound = bind(parse(sql), CATALOG)
    query = rewrite(bound.query)
    tables = {table.alias: bound.tables[table.alias] for table in base_tables(query)}
    return Statements(tables, columns, utf8).whole(query)
