"""What executes the stand-in's statements: a database of a PostgreSQL, with Oracle's dictionary and rules in it.

A column's Oracle type is what the dictionary says; PostgreSQL holds it as the type of ``_STORED``. '' becomes NULL where rows are stored.
"""

from __future__ import annotations

import pathlib
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.services.oracle import encodings
from tests.services.oracle.dialect import OracleError, translated

_RULES = pathlib.Path(__file__).with_name("rules.sql")
_TYPE = re.compile(r"^(\w+(?: \w+)*?)(?:\((\*|\d+)(?:,(-?\d+))?\))?( WITH (?:LOCAL )?TIME ZONE)?$")
_STORED = {
    "NUMBER": "numeric", "FLOAT": "numeric", "VARCHAR2": "text", "NVARCHAR2": "text", "CHAR": "character", "CLOB": "text", "NCLOB": "text",
    "DATE": "timestamp(0)", "TIMESTAMP": "timestamp", "RAW": "bytea", "BLOB": "bytea", "BINARY_DOUBLE": "double precision",
    "BINARY_FLOAT": "real", "INTERVAL DAY TO SECOND": "interval",
}  # fmt: skip
_CODES = {
    "42P01": (942, "table or view does not exist"), "3F000": (942, "table or view does not exist"), "42703": (904, "invalid identifier"),
    "22012": (1476, "divisor is equal to zero"), "22003": (1438, "value larger than specified precision allowed for this column"),
    "21000": (1427, "single-row subquery returns more than one row"), "42501": (942, "table or view does not exist"),
    "42804": (932, "inconsistent datatypes"), "42883": (932, "inconsistent datatypes"), "22P02": (1722, "invalid number"),
    "22008": (1841, "(full) year must be between -4713 and +9999, and not be 0"), "42803": (979, "not a GROUP BY expression"),
}  # fmt: skip
_WIRE = {16: encodings.NUMBER, 17: encodings.RAW, 700: encodings.BINARY_FLOAT, 701: encodings.BINARY_DOUBLE, 1042: encodings.CHAR}
_NUMBERS, _MOMENTS = (20, 21, 23, 1700), (1114, 1184)
_LARGE = {"CLOB": encodings.CLOB, "NCLOB": encodings.CLOB, "BLOB": encodings.BLOB, "DATE": encodings.DATE}


@dataclass(frozen=True)
class Answer:
    """Columns (name, wire type) and rows of a query."""

    columns: tuple[tuple[str, int], ...]
    rows: list[tuple[Any, ...]]


