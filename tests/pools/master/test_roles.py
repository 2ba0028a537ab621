"""Users as PostgreSQL roles: made, changed, revoked, dropped, in every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import errors

from pools.master.roles import RoleError, drop_role, ensure_role, user_roles
from pools.master.scram import scram_verifier
from tests.pools.master.conftest import Master

NAMES = ["alice", "Ünïcode 数", "quo\"te 's", "a; DROP ROLE bdc_owner; --", "x" * 59]


@pytest.mark.parametrize("name", NAMES)
def test_login_memberships_and_mapping(master: Master, database: str, name: str) -> None:
    ensure_role(master.dsn, name, scram_verifier("first"), ["user"])
    ensure_role(master.dsn, name, scram_verifier("second"), ["user"])
    assert name in user_roles(master.dsn)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        master.connect(name, "first", database)
    with master.connect(name, "second", database) as connection:
        assert connection.execute(
            "SELECT current_user, pg_has_role('bdc_user', 'USAGE'), pg_has_role('bdc_admin', 'USAGE')"
        ).fetchone() == (name, True, False)
    for place in (database, "template1", "bdc", "postgres"):
        with master.superuser(place) as connection:
            options = connection.execute("SELECT umoptions FROM pg_user_mappings WHERE usename = %s", [name]).fetchone()[0]
            assert f"user=fdw:{name}" in options
    drop_role(master.dsn, name)
    with master.superuser() as connection:
        assert connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone() is None
        assert connection.execute("SELECT FROM bdc.mapping_verifiers WHERE role_name = %s", [name]).fetchone() is None
    drop_role(master.dsn, name)  # again: nothing


def test_one_secret_for_all_databases_and_kept_over_calls(master: Master, database: str) -> None:
    def secrets() -> set[str]:
        known = set()
        for place in ("template1", "bdc", "postgres", database):
            with master.superuser(place) as connection:
                rows = connection.execute(
                    "SELECT umoptions, verifier FROM pg_user_mappings JOIN bdc.mapping_verifiers ON role_name = usename "
                    "WHERE usename = 'kim'"
                )
                known |= {str(row) for row in rows}
        return known

    ensure_role(master.dsn, "kim", None, ["user"])
    before = secrets()
    assert len(before) == 1
    with master.superuser(database) as connection:
        connection.execute("UPDATE bdc.mapping_verifiers SET verifier = 'broken' WHERE role_name = 'kim'")
    ensure_role(master.dsn, "kim", None, ["user", "admin"])
    assert secrets() == before
    drop_role(master.dsn, "kim")


def test_the_secret_logs_in_at_the_pool_as_the_user(people, master: Master, database: str) -> None:
    admin, user = people("ada", "admin"), people("uwe")
    master.pool.learn(master.superuser())
    master.pool.run(database, "CREATE VIEW public.me AS SELECT session_user::text AS name; GRANT SELECT ON public.me TO PUBLIC")
    admin.execute("CALL bdc.create_data_source('p', 'hdfs', 'hdfs://h:1'); INSERT INTO bdc.default_grants VALUES (NULL, 'bdc_user')")
    admin.execute("CALL bdc.create_virtual_table('me', 'p', '/x', '[{\"name\": \"name\", \"type\": \"text\"}]')")
    assert user.execute("SELECT name FROM me").fetchone() == ("fdw:uwe",)
    assert admin.execute("SELECT name FROM me").fetchone() == ("fdw:ada",)


def test_roles_follow_what_is_wanted(master: Master) -> None:
    ensure_role(master.dsn, "rob", scram_verifier("pw"), ["user", "admin"])
    with master.connect("rob", "pw") as connection:
        query = "SELECT pg_has_role('bdc_admin', 'USAGE'), rolcreatedb FROM pg_roles WHERE rolname = current_user"
        assert connection.execute(query).fetchone() == (True, True)
        ensure_role(master.dsn, "rob", scram_verifier("pw"), ["user"])
        assert connection.execute(query).fetchone() == (False, False)
    ensure_role(master.dsn, "rob", scram_verifier("pw"), ["user"], datetime.now(UTC) - timedelta(seconds=5))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        master.connect("rob", "pw")
    ensure_role(master.dsn, "rob", None, ["user"])
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        master.connect("rob", "pw")
    drop_role(master.dsn, "rob")


def test_dropped_user_loses_sessions_and_leaves_objects(master: Master, database: str) -> None:
    ensure_role(master.dsn, "dan", scram_verifier("pw"), ["user", "admin"])
    connection = master.connect("dan", "pw", database)
    connection.execute("CREATE TABLE kept (a int); CALL bdc.create_data_source('d', 'hdfs', 'hdfs://h:1'); CREATE SCHEMA of_dan")
    connection.execute("CALL bdc.create_virtual_table('vt', 'd', '/x', '[{\"name\": \"a\", \"type\": \"int\"}]')")
    connection.execute("CREATE DATABASE of_dan")
    drop_role(master.dsn, "dan")
    with pytest.raises(errors.AdminShutdown):
        connection.execute("SELECT 1")
    with master.superuser(database) as superuser:
        assert superuser.execute(
            "SELECT array_agg(DISTINCT relowner::regrole::text) FROM pg_class WHERE relname IN ('kept', 'vt')"
        ).fetchone() == (["bdc_admin"],)
        assert superuser.execute("SELECT owner FROM bdc.data_sources").fetchone() == ("bdc_admin",)
        assert superuser.execute("SELECT datdba::regrole::text FROM pg_database WHERE datname = 'of_dan'").fetchone() == ("bdc_admin",)
        superuser.execute("DROP DATABASE of_dan")


@pytest.mark.parametrize(
    "name", ["", " a", "a\n", "a\0b", "bdc_owner", "BDC_x", "pg_read_all_data", "fdw:alice", "public", "none", "y" * 60, "é" * 30]
)
def test_names_that_can_not_be(master: Master, name: str) -> None:
    with pytest.raises(RoleError, match="can't be a user's name"):
        ensure_role(master.dsn, name, None, ["user"])
    with pytest.raises(RoleError):
        drop_role(master.dsn, name)


def test_refuses_what_is_no_verifier_and_unknown_roles(master: Master) -> None:
    with pytest.raises(RoleError, match="not a SCRAM-SHA-256 verifier") as caught:
        ensure_role(master.dsn, "eve", "clear password", ["user"])
    assert "clear password" not in str(caught.value)
    with pytest.raises(RoleError, match="unknown roles root"):
        ensure_role(master.dsn, "eve", None, ["root"])
    with master.superuser() as connection:
        connection.execute("CREATE ROLE boss SUPERUSER")
        try:
            with pytest.raises(RoleError, match="has a superuser"):
                ensure_role(master.dsn, "boss", None, ["user"])
            with pytest.raises(RoleError, match="has a superuser"):
                drop_role(master.dsn, "boss")
        finally:
            connection.execute("DROP ROLE boss")
