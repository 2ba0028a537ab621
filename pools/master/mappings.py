"""The secrets by which the compute pool knows who asks: one random password per role, the same in all databases.

It lies in the role's user mapping of server ``compute_pool`` (readable by superusers only), its SCRAM verifier in
``bdc.mapping_verifiers`` (readable by ``bdc_owner`` only). ``template1`` holds both, so CREATE DATABASE carries them along.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import LiteralString

from psycopg import sql

from pools.master.databases import each_database, has_extension, type_of_connection
from pools.master.scram import scram_verifier

SERVER = "compute_pool"
SECRET_BYTES = 32


@dataclass(frozen=True)
class MappingSecret:
    """A role's password at the pool (never printed) and its verifier."""

    password: str = field(repr=False)
    verifier: str = field(repr=False)


def new_secret() -> MappingSecret:
    """A random one."""
    password = secrets.token_urlsafe(SECRET_BYTES)
    return MappingSecret(password, scram_verifier(password))


def ensure_mappings(dsn: str, roles: Iterable[str]) -> None:
    """Every role has the same mapping and verifier in every database that has the extension; what is there already is kept.

    The first database looked at is template1, and the secret found there is the one that counts: a database restored from
    elsewhere gets it too. Repeatable; only what differs is written.
    """
    wanted: dict[str, MappingSecret] = {}
    names = list(roles)
    for _, connection in each_database(dsn):
        if not has_extension(connection):
            continue
        with connection.transaction():
            present = _present(connection, names)
            for role in names:
                secret = wanted.setdefault(role, present.get(role) or new_secret())
                if present.get(role) != secret:
                    _write(connection, role, secret)


def _present(connection: type_of_connection, roles: list[str]) -> Mapping[str, MappingSecret]:
    """Complete and consistent mappings only: a password without a verifier is made anew."""
    rows = connection.execute(
        """
        SELECT m.usename, o.option_value, v.verifier
        FROM pg_user_mappings m
        CROSS JOIN LATERAL pg_options_to_table(m.umoptions) o
        JOIN bdc.mapping_verifiers v ON v.role_name = m.usename
        WHERE m.srvname = %s AND o.option_name = 'password' AND m.usename::text = ANY (%s)
          AND ('user=fdw:' || m.usename) = ANY (m.umoptions)
        """,
        [SERVER, roles],
    )
    return {str(role): MappingSecret(str(password), str(verifier)) for role, password, verifier in rows}


def _write(connection: type_of_connection, role: str, secret: MappingSecret) -> None:
    remove_mapping(connection, role)
    connection.execute(
        sql.SQL("CREATE USER MAPPING FOR {} SERVER {} OPTIONS (user {}, password {})").format(
            sql.Identifier(role), sql.Identifier(SERVER), sql.Literal(f"fdw:{role}"), sql.Literal(secret.password)
        )
    )
    connection.execute("INSERT INTO bdc.mapping_verifiers VALUES (%s, %s)", [role, secret.verifier])
    tell_change(connection)


def remove_mapping(connection: type_of_connection, role: str) -> None:
    """Forget the role's mapping and verifier in this database, where they exist."""
    connection.execute(sql.SQL("DROP USER MAPPING IF EXISTS FOR {} SERVER {}").format(sql.Identifier(role), sql.Identifier(SERVER)))
    removed = connection.execute("DELETE FROM bdc.mapping_verifiers WHERE role_name = %s", [role]).rowcount
    if removed:
        tell_change(connection)


def tell_change(connection: type_of_connection) -> None:
    """Wake the compute pool, so that it asks for verifiers again and closes the sessions of users that are gone."""
    statement: LiteralString = "SELECT pg_notify('bdc_catalog', version::text) FROM bdc.catalog_version"
    connection.execute(statement)
