"""PostgreSQL's side of one user of the cluster: login role, memberships, mapping to the compute pool. Level-triggered: call it with what
should be, as often as you like.

    RoleError              the name can't be a user's
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from datetime import datetime

from psycopg import sql

from pools.master.databases import connect, each_database, has_extension, type_of_connection
from pools.master.mappings import ensure_mappings, remove_mapping
from pools.master.scram import is_scram_verifier, scram_verifier

__all__ = ["ADMIN", "GROUPS", "RoleError", "drop_role", "ensure_role", "scram_verifier"]

ADMIN = "admin"
GROUPS = {"admin": "bdc_admin", "user": "bdc_user", "app-reader": "bdc_app_reader", "app-owner": "bdc_app_reader"}
"""Role of the cluster → group role of PostgreSQL."""
RESERVED_PREFIXES = ("bdc_", "pg_", "fdw:")
RESERVED_NAMES = frozenset({"public", "none", "current_user", "session_user", "current_role", "user"})
NAME_BYTES = 59
"""``fdw:`` and the name must fit PostgreSQL's 63 bytes."""


class RoleError(ValueError):
    """The name or the verifier can't be used; says why."""


def ensure_role(
    dsn: str, name: str, verifier: str | None, roles: Iterable[str], valid_until: datetime | None = None, *, login: bool = True
) -> None:
    """The LOGIN role ``name`` exists, with this SCRAM verifier (None: it can't log in with a password; an existing one is removed),
    is a member of exactly the groups for ``roles`` (``admin``, ``user``) and has its mapping in every database. Not ``login``: a login that
    is under way, at a directory that takes its time, comes to nothing either.

    ``dsn``: the controller's superuser, any database. Raises ``RoleError``, ``psycopg.Error``.
    """
    _refuse_name(name)
    if verifier is not None and not is_scram_verifier(verifier):
        raise RoleError(f'the verifier of user "{name}" is not a SCRAM-SHA-256 verifier; passwords in clear are never sent')
    wanted = set(roles)
    unknown = sorted(wanted - set(GROUPS))
    if unknown:
        raise RoleError(f'user "{name}": unknown roles {", ".join(unknown)}; there are {", ".join(GROUPS)}')
    with closing(connect(dsn)) as connection, connection.transaction():
        _write_role(connection, name, verifier, ADMIN in wanted, valid_until)
        if not login:
            connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(name)))
        _write_memberships(connection, name, {GROUPS[role] for role in wanted})
    ensure_mappings(dsn, [name])


def drop_role(dsn: str, name: str) -> None:
    """The role ``name`` is gone: its sessions end, what it owned belongs to ``bdc_admin``. Nothing happens where it never was.

    Raises ``RoleError``, ``psycopg.Error``.
    """
    _refuse_name(name)
    with closing(connect(dsn)) as connection:
        if not _exists(connection, name):
            return
        connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(sql.Identifier(name)))
        _end_sessions(connection, name)
    for _, database in each_database(dsn):
        with database.transaction():
            _forget_in_database(database, name)
    with closing(connect(dsn)) as connection:
        _end_sessions(connection, name)
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def user_roles(dsn: str) -> list[str]:
    """The names of all LOGIN roles that are members of ``bdc_user`` or ``bdc_admin`` themselves, sorted."""
    with closing(connect(dsn)) as connection:
        rows = connection.execute(
            """
            SELECT DISTINCT r.rolname FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid
            WHERE r.rolcanlogin AND m.roleid IN ('bdc_user'::regrole, 'bdc_admin'::regrole) ORDER BY 1
            """
        )
        return [str(name) for (name,) in rows]


def _refuse_name(name: str) -> None:
    if not name or name != name.strip() or any(not character.isprintable() for character in name):
        raise RoleError(f"{name!r} can't be a user's name: it is empty, or has blanks at its ends or characters that can't be seen")
    if name.lower() in RESERVED_NAMES or name.lower().startswith(RESERVED_PREFIXES):
        raise RoleError(f"\"{name}\" can't be a user's name: the system uses it itself")
    if len(name.encode()) > NAME_BYTES:
        raise RoleError(f"\"{name}\" can't be a user's name: it is longer than {NAME_BYTES} bytes")


def _exists(connection: type_of_connection, name: str) -> bool:
    """Is there such a role? ``RoleError`` when it is one that no user of the cluster may be."""
    row = connection.execute("SELECT rolsuper, rolreplication FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    if row is not None and any(row):
        raise RoleError(f"\"{name}\" can't be a user's name: PostgreSQL has a superuser or replication role of this name")
    return row is not None


def _write_role(connection: type_of_connection, name: str, verifier: str | None, admin: bool, valid_until: datetime | None) -> None:
    exists = _exists(connection, name)
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEROLE {} INHERIT NOREPLICATION NOBYPASSRLS PASSWORD {} VALID UNTIL {}").format(
            sql.SQL("ALTER" if exists else "CREATE"),
            sql.Identifier(name),
            sql.SQL("CREATEDB" if admin else "NOCREATEDB"),
            sql.SQL("NULL") if verifier is None else sql.Literal(verifier),
            sql.Literal("infinity" if valid_until is None else valid_until.isoformat()),
        )
    )


def _write_memberships(connection: type_of_connection, name: str, groups: set[str]) -> None:
    rows = connection.execute(
        "SELECT roleid::regrole::text FROM pg_auth_members JOIN pg_roles r ON r.oid = member WHERE rolname = %s",
        [name],
    )
    present = {str(group) for (group,) in rows} & set(GROUPS.values())
    for group in sorted(groups - present):
        connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), sql.Identifier(name)))
    for group in sorted(present - groups):
        connection.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(group), sql.Identifier(name)))


def _end_sessions(connection: type_of_connection, name: str) -> None:
    connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", [name])


def _forget_in_database(connection: type_of_connection, name: str) -> None:
    heir = sql.Identifier(GROUPS[ADMIN])
    if has_extension(connection):
        remove_mapping(connection, name)
        connection.execute("UPDATE bdc.source_definitions SET owner = %s WHERE owner = %s", [GROUPS[ADMIN], name])
        connection.execute("DELETE FROM bdc.source_grants WHERE grantee = %s", [name])
        connection.execute("DELETE FROM bdc.default_grants WHERE grantee = %s", [name])
    connection.execute(sql.SQL("REASSIGN OWNED BY {} TO {}").format(sql.Identifier(name), heir))
    connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
