"""What an Oracle source knows of its own tables: the questions to its dictionary, and their answers as ours."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from virtualization.binding.naming import unique
from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.oracle.client import Client
from virtualization.connectors.oracle.column_statistics import QUERY, column_statistics
from virtualization.connectors.oracle.facts import Facts
from virtualization.connectors.oracle.names import location_parts, quoted
from virtualization.connectors.oracle.scopes import Columns
from virtualization.connectors.oracle.types import RemoteColumn, column_value, detected, why_not
from virtualization.errors import DefinitionError, RemoteObjectError
from virtualization.plan import Detected, RemoteObject

KEPT_SECONDS = 60.0
"""So long the types of a table's columns are believed; any error forgets them."""

_COLUMNS = """
SELECT c.column_name, c.data_type, c.char_length, c.data_precision, c.data_scale, c.nullable, {collation} AS collation
  FROM all_tab_columns c
 WHERE c.owner = COALESCE(:1, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')) AND c.table_name = :2
 ORDER BY c.column_id
"""
_ROWS = "SELECT t.num_rows FROM all_tables t WHERE t.owner = COALESCE(:1, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')) AND t.table_name = :2"
_OBJECTS = """
SELECT o.owner, o.object_name, o.object_type
  FROM all_objects o
 WHERE o.object_type IN ('TABLE', 'VIEW', 'MATERIALIZED VIEW') AND o.temporary = 'N' AND o.secondary = 'N'
   AND o.object_name NOT LIKE 'BIN$%' AND {condition}
 ORDER BY o.owner, o.object_name
"""
_SYSTEM = (
    "SYS", "SYSTEM", "XDB", "MDSYS", "CTXSYS", "OUTLN", "DBSNMP", "WMSYS", "ORDSYS", "ORDDATA", "ORDPLUGINS", "OLAPSYS", "LBACSYS",
    "DVSYS", "DVF", "AUDSYS", "GSMADMIN_INTERNAL", "APPQOSSYS", "OJVMSYS", "SI_INFORMTN_SCHEMA", "DBSFWUSER", "REMOTE_SCHEDULER_AGENT",
)  # fmt: skip


class RemoteTables:
    """The columns of the source's tables, asked for once a minute at most. Thread-safe."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._known: dict[tuple[str | None, str], tuple[float, Mapping[str, RemoteColumn]]] = {}

    def columns(self, location: str, facts: Facts) -> Mapping[str, RemoteColumn]:
        """By name, in the table's order; RemoteObjectError where there is no such table."""
        place = location_parts(location)
        with self._lock:
            known = self._known.get(place)
            if known is not None and time.monotonic() - known[0] < KEPT_SECONDS:
                return known[1]
        sql = _COLUMNS.format(collation="c.collation" if facts.has_collations else "NULL")
        found = [_column(row) for row in self._client.rows(sql, place, f"table {location}")]
        if not found:
            raise RemoteObjectError(
                f'data source "{self._client.settings.source}": table {shown(place)} does not exist, or its columns may not be seen',
                hint="Names that are not upper case need quotes; the credential's user needs SELECT on it.",
            )
        made = {column.name: column for column in found}
        with self._lock:
            self._known[place] = (time.monotonic(), made)
        return made

    def forget(self) -> None:
        """A statement failed: the tables may have changed."""
        with self._lock:
            self._known.clear()

    def values(self, table: VirtualTable, alias: str, facts: Facts) -> Columns:
        """The declared columns as expressions at the source; RemoteObjectError names one that is not there."""
        remote = self.columns(table.location, facts)
        missing = [column.remote_name for column in table.columns if column.remote_name not in remote]
        if missing:
            raise RemoteObjectError(
                f'data source "{self._client.settings.source}", table {table.location}: column "{missing[0]}" does not exist',
                hint="Look at the table at the source; bdc table refresh NAME --columns takes over its columns.",
            )
        try:
            return {one.name: column_value(alias, one.type, remote[one.remote_name], facts.utf8) for one in table.columns}
        except DefinitionError as error:
            self.forget()
            where = f'data source "{self._client.settings.source}", table {table.location}'
            raise DefinitionError(f"{where}: {error.message}", hint=error.hint) from None


def shown(place: tuple[str | None, str]) -> str:
    """A table's name as one writes it in SQL."""
    return ".".join(quoted(part) for part in place if part is not None)


def _column(row: Mapping[str, Any]) -> RemoteColumn:
    precision, scale = row["data_precision"], row["data_scale"]
    return RemoteColumn(
        row["column_name"],
        row["data_type"],
        int(row["char_length"] or 0),
        None if precision is None else int(precision),
        None if scale is None else int(scale),
        row["nullable"] != "N",
        row["collation"],
    )


def detect(client: Client, tables: RemoteTables, location: str, facts: Facts) -> Detected:
    """Columns, row estimate and the columns' statistics of one table or view. Names that are upper case there are lower case here."""
    found = list(tables.columns(location, facts).values())
    types = [(column, detected(column, client.settings.number_default)) for column in found]
    carried = [(column, of) for column, of in types if of is not None]
    names = unique([local_name(column.name) for column, _ in carried])
    columns = [Column(name, of, column.nullable, column.name) for name, (column, of) in zip(names, carried, strict=True)]
    counted = client.rows(_ROWS, location_parts(location), f"table {location}")
    rows = float(counted[0]["num_rows"]) if counted and counted[0]["num_rows"] is not None else None
    known = client.rows(QUERY, location_parts(location), f"table {location}") if rows else []
    unmapped = tuple(why_not(column) for column, of in types if of is None)
    return Detected(tuple(columns), rows=rows, unmapped=unmapped, statistics=column_statistics(known, columns, rows))


def local_name(name: str) -> str:
    """ORDER_ID is order_id here, where names without quotes are lower case; any other name is kept."""
    return name.lower() if name == name.upper() else name


def remote_objects(client: Client, schema: str | None) -> Sequence[RemoteObject]:
    """Tables and views that the source's user may look into; ``schema``, else the option ``schemas``, limits them."""
    schemas = (schema,) if schema is not None else client.settings.schemas
    names, sign = (schemas, "IN") if schemas else (_SYSTEM, "NOT IN")
    condition = f"o.owner {sign} ({', '.join(f':{number}' for number, _ in enumerate(names, 1))})"
    rows = client.rows(_OBJECTS.format(condition=condition), names, "its catalog")
    if not rows and schema is not None and not client.rows("SELECT username FROM all_users WHERE username = :1", [schema], "its catalog"):
        raise RemoteObjectError(
            f'data source "{client.settings.source}" has no schema "{schema}"', hint="Schemas are mostly upper case in Oracle."
        )
    return [_object(row) for row in rows]


def _object(row: Mapping[str, Any]) -> RemoteObject:
    owner, name = row["owner"], row["object_name"]
    return RemoteObject(owner, local_name(name), shown((owner, name)), str(row["object_type"]).lower())