class Database:
    """Of one stand-in. ``dsn``: of an empty database of its own, in UTF-8."""

    def __init__(self, dsn: str) -> None:
        self._connection = psycopg.connect(dsn, autocommit=True)
        self._lock = threading.Lock()
        self._types: dict[tuple[int, int], str] = {}
        self.hidden: set[str] = set()
        """Tables whose SELECT was revoked: they are still in the dictionary here, as a right can go between two statements."""
        self._connection.execute("SET timezone = 'UTC'; SET ora.schema = 'SHOP'; SET jit = off")
        self._connection.execute(_RULES.read_bytes())
        for name, value in (("NLS_CHARACTERSET", "AL32UTF8"), ("NLS_NCHAR_CHARACTERSET", "AL16UTF16")):
            self._connection.execute("INSERT INTO nls_database_parameters VALUES (%s, %s)", (name, value))
        self._connection.execute("INSERT INTO all_users VALUES ('SHOP'), ('SYS')")
        self._connection.execute('CREATE SCHEMA "SHOP"')

    def create(self, name: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]]) -> None:
        """Table SHOP.``name`` with columns (name, Oracle type, ``… NOT NULL``); values as psycopg takes them."""
        made = [_column(column, declared) for column, declared in columns]
        stored = ", ".join(f'"{column}" {of}' for column, of, _ in made)
        with self._lock:
            self._connection.execute(f'CREATE TABLE "SHOP"."{name}" ({stored})'.encode())
            count = self._copy(name, rows)
            for number, (column, _, told) in enumerate(made, 1):
                values = ("SHOP", name, column, *told, number)
                self._connection.execute("INSERT INTO all_tab_columns VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", values)
            self._connection.execute("INSERT INTO all_tables VALUES ('SHOP', %s, %s)", (name, count))
            self._connection.execute("INSERT INTO all_objects VALUES ('SHOP', %s, 'TABLE', 'N', 'N')", (name,))
            found = self._connection.execute("SELECT %s::regclass::oid::int", (f'"SHOP"."{name}"',)).fetchone()
            assert found is not None
            self._types |= {(found[0], number): told[0] for number, (_, _, told) in enumerate(made, 1)}

    def _copy(self, name: str, rows: Iterable[Sequence[Any]]) -> int:
        count = 0
        with self._connection.cursor().copy(f'COPY "SHOP"."{name}" FROM STDIN'.encode()) as copy:
            for row in rows:
                copy.write_row([None if value == "" else value for value in row])
                count += 1
        return count

    def change(self, sql: str) -> None:
        """A statement in PostgreSQL's own SQL, of the tests."""
        with self._lock:
            self._connection.execute(sql.encode())

    def query(self, sql: str, parameters: Sequence[Any]) -> Answer:
        """An Oracle SELECT; OracleError as Oracle would say it."""
        text = translated(sql)
        for number in range(len(parameters), 0, -1):
            text = re.sub(rf"ora\.bind{number}\b", _constant(parameters[number - 1]), text)
        if any(f'"{table}"' in text for table in self.hidden):
            raise OracleError(942, "table or view does not exist")
        try:
            with self._lock:
                cursor = self._connection.execute(text.encode())
                assert cursor.description is not None and cursor.pgresult is not None
                result = cursor.pgresult
                origins = [self._types.get((result.ftable(at), result.ftablecol(at)), "") for at in range(result.nfields)]
                columns = zip(cursor.description, origins, strict=True)
                rows = cursor.fetchall()
        except psycopg.Error as error:
            raise _fault(error, text) from None
        kinds = [(column.name, _wire(column.type_code, origin)) for column, origin in columns]
        return Answer(tuple(kinds), rows)

    def close(self) -> None:
        """The database itself goes with its server."""
        self._connection.close()


def _column(name: str, declared: str) -> tuple[str, str, tuple[Any, ...]]:
    """(name, stored type, what ALL_TAB_COLUMNS says of it)"""
    required = declared.endswith(" NOT NULL")
    match = _TYPE.match(declared.removesuffix(" NOT NULL"))
    assert match is not None, declared
    base, first, second, zone = match[1], match[2], match[3], match[4] or ""
    size = int(first) if first and first != "*" else None
    stored, length, precision, scale, shown = _STORED[base], 0, None, None, base
    if base in ("VARCHAR2", "NVARCHAR2", "CHAR"):
        length = size or 1
        stored += f"({length})" if base == "CHAR" else ""
    elif base == "TIMESTAMP":
        shown, stored = f"TIMESTAMP({6 if size is None else size}){zone}", "timestamptz" if zone else f"timestamp({min(size or 6, 6)})"
    elif base == "NUMBER" and first:
        precision, scale = size, int(second or 0)
        stored = f"numeric({precision},{scale})" if precision else "numeric"
    elif base == "FLOAT":
        precision = size or 126
    return name, stored, (shown, length, precision, scale, "N" if required else "Y", "USING_NLS_COMP" if length else None)


def _wire(oid: int, origin: str) -> int:
    if origin in _LARGE:
        return _LARGE[origin]
    if oid in _NUMBERS:
        return encodings.NUMBER
    if oid in _MOMENTS:
        return encodings.TIMESTAMP
    return _WIRE.get(oid, encodings.VARCHAR)


def _constant(value: object) -> str:
    return "NULL::text" if value is None else "'" + str(value).replace("'", "''") + "'"


def _fault(error: psycopg.Error, text: str) -> OracleError:
    code, said = _CODES.get(error.sqlstate or "", (900, "invalid SQL statement"))
    detail = str(error).splitlines()[0]
    name = re.search(r'"([^"]+)"|relation (\S+)|column (\S+)', detail)
    shown = f'"{(name[1] or name[2] or name[3])}": ' if code == 904 and name else ""
    return OracleError(code, f"{shown}{said}" + (f" [{detail}; {text}]" if code in (900, 932) else ""))
