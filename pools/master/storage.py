"""The data source ``hdfs``: the cluster's own file system, ready to use in every user database that the spec names.

Made once per database. What was handed out is remembered beside the database (a setting of ``bdc_owner`` in it), so that a source that an
admin dropped stays dropped, one that an admin changed stays as it is, and the cluster's own one follows when the NameNode's port changes.
"""

from __future__ import annotations

from contextlib import closing

from psycopg import sql

from pools.master.databases import connect, has_extension, type_of_connection

SOURCE = "hdfs"
CONNECTOR = "hdfs"
SETTING = "bdc.storage_location"
OWNER = "bdc_owner"


def ensure_storage_source(dsn: str, database: str, location: str) -> str | None:
    """Make the source, or give it the present address; a sentence when something was changed. Raises ``psycopg.Error``."""
    with closing(connect(dsn, database)) as connection:
        if not has_extension(connection):
            return None  # taken out by an admin: nothing of ours belongs here
        handed_out = _handed_out(connection)
        if handed_out == location:
            return None
        present = connection.execute("SELECT connector, location FROM bdc.data_sources WHERE name = %s", [SOURCE]).fetchone()
        done = None
        with connection.transaction():
            if handed_out is None and present is None:
                connection.execute("CALL bdc.create_data_source(%s, %s, %s)", [SOURCE, CONNECTOR, location])
                done = f"made data source {SOURCE}"
            elif present == (CONNECTOR, handed_out):
                connection.execute("CALL bdc.alter_data_source(%s, location => %s)", [SOURCE, location])
                done = f"data source {SOURCE} is at {location} now"
            _remember(connection, database, location)
        return done


def _handed_out(connection: type_of_connection) -> str | None:
    """The location that this database's source was given last; None when it never had one from us."""
    rows = connection.execute(
        "SELECT unnest(setconfig) FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase "
        "WHERE datname = current_database() AND setrole = %s::regrole",
        [OWNER],
    ).fetchall()
    return dict(str(entry).split("=", 1) for (entry,) in rows).get(SETTING)


def _remember(connection: type_of_connection, database: str, location: str) -> None:
    statement = "ALTER ROLE {} IN DATABASE {} SET {} = {}"
    names = (sql.Identifier(OWNER), sql.Identifier(database), sql.Identifier(*SETTING.split(".")), sql.Literal(location))
    connection.execute(sql.SQL(statement).format(*names))
