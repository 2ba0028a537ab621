"""The job ``master-setup``: brings a PostgreSQL server to what the cluster needs, and does nothing where it is so already.

    python -m pools.master.setup --config setup.json

Order: group roles and the pool's login; settings of the cluster; the extension in template1, then in every database; mappings of all
users; the user databases, with the data sources of the cluster's own HDFS and data pool. After it,
CREATE DATABASE alone makes a database that has it all. Run it again after anything that came
from outside: a restored database, another address of the compute pool, a newer version of the extension.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pools.master.data import ensure_data_source
from pools.master.databases import connect, type_of_connection
from pools.master.mappings import ensure_mappings
from pools.master.migrations import MigrationError, ensure_database, migrate
from pools.master.roles import ADMIN, GROUPS, user_roles
from pools.master.scram import matches, scram_verifier
from pools.master.storage import ensure_storage_source

OWNER = "bdc_owner"
POOL = "bdc_pool"
ADMIN_MEMBERSHIPS = ("bdc_user", "pg_signal_backend", "pg_read_all_stats")
"""Ending sessions is also what DROP DATABASE … WITH (FORCE) needs: the compute pool listens in every user database."""
MAPPED_GROUPS = (OWNER, GROUPS[ADMIN])
"""Roles without login that still reach the pool: bdc_owner's requests, and what bdc_admin inherited from users that are gone."""


@dataclass(frozen=True)
class SetupSettings:
    """What the job is told; one JSON object with these keys."""

    dsn: str
    """Of the superuser, with everything but the password."""
    password_file: str
    pool_password_file: str
    pool_hosts: tuple[str, ...]
    """Addresses of the compute pool's replicas, as the master reaches them."""
    pool_ports: tuple[int, ...]
    databases: tuple[str, ...]
    """User databases that there should be."""
    sealing_key: str | None = None
    """Public key (base64), for ``bdc.sealing_key()``."""
    storage_location: str | None = None
    """``hdfs://host:port`` of the cluster's own HDFS; None: it has none."""
    data_shards: int = 0
    """How many shards the cluster's data pool has; 0: it has no data pool."""
    flight_addresses: tuple[str, ...] = ()
    """``host:port`` of each compute replica's Flight endpoint, for ``bdc.flight_address()``."""
    pool_authority: str | None = None
    """Path, on the master, of the certificates that verify the compute pool; None: it is asked without TLS."""

    @classmethod
    def read(cls, path: Path) -> SetupSettings:
        """From the job's configuration file."""
        given = json.loads(path.read_text())
        given["pool_hosts"] = tuple(given["pool_hosts"])
        given["pool_ports"] = tuple(given["pool_ports"])
        given["databases"] = tuple(given["databases"])
        given["flight_addresses"] = tuple(given.get("flight_addresses", ()))
        return cls(**given)


def set_up(settings: SetupSettings) -> list[str]:
    """Do it all; returns a sentence for each thing that was changed. Raises ``psycopg.Error``, ``OSError``."""
    dsn = make_conninfo(settings.dsn, password=Path(settings.password_file).read_text().strip())
    done: list[str] = []
    with closing(connect(dsn)) as connection:
        done += _ensure_groups(connection)
        done += _ensure_pool_login(connection, Path(settings.pool_password_file).read_text().strip())
        done += _ensure_cluster_settings(connection, cluster_settings(settings))
    done += [f'database "{name}": {change}' for name, change in migrate(dsn).items()]
    ensure_mappings(dsn, [*MAPPED_GROUPS, *user_roles(dsn)])
    for name in settings.databases:
        if ensure_database(dsn, name, GROUPS[ADMIN]):
            done.append(f'made database "{name}"')
        if settings.storage_location is not None and (change := ensure_storage_source(dsn, name, settings.storage_location)):
            done.append(f'database "{name}": {change}')
        if settings.data_shards > 0 and (change := ensure_data_source(dsn, name)):
            done.append(f'database "{name}": {change}')
    return done


def cluster_settings(settings: SetupSettings) -> dict[str, str]:
    """Name → value of what ``bdc.cluster_setting(name)`` answers in every database."""
    values = {
        "pool_hosts": ",".join(settings.pool_hosts),
        "pool_ports": ",".join(str(port) for port in settings.pool_ports),
        "flight_addresses": ",".join(settings.flight_addresses),
        "pool_authority": settings.pool_authority or "",
    }
    if settings.sealing_key is not None:
        values["sealing_key"] = settings.sealing_key
    return values


def _ensure_groups(connection: type_of_connection) -> list[str]:
    done = []
    for role in (OWNER, *GROUPS.values()):
        if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
            done.append(f"made role {role}")
    for group in ADMIN_MEMBERSHIPS:
        row = connection.execute("SELECT pg_has_role('bdc_admin', %s, 'MEMBER')", [group]).fetchone()
        if row is not None and not row[0]:
            connection.execute(sql.SQL("GRANT {} TO bdc_admin").format(sql.Identifier(group)))
            done.append(f"made bdc_admin a member of {group}")
    return done


def _ensure_pool_login(connection: type_of_connection, password: str) -> list[str]:
    row = connection.execute("SELECT rolpassword, rolcanlogin FROM pg_authid WHERE rolname = %s", [POOL]).fetchone()
    if row is not None and row[1] and row[0] is not None and matches(str(row[0]), password):
        return []
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
            sql.SQL("CREATE" if row is None else "ALTER"), sql.Identifier(POOL), sql.Literal(scram_verifier(password))
        )
    )
    return [f"set the login of {POOL}"]


def _ensure_cluster_settings(connection: type_of_connection, wanted: Mapping[str, str]) -> list[str]:
    row = connection.execute("SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = 0 AND setrole = %s::regrole", [OWNER]).fetchone()
    entries: list[str] = list(row[0]) if row is not None else []  # type: ignore[call-overload]
    present = dict(entry.split("=", 1) for entry in entries)
    done = []
    for name, value in wanted.items():
        if present.get(f"bdc.{name}") != value:
            connection.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(sql.Identifier(OWNER), sql.Identifier("bdc", name), sql.Literal(value))
            )
            done.append(f"set {name}")
    return done


def main(arguments: list[str] | None = None) -> int:
    """The job; prints what it did. A server that just starts gets half a minute."""
    parser = argparse.ArgumentParser(prog="python -m pools.master.setup", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="path of setup.json")
    settings = SetupSettings.read(parser.parse_args(arguments).config)
    try:
        done = _patiently(settings)
    except (psycopg.Error, MigrationError, OSError) as error:
        sys.stderr.write(f"master-setup failed: {error}\n")
        return 1
    sys.stdout.write("".join(f"{sentence}\n" for sentence in done) or "nothing to do\n")
    return 0


def _patiently(settings: SetupSettings, seconds: float = 30.0) -> list[str]:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return set_up(settings)
        except (psycopg.errors.CannotConnectNow, psycopg.errors.ObjectInUse, psycopg.errors.ConnectionFailure):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main())
