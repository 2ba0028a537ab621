"""A real Oracle in the stand-in's place: ``BDC_TEST_ORACLE_DSN=oracle://shop:password@host:port/service``.

The user must be SHOP, with CREATE SESSION, CREATE TABLE and a quota: the tests' tables are made in its schema, and dropped at the end. What
only a stand-in does on request (breaking off, refusing, being slow) is still tested with the stand-in.
"""

from __future__ import annotations

import datetime
import os
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import oracledb

from virtualization.catalog import Credential, DataSource

VARIABLE = "BDC_TEST_ORACLE_DSN"
_BOUND = {"BINARY_DOUBLE": oracledb.DB_TYPE_BINARY_DOUBLE, "BINARY_FLOAT": oracledb.DB_TYPE_BINARY_FLOAT, "CLOB": oracledb.DB_TYPE_CLOB}


class LiveDatabase:
    """See ``database.Database.create``."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._made: list[str] = []

    def create(self, name: str, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]]) -> None:
        """Table SHOP.``name``."""
        definitions = ", ".join(f'"{column}" {declared}' for column, declared in columns)
        with self._connection.cursor() as cursor:
            cursor.execute(f'CREATE TABLE "SHOP"."{name}" ({definitions})')
            self._made.append(name)
            cursor.setinputsizes(*(_BOUND.get(declared) for _, declared in columns))
            places = ", ".join(f":{number}" for number, _ in enumerate(columns, 1))
            values = [[_naive(value) for value in row] for row in rows]
            if values:
                cursor.executemany(f'INSERT INTO "SHOP"."{name}" VALUES ({places})', values)
        self._connection.commit()

    def close(self) -> None:
        """Drop what was made."""
        with self._connection.cursor() as cursor:
            for name in self._made:
                cursor.execute(f'DROP TABLE "SHOP"."{name}" PURGE')
        self._connection.close()


def _naive(value: Any) -> Any:
    """Instants are bound as times of the session's zone, which is UTC."""
    return value.replace(tzinfo=None) if isinstance(value, datetime.datetime) else value


@dataclass
class Live:
    """What tests see of it, as of ``server.StandIn``."""

    database: LiveDatabase
    location: str
    credential: Credential
    defects: list[str] = field(default_factory=list)

    def source(self, **options: str) -> DataSource:
        """As a data source names it."""
        return DataSource("src", "oracle", self.location, {"connect_timeout": "60", **options}, self.credential)


@contextmanager
def live() -> Iterator[Live | None]:
    """The server that the variable names; None where it names none."""
    given = os.environ.get(VARIABLE)
    if not given:
        yield None
        return
    url = urllib.parse.urlsplit(given)
    credential = Credential(urllib.parse.unquote(url.username or ""), urllib.parse.unquote(url.password or ""))
    port, service = url.port or 1521, url.path.removeprefix("/")
    connection = oracledb.connect(user=credential.user, password=credential.secret, host=url.hostname, port=port, service_name=service)
    with connection.cursor() as cursor:
        cursor.execute("ALTER SESSION SET TIME_ZONE='+00:00'")
    database = LiveDatabase(connection)
    try:
        yield Live(database, f"oracle://{url.hostname}:{port}/{service}", credential)
    finally:
        database.close()
