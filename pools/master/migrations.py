"""The extension in every database, at the newest version. Each step looks first and changes only what differs."""

from __future__ import annotations

from contextlib import closing

from psycopg import sql

from pools.master.databases import connect, each_database, has_extension, type_of_connection
from pools.master.extension.renewal import RENEWED


class MigrationError(Exception):
    """The server can't get the extension; says what it lacks."""


def migrate(dsn: str) -> dict[str, str]:
    """Install or upgrade ``bdc`` in template1 and all databases that allow connections.

    Returns database → what was done, only where something was.
    """
    done: dict[str, str] = {}
    for name, connection in each_database(dsn):
        with connection.transaction():
            # one migration at a time per database, also when two setups run
            connection.execute("SELECT pg_advisory_xact_lock('pg_extension'::regclass::oid::int, 1)")
            change = migrate_database(connection)
        if change:
            done[name] = change
    return done


def migrate_database(connection: type_of_connection) -> str | None:
    """Install, upgrade or leave; then settle. Returns a sentence of what was done."""
    sentence: str | None = None
    if not has_extension(connection):
        _refuse_unavailable(connection)
        connection.execute("CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA public")
        connection.execute("REVOKE ALL ON FOREIGN DATA WRAPPER postgres_fdw FROM PUBLIC")
        connection.execute("CREATE EXTENSION bdc")
        connection.execute("GRANT CREATE ON SCHEMA public TO bdc_admin")
        sentence = f"installed {_versions(connection)[0]}"
    else:
        installed, newest = _versions(connection)
        if installed != newest:
            connection.execute("ALTER EXTENSION bdc UPDATE")
            sentence = f"upgraded from {installed} to {newest}"
        if _is_of_before(connection):
            # today's functions and views; whole or not at all, in the caller's transaction
            connection.execute(f"ALTER EXTENSION bdc UPDATE TO '{RENEWED}'")
            connection.execute(sql.SQL("ALTER EXTENSION bdc UPDATE TO {}").format(sql.Literal(newest)))
            sentence = f"{sentence + ', ' if sentence else ''}renewed {newest}"
    connection.execute("SELECT bdc.settle()")
    return sentence


def _is_of_before(connection: type_of_connection) -> bool:
    """Has it other code than the server's files? Code that is older than digests has no function that tells its own."""
    row = connection.execute("SELECT substring(comment FROM 'code (.*)') FROM pg_available_extensions WHERE name = 'bdc'").fetchone()
    if row == (None,):  # a system PostgreSQL with files of before
        return False
    if connection.execute("SELECT to_regprocedure('bdc.code_digest()') IS NULL").fetchone() == (True,):
        return True
    return connection.execute("SELECT bdc.code_digest()").fetchone() != row


def _refuse_unavailable(connection: type_of_connection) -> None:
    for name in ("postgres_fdw", "bdc"):
        if connection.execute("SELECT FROM pg_available_extensions WHERE name = %s", [name]).fetchone() is None:
            raise MigrationError(
                f'the server does not have the extension "{name}". A system PostgreSQL needs its contrib package; one older than 18 '
                "also needs the files of master-0's config/extension copied to where pg_config --sharedir says, into extension/"
            )


def _versions(connection: type_of_connection) -> tuple[str, str]:
    """(installed, newest that the server has)."""
    row = connection.execute(
        "SELECT extversion, default_version FROM pg_extension JOIN pg_available_extensions ON name = extname WHERE extname = 'bdc'"
    ).fetchone()
    assert row is not None
    return str(row[0]), str(row[1])


def ensure_database(dsn: str, name: str, owner: str) -> bool:
    """The user database ``name`` exists; True: it was made now, by cloning template1, so it has the extension at once."""
    with closing(connect(dsn)) as connection:
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None:
            return False
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner)))
    with closing(connect(dsn, name)) as connection:
        connection.execute("SELECT bdc.settle()")
    return True
