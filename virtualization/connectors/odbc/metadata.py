"""What a driver tells of itself, of its tables and their columns (ODBC's catalog functions, by pyodbc)."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from virtualization.attempts import Attempts
from virtualization.catalog import Column
from virtualization.connectors.odbc import driver_manager
from virtualization.connectors.odbc.capabilities import Capabilities, capabilities, family
from virtualization.connectors.odbc.faults import connect_fault, statement_fault
from virtualization.connectors.odbc.names import location_parts, quoted
from virtualization.connectors.odbc.options import Settings
from virtualization.errors import RemoteObjectError
from virtualization.plan import Detected, RemoteObject
from virtualization.types import pg_type

KEPT_SECONDS = 30.0
"""So long the columns of a table are believed to be the same."""

_TABLE_KINDS = {"TABLE": "table", "BASE TABLE": "table", "VIEW": "view", "SYSTEM VERSIONED": "table", "PARTITIONED TABLE": "table"}
_BY_SQL_TYPE = {
    1: "text", 12: "text", -1: "text", -8: "text", -9: "text", -10: "text",
    4: "integer", 5: "smallint", -6: "smallint", -5: "bigint", -7: "boolean",
    2: "numeric({p},{s})", 3: "numeric({p},{s})", 6: "double precision", 7: "real", 8: "double precision",
    9: "date", 91: "date", 92: "time without time zone", 93: "timestamp without time zone",
    -2: "bytea", -3: "bytea", -4: "bytea", -11: "text",
}  # fmt: skip
"""ODBC's type codes -> declared types."""


@dataclass(frozen=True)
class Facts:
    """Of one driver and the product behind it. ``schemas``: has it schemas (else a table is qualified by its database, if at all)?"""

    driver: str
    product: str
    version: str
    quote: str
    schemas: bool
    capabilities: Capabilities


@dataclass(frozen=True)
class RemoteColumn:
    """``type``: as the driver names it, upper case, without digits."""

    name: str
    type: str
    code: int
    size: int
    digits: int
    nullable: bool


