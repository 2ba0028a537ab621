"""What a plain user, an administrator and the pool may not do: the matrix of secrets and doors."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from psycopg import errors

from pools.compute.catalogs import Identity
from pools.compute.master import Address
from pools.compute.master import Master as PoolOfMaster
from tests.pools.master.conftest import Master

SECRET_STATEMENTS = [
    "SELECT * FROM bdc.compute_request",
    "SELECT response FROM bdc.compute_request WHERE request = '{}'",
    "SELECT * FROM bdc.source_definitions",
    "SELECT credential FROM bdc.source_definitions",
    "SELECT * FROM bdc.mapping_verifiers",
    "SELECT * FROM bdc.table_definitions",
    "SELECT * FROM bdc.identities",
    "SELECT rolpassword FROM pg_authid",
    "SELECT umoptions FROM pg_user_mapping",
    "SELECT bdc.pool_catalog()",
    "SELECT * FROM bdc.pool_verifiers('ada')",
    "SELECT bdc.pool_privileges('ada', 'a', 'b')",
    "SELECT bdc.request('ada', '{}')",
    "SELECT bdc.make_table(ARRAY['public', 'x'], 'ada', 'x', '[]')",
    "SELECT bdc.remove_table(1, true)",
    "SELECT bdc.set_rows(1, 1)",
    "SELECT bdc.set_statistics(1, '[]', '{}')",
    "SELECT bdc.change_columns(1, '[]')",
    "SELECT bdc.carry_create_data_source('bdc_controller', '{}')",
    "DELETE FROM bdc.source_definitions",
    "INSERT INTO bdc.connectors VALUES ('x', '', '')",
    "CREATE FOREIGN TABLE mine (a int) SERVER compute_pool",
    "IMPORT FOREIGN SCHEMA public FROM SERVER compute_pool INTO public",
    "ALTER SERVER compute_pool OPTIONS (SET host 'evil')",
    "CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw",
    "ALTER USER MAPPING FOR CURRENT_USER SERVER compute_pool OPTIONS (SET user 'fdw:bdc_owner')",
    "DROP USER MAPPING FOR CURRENT_USER SERVER compute_pool",
    "ALTER EXTENSION bdc UPDATE",
    "DROP EXTENSION bdc",
    "ALTER ROLE bdc_owner SET bdc.pool_hosts = 'evil'",
    "ALTER EVENT TRIGGER bdc_alter_table DISABLE",
    "SET event_triggers = off",
    "SET ROLE bdc_owner",
    "SELECT * FROM pg_read_file('/etc/passwd')",
]


@pytest.fixture(scope="module")
def connections(master: Master):
    """A user and an administrator in the first database."""
    from pools.master.roles import drop_role, ensure_role
    from pools.master.scram import scram_verifier

    made = {}
    for name, roles in (("mia", ["user"]), ("max", ["user", "admin"])):
        ensure_role(master.dsn, name, scram_verifier("pw of " + name), roles)
        made[name] = master.connect(name, "pw of " + name)
    yield made
    for name, connection in made.items():
        connection.close()
        drop_role(master.dsn, name)


@pytest.mark.parametrize("statement", SECRET_STATEMENTS)
@pytest.mark.parametrize("name", ["mia", "max"])
def test_refused(connections, name: str, statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        connections[name].execute(statement)


def test_own_mapping_shows_no_secret(connections) -> None:
    rows = connections["mia"].execute("SELECT umoptions FROM pg_user_mappings").fetchall()
    assert rows and all(options is None for (options,) in rows)


def test_session_settings_do_not_move_the_pool(connections, master: Master) -> None:
    connection = connections["max"]
    connection.execute("SET bdc.pool_hosts = 'evil'; SELECT bdc.settle()")
    known = dict(
        connection.execute("SELECT (pg_options_to_table(srvoptions)).* FROM pg_foreign_server WHERE srvname = 'compute_pool'").fetchall()
    )
    assert known["host"] == "127.0.0.1"


def test_the_pool_reads_its_functions_and_nothing_else(connections, master: Master) -> None:
    with master.connect("bdc_pool", master.secrets["pool-password"]) as pool:
        assert pool.execute("SELECT bdc.pool_catalog() ->> 'database'").fetchone() == ("bdc",)
        rows = pool.execute("SELECT kind, verifier, valid_until FROM bdc.pool_verifiers('mia') ORDER BY 1").fetchall()
        assert [row[0] for row in rows] == ["mapping", "password"]
        assert all(row[1].startswith("SCRAM-SHA-256$4096:") for row in rows) and rows[0][1] != rows[1][1]
        assert [row[0] for row in pool.execute("SELECT kind FROM bdc.pool_verifiers('bdc_owner')")] == ["mapping"]
        for nobody in ("bdc_pool", "nobody", "fdw:mia", ""):
            assert pool.execute("SELECT * FROM bdc.pool_verifiers(%s)", [nobody]).fetchall() == []
        for statement in SECRET_STATEMENTS:
            if ".pool_" in statement and statement.startswith("SELECT"):
                continue
            with pytest.raises((errors.InsufficientPrivilege, errors.UndefinedObject)):
                pool.execute(statement)


def test_privileges_as_the_pool_sees_them(connections, master: Master) -> None:
    admin = connections["max"]
    admin.execute("CREATE SCHEMA shown; CALL bdc.create_data_source('p', 'hdfs', 'hdfs://h:1')")
    admin.execute("CALL bdc.create_virtual_table('shown.t', 'p', '/x', '[{\"name\": \"a\", \"type\": \"int\"}]')")
    with master.connect("bdc_pool", master.secrets["pool-password"]) as pool:

        def may(user: str) -> bool:
            return pool.execute("SELECT bdc.pool_privileges(%s, 'shown', 't')", [user]).fetchone()[0]

        assert (may("max"), may("mia"), may("unknown")) == (True, False, False)
        admin.execute("GRANT SELECT ON shown.t TO mia")
        assert not may("mia")
        admin.execute("GRANT USAGE ON SCHEMA shown TO mia")
        assert may("mia")
    admin.execute("CALL bdc.drop_data_source('p', true); DROP SCHEMA shown")


def test_nothing_secret_in_the_log(connections, master: Master) -> None:
    with pytest.raises(errors.Error):
        connections["max"].execute("ALTER ROLE nobody_here PASSWORD 'planted secret'")
    log = master.running.log
    assert 'role "nobody_here" does not exist' in log or "permission denied" in log
    assert "planted secret" not in log and "SCRAM-SHA-256" not in log
    assert all(secret not in log for secret in master.secrets.values())


@pytest.fixture
def trapped(people, database: str) -> psycopg.Connection:
    """The owner of a database lays functions of his own before PostgreSQL's; they tell on who calls them."""
    admin = people("ada", "admin")
    admin.execute(
        "CREATE TABLE public.caught (who text); GRANT ALL ON public.caught TO PUBLIC; "
        "CREATE FUNCTION public.pg_options_to_table(options text[], OUT option_name text, OUT option_value text) RETURNS SETOF record "
        "LANGUAGE sql AS $$ INSERT INTO public.caught VALUES (current_user); SELECT NULL::text, NULL::text WHERE false $$; "
        "CREATE FUNCTION public.unnest(text[]) RETURNS SETOF text LANGUAGE sql AS "
        "$$ INSERT INTO public.caught VALUES (current_user); SELECT NULL::text WHERE false $$"
    )
    admin.execute(f"ALTER DATABASE {database} SET search_path = public, pg_catalog")
    return admin


def test_a_databases_owner_lays_no_trap_for_the_superuser(trapped, people, master: Master) -> None:
    people("uwe")  # makes a mapping in every database
    master.setup()
    assert trapped.execute("SELECT who FROM public.caught").fetchall() == []


def test_a_databases_owner_lays_no_trap_for_the_pool(trapped, master: Master, database: str) -> None:
    async def ask() -> None:
        pool = PoolOfMaster(Address("127.0.0.1", master.settings.port, master.secrets["pool-password"]), lambda sealed, *_: sealed)
        try:
            assert await pool.verifier(Identity("ada", database, mapping=False)) is not None
        finally:
            await pool.stop()

    asyncio.run(ask())
    assert trapped.execute("SELECT who FROM public.caught").fetchall() == []
