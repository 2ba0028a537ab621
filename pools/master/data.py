"""The data source ``data_pool``: the cluster's own shards, ready to use in every user database that the spec names.

Made once per database, and every user may make tables over it. What was handed out is remembered beside the database (a setting of
``bdc_owner`` in it), so that a source that an admin dropped stays dropped.
"""

from __future__ import annotations

from contextlib import closing

from psycopg import sql

from pools.master.databases import connect, has_extension, type_of_connection

SOURCE = "data_pool"
CONNECTOR = "datapool"
LOCATION = "datapool:"
USERS = "bdc_user"
SETTING = "bdc.data_pool"
OWNER = "bdc_owner"


def ensure_data_source(dsn: str, database: str) -> str | None:
    """Make the source where it was never made; a sentence when it was. Raises ``psycopg.Error``."""
    with closing(connect(dsn, database)) as connection:
        if not has_extension(connection) or _handed_out(connection):
            return None
        done = None
        with connection.transaction():
            if connection.execute("SELECT FROM bdc.data_sources WHERE name = %s", [SOURCE]).fetchone() is None:
                connection.execute("CALL bdc.create_data_source(%s, %s, %s)", [SOURCE, CONNECTOR, LOCATION])
                connection.execute("CALL bdc.grant_source(%s, %s)", [SOURCE, USERS])
                done = f"made data source {SOURCE}"
            statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}")
            setting = sql.Identifier(*SETTING.split("."))
            connection.execute(statement.format(sql.Identifier(OWNER), sql.Identifier(database), setting, sql.Literal(LOCATION)))
        return done


def _handed_out(connection: type_of_connection) -> bool:
    row = connection.execute(
        "SELECT FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase, unnest(setconfig) AS entry "
        "WHERE datname = current_database() AND setrole = %s::regrole AND entry LIKE %s",
        [OWNER, f"{SETTING}=%"],
    ).fetchone()
    return row is not None
