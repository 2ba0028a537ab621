"""Connections of the controller's superuser to every database of the master, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
from psycopg.conninfo import make_conninfo

type_of_connection = psycopg.Connection[tuple[object, ...]]
TEMPLATE = "template1"
SESSION = "-c search_path=pg_catalog -c statement_timeout=0 -c lock_timeout=30s"


def connect(dsn: str, database: str | None = None) -> type_of_connection:
    """An autocommit connection, to ``database`` if given. No statement of ours runs into a user's default time limit, and none calls a
    user's function: whoever owns a database sets its default search path, and makes better fitting functions in its public schema."""
    target = dsn if database is None else make_conninfo(dsn, dbname=database)
    return psycopg.connect(target, autocommit=True, application_name="bdc master", options=SESSION)


def database_names(connection: type_of_connection) -> list[str]:
    """All databases that allow connections, template1 first: what CREATE DATABASE clones meanwhile is then already right."""
    rows = connection.execute(
        "SELECT datname FROM pg_database WHERE datallowconn AND datconnlimit <> -2 ORDER BY datname <> %s, datname", [TEMPLATE]
    )
    return [str(name) for (name,) in rows]


def each_database(dsn: str) -> Iterator[tuple[str, type_of_connection]]:
    """(name, connection) of each database; the connection is closed before the next. A database that was dropped meanwhile is left out."""
    with closing(connect(dsn)) as connection:
        names = database_names(connection)
    for name in names:
        try:
            connection = connect(dsn, name)
        except psycopg.OperationalError:
            if _is_gone(dsn, name):
                continue
            raise
        with closing(connection):
            yield name, connection


def _is_gone(dsn: str, name: str) -> bool:
    with closing(connect(dsn)) as connection:
        return connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None


def has_extension(connection: type_of_connection) -> bool:
    """Is ``bdc`` installed in this database?"""
    return connection.execute("SELECT FROM pg_extension WHERE extname = 'bdc'").fetchone() is not None
