"""Databases made, copied, renamed, dumped and restored after setup: each works at once, and none takes itself for another."""

from __future__ import annotations

import os
import subprocess

import psycopg
import pytest

from pools.master.migrations import migrate
from pools.master.setup import MAPPED_GROUPS
from tests.pools.master.conftest import Master
from tests.pools.master.test_setup import options
from tests.services.postgresql import bin_folder

TABLE = "CALL bdc.create_virtual_table('public.house', 'legacy', 'public.house', '[{\"name\": \"a\", \"type\": \"int\"}]')"


def fill(connection: psycopg.Connection) -> None:
    connection.execute(
        "CALL bdc.create_data_source('legacy', 'postgresql', 'postgresql://db/sales', '{}', '{\"sealed\": \"sealed:v2:QUJD\"}')"
    )
    connection.execute(TABLE)
    connection.execute("CREATE VIEW public.v AS SELECT a FROM public.house")
    connection.execute("INSERT INTO bdc.default_grants VALUES (NULL, 'bdc_user')")


def identity(master: Master, database: str) -> str:
    with master.superuser(database) as connection:
        return str(connection.execute("SELECT bdc.identity()").fetchone()[0])


def test_create_database_works_at_once(people, master: Master, database: str) -> None:
    admin = people("ada", "admin")
    master.pool.learn(master.superuser())
    master.pool.run(
        database, "CREATE TABLE public.house (a int); INSERT INTO public.house VALUES (42); GRANT SELECT ON public.house TO PUBLIC"
    )
    fill(admin)
    assert options(admin)["dbname"] == database
    assert admin.execute("SELECT a FROM house").fetchone() == (42,)


def test_a_user_can_make_a_database(people, master: Master) -> None:
    admin = people("ada", "admin")
    admin.execute("CREATE DATABASE made_by_ada")
    try:
        with psycopg.connect(admin.info.dsn, password=admin.info.password, dbname="made_by_ada", autocommit=True) as connection:
            connection.execute("CALL bdc.create_data_source('x', 'hdfs', 'hdfs://h:1')")
            assert connection.execute("SELECT bdc.identity() IS NOT NULL").fetchone() == (True,)
    finally:
        with master.superuser("postgres") as connection:
            connection.execute("DROP DATABASE made_by_ada WITH (FORCE)")


def test_copy_and_rename_are_settled_before_the_first_statement(people, master: Master, database: str) -> None:
    fill(people("ada", "admin"))
    original = identity(master, database)
    with master.superuser("postgres") as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'")
        connection.execute(f"CREATE DATABASE {database}_copy TEMPLATE {database}")
        connection.execute(f"ALTER DATABASE {database} RENAME TO {database}_renamed")
    try:
        with master.superuser(f"{database}_copy") as copy:
            assert options(copy)["dbname"] == f"{database}_copy"
            assert copy.execute("SELECT count(*) FROM bdc.identities").fetchone() == (2,)
        with master.superuser(f"{database}_renamed") as renamed:
            assert options(renamed)["dbname"] == f"{database}_renamed"
        assert identity(master, f"{database}_copy") != original
        assert identity(master, f"{database}_renamed") == original
    finally:
        with master.superuser("postgres") as connection:
            for suffix in ("copy", "renamed"):
                connection.execute(f"DROP DATABASE {database}_{suffix} WITH (FORCE)")


def test_read_only_session_is_refused_until_settled(people, master: Master, database: str) -> None:
    people("ada", "admin").close()
    with master.superuser(database) as connection:
        connection.execute("ALTER SERVER compute_pool OPTIONS (SET dbname 'elsewhere')")
        password = master.secrets["pool-password"]
        with pytest.raises(psycopg.OperationalError, match="could not be settled"):
            psycopg.connect(master.dsn_of("bdc_pool", password, database), options="-c default_transaction_read_only=on")
        master.connect("bdc_pool", password, database).close()
        assert options(connection)["dbname"] == database


def dump(master: Master, database: str, *arguments: str) -> str:
    return tool(master, "pg_dump", "-d", database, *arguments)


def tool(master: Master, name: str, *arguments: str, stdin: str | None = None) -> str:
    environment = {
        **os.environ,
        "PGPASSWORD": master.secrets["master-superuser"],
        "PGHOST": "127.0.0.1",
        "PGPORT": str(master.settings.port),
        "PGUSER": "bdc_controller",
    }
    done = subprocess.run([bin_folder() / name, *arguments], input=stdin, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("template", ["template1", "template0"])
def test_dump_and_restore_are_clean(people, master: Master, database: str, template: str) -> None:
    admin = people("ada", "admin")
    fill(admin)
    admin.execute("ALTER TABLE house RENAME TO home")
    original = identity(master, database)
    text = dump(master, database)
    assert "USER MAPPING" not in text and "SCRAM" not in text and "CREATE SERVER" not in text and "pg_authid" not in text
    restored = f"{database}_restored"
    with master.superuser("postgres") as connection:
        connection.execute(f"CREATE DATABASE {restored} TEMPLATE {template}")
    try:
        tool(master, "psql", "-d", restored, "-v", "ON_ERROR_STOP=1", "-q", stdin=text)
        migrate(master.dsn)
        with master.superuser(restored) as connection:
            assert connection.execute("SELECT source_name, relation::text FROM bdc.virtual_tables").fetchone() == ("legacy", "home")
            assert connection.execute("SELECT credential ->> 'sealed' FROM bdc.source_definitions").fetchone() == ("sealed:v2:QUJD",)
            assert connection.execute("SELECT array_agg(grantee::text) FROM bdc.default_grants").fetchone() == (["bdc_user"],)
            assert connection.execute("SELECT bdc.pool_privileges('ada', 'public', 'house')").fetchone() == (True,)
        assert identity(master, restored) != original
        master.setup()
        with master.superuser(restored) as connection:
            roles = {name for (name,) in connection.execute("SELECT usename FROM pg_user_mappings WHERE srvname = 'compute_pool'")}
            assert roles >= {*MAPPED_GROUPS, "ada"}
            assert options(connection)["dbname"] == restored
        # what was restored dumps to the same again
        again = dump(master, restored, "--schema-only", "--restrict-key=x")
        assert again == dump(master, database, "--schema-only", "--restrict-key=x")
    finally:
        with master.superuser("postgres") as connection:
            connection.execute(f"DROP DATABASE {restored} WITH (FORCE)")