class Metadata:
    """Thread-safe; each question has a connection of its own, which ends with it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._attempts: Attempts[Any] = Attempts(settings.max_connections, _end)
        self._lock = threading.Lock()
        self._facts: Facts | None = None
        self._columns: dict[str, tuple[float, tuple[RemoteColumn, ...]]] = {}

    def facts(self) -> Facts:
        """Asked once."""
        with self._lock:
            if self._facts is None:
                self._facts = self._ask_facts()
            return self._facts

    def columns(self, location: str) -> tuple[RemoteColumn, ...]:
        """Of a table or view; RemoteObjectError where there is none."""
        with self._lock:
            known = self._columns.get(location)
        if known is not None and known[0] > time.monotonic() - KEPT_SECONDS:
            return known[1]
        made = self._ask_columns(location)
        with self._lock:
            self._columns[location] = (time.monotonic(), made)
        return made

    def objects(self, schema: str | None) -> list[RemoteObject]:
        """Tables and views; ``schema`` (or database), else the option ``schemas``, limits them."""
        facts, wanted = self.facts(), (schema,) if schema is not None else self._settings.schemas
        with self._cursor("its catalog") as cursor:
            found = cursor.tables().fetchall()
        made = []
        for catalog, of, name, kind, *_ in found:
            place = (of if facts.schemas else catalog) or ""
            shown = _TABLE_KINDS.get(str(kind).upper())
            if shown is None or (wanted and place not in wanted) or place.lower() in ("information_schema", "pg_catalog", "sys"):
                continue
            location = f"{quoted(place)}.{quoted(name)}" if place else quoted(name)
            made.append(RemoteObject(place, name, location, shown))
        if not made and schema is not None:
            raise RemoteObjectError(f'data source "{self._settings.source}" has no tables in "{schema}"')
        return sorted(made, key=lambda one: (one.schema, one.name))

    def detect(self, location: str) -> Detected:
        """Columns as declared types; those of types that nothing carries are named."""
        facts, columns = self.facts(), []
        unmapped: list[tuple[str, str, str]] = []
        for column in self.columns(location):
            declared = declared_type(column, facts.capabilities)
            if declared is None:
                unmapped.append((column.name, column.type, "no type of the master carries it; a cast at the source (a view) would"))
            else:
                columns.append(Column(column.name, declared, column.nullable, column.name))
        return Detected(tuple(columns), unmapped=tuple(unmapped))

    def _ask_facts(self) -> Facts:
        driver = driver_manager.metadata_module()
        with self._connection() as connection:
            info = {
                name: str(connection.getinfo(getattr(driver, name)) or "").strip()
                for name in ("SQL_DRIVER_NAME", "SQL_DBMS_NAME", "SQL_DBMS_VER", "SQL_IDENTIFIER_QUOTE_CHAR", "SQL_SCHEMA_TERM")
            }
        found = capabilities(info["SQL_DRIVER_NAME"], info["SQL_DBMS_NAME"])
        return Facts(
            info["SQL_DRIVER_NAME"], info["SQL_DBMS_NAME"], info["SQL_DBMS_VER"], info["SQL_IDENTIFIER_QUOTE_CHAR"] or '"',
            bool(info["SQL_SCHEMA_TERM"]), found,
        )  # fmt: skip

    def _ask_columns(self, location: str) -> tuple[RemoteColumn, ...]:
        parts = location_parts(location)
        place, name = (parts[-2] if len(parts) > 1 else None), parts[-1]
        facts = self.facts()
        qualifier: dict[str, Any] = {}
        with self._cursor(f"table {location}") as cursor:
            if place is not None and facts.schemas:
                qualifier["schema"] = _pattern(cursor, place)
            elif place is not None:
                qualifier["catalog"] = place
            rows = cursor.columns(table=_pattern(cursor, name), **qualifier).fetchall()
        found = [row for row in rows if row[2] == name and (place is None or (row[1] if facts.schemas else row[0]) == place)]
        if not found:
            raise RemoteObjectError(
                f'data source "{self._settings.source}": table {location} does not exist, or its columns may not be seen',
                hint="bdc.import_schema or the source's own tools show what is there; names are taken as they are written.",
            )
        places = sorted({(row[0] or "", row[1] or "") for row in found})
        if len(places) > 1:
            shown = ", ".join(".".join(filter(None, one)) for one in places)
            raise RemoteObjectError(
                f'data source "{self._settings.source}": table {location} is in several schemas: {shown}', hint="Name one: schema.table."
            )
        return tuple(_remote_column(row) for row in sorted(found, key=lambda row: int(row[16])))

    @contextlib.contextmanager
    def _cursor(self, what: str) -> Iterator[Any]:
        driver = driver_manager.metadata_module()
        with self._connection() as connection:
            try:
                yield connection.cursor()
            except driver.Error as error:
                where = f'data source "{self._settings.source}", {what}'
                raise statement_fault(error, where, self._settings.secret) from None

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        driver = driver_manager.metadata_module()
        settings = self._settings
        if settings.driver is not None:
            driver_manager.check_driver(settings.driver, settings.source)
        # the first connection, which tells what is behind the driver, has no attributes but the location's
        defaults = self._facts.capabilities.attributes if self._facts is not None else _early(settings)
        login, seconds = settings.with_login(defaults), settings.connect_timeout
        try:
            connection = self._attempts.within(seconds, lambda: driver.connect(login, autocommit=True, readonly=False, timeout=seconds))
        except (driver.Error, TimeoutError) as error:
            where = f'data source "{settings.source}" ({settings.address})'
            raise connect_fault(error, where, settings.secret) from None
        try:
            yield connection
        finally:
            _end(connection)


def _end(connection: Any) -> None:  # noqa: ANN401 pyodbc's
    with contextlib.suppress(driver_manager.metadata_module().Error):  # it was broken already: there is nothing left to free
        connection.close()


def _early(settings: Settings) -> dict[str, str]:
    """What must be said before the driver is known: no file may be made by a wrong name."""
    return {"NoCreat": "1"} if "sqlite" in (settings.driver or "").lower() else {}


def _pattern(cursor: Any, name: str) -> str:  # noqa: ANN401 pyodbc's
    """``name`` where ODBC takes a LIKE pattern; what it finds too much is left out afterwards."""
    escape = cursor.connection.searchescape
    return re.sub(r"([%_\\])" if escape == "\\" else r"([%_])", lambda sign: escape + sign[1], name) if escape else name


def _remote_column(row: Any) -> RemoteColumn:  # noqa: ANN401 pyodbc's
    named = re.search(r"\((\d+)(?:\s*,\s*(\d+))?\)", str(row[5]))  # some drivers leave the digits in the type's name, and tell others
    size, digits = (int(named[1]), int(named[2] or 0)) if named else (int(row[6] or 0), int(row[8] or 0))
    return RemoteColumn(row[3], _bare(str(row[5])), int(row[4]), size, digits, row[10] != 0)


def _bare(name: str) -> str:
    return " ".join(re.sub(r"\([^)]*\)", " ", name).upper().split())


def declared_type(column: RemoteColumn, known: Capabilities) -> str | None:
    """The type that carries a remote one; None: none does."""
    by_name = {name.upper(): of for name, of in known.types.items()}
    template = by_name.get(column.type) or _BY_SQL_TYPE.get(column.code)
    if template is None:
        return None
    sized = 1 <= column.size <= 1000 and 0 <= column.digits <= column.size
    if "{p}" in template and (not sized or (column.size, column.digits) == known.unsized_as):
        return known.unsized
    return pg_type(template.format(p=column.size, s=column.digits)).text


def fits(column: RemoteColumn, declared: str, known: Capabilities) -> bool:
    """Do the column's values compare there as those of the declared type do here?"""
    return column.type in known.form(family(pg_type(declared))).remote
