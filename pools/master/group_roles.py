"""PostgreSQL roles that stand for groups of a directory (without login, rights are granted to them), and who is in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import closing

from psycopg import sql

from pools.ldap import DIRECTORY
from pools.master.databases import connect, type_of_connection
from pools.master.roles import RoleError

SYSTEM_PREFIXES = ("bdc_", "pg_", "fdw:")


def ensure_group_roles(dsn: str, names: Iterable[str]) -> list[str]:
    """The roles exist; those that were made. ``RoleError`` when one is a user's or the system's: its rights must not come with a group."""
    made = []
    with closing(connect(dsn)) as connection:
        for name in sorted(names):
            if _exists(connection, name):
                continue
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
            made.append(name)
    return made


def set_group_roles(dsn: str, user: str, wanted: Collection[str], managed: Collection[str]) -> None:
    """Of the roles ``managed``, the user is a member of ``wanted`` and no others; memberships in other roles stay as they are. Counts at
    once, also in sessions that are open."""
    with closing(connect(dsn)) as connection, connection.transaction():
        present = group_roles_of(connection, user) & frozenset(managed)
        for name in sorted(frozenset(wanted) - present):
            connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(name), sql.Identifier(user)))
        for name in sorted(present - frozenset(wanted)):
            connection.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(name), sql.Identifier(user)))


def set_asked(dsn: str, user: str, asked: bool) -> None:
    """The directory is asked about this user's password, or no longer; the next login is judged so."""
    role = sql.Identifier(DIRECTORY)
    with closing(connect(dsn)) as connection, connection.transaction():
        if not asked and DIRECTORY not in group_roles_of(connection, user):
            return
        if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [DIRECTORY]).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(role))
        connection.execute(sql.SQL("GRANT {} TO {}" if asked else "REVOKE {} FROM {}").format(role, sql.Identifier(user)))


def group_roles_of(connection: type_of_connection, user: str) -> frozenset[str]:
    """All roles that the user is a direct member of."""
    rows = connection.execute(
        "SELECT g.rolname::text FROM pg_auth_members AS m JOIN pg_roles AS g ON g.oid = m.roleid JOIN pg_roles AS r ON r.oid = m.member "
        "WHERE r.rolname = %s",
        [user],
    )
    return frozenset(str(name) for (name,) in rows)


def end_sessions(dsn: str, user: str) -> int:
    """End every session of the user at the master; how many there were."""
    with closing(connect(dsn)) as connection:
        rows = connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", [user]).fetchall()
    return len(rows)


def _exists(connection: type_of_connection, name: str) -> bool:
    """Is there such a role, fit to stand for a group?"""
    row = connection.execute(
        "SELECT rolcanlogin OR rolsuper OR rolreplication OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname = %s", [name]
    ).fetchone()
    if name.startswith(SYSTEM_PREFIXES) or (row is not None and row[0]):
        raise RoleError(f'"{name}" can\'t stand for a group: PostgreSQL has a role of this name that logs in, or that the system uses')
    return row is not None
