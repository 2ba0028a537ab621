"""Migrations: setup brings every database to the version that the server's files hold, once, whatever version it has, and to its code."""

from __future__ import annotations

import pathlib

import psycopg
import pytest

from pools.master.extension import FIRST_VERSION, extension_files
from pools.master.extension.renewal import RENEWED, statements_of
from tests.pools.master.conftest import Master

NEXT = """\
CREATE FUNCTION bdc.new_in_this_version() RETURNS int LANGUAGE sql AS 'SELECT 2';
REVOKE ALL ON FUNCTION bdc.new_in_this_version FROM PUBLIC;
ALTER TABLE bdc.source_definitions ADD COLUMN new_column text NOT NULL DEFAULT 'filled';
"""

UPGRADES = pathlib.Path(__file__).parent / "upgrades"
EARLIER = (UPGRADES / "earlier.sql").read_text()
STATE = (UPGRADES / "state.sql").read_text()


def state(connection: psycopg.Connection) -> set[tuple[object, ...]]:
    """All that makes up the extension in a database, but for the rows that are users'."""
    return set(connection.execute(STATE).fetchall())


@pytest.fixture
def newer(master: Master):
    """The server's extension folder with one more version; taken back at the end."""
    folder: pathlib.Path = master.running.folder / "config" / "extension"
    control = (folder / "bdc.control").read_text()
    (folder / "bdc.control").write_text(control.replace(f"'{FIRST_VERSION}'", "'9.9'"))
    (folder / f"bdc--{FIRST_VERSION}--9.9.sql").write_text(NEXT)
    (folder / f"bdc--9.9--{FIRST_VERSION}.sql").write_text(
        "DROP FUNCTION bdc.new_in_this_version; ALTER TABLE bdc.source_definitions DROP COLUMN new_column;"
    )
    yield
    (folder / "bdc.control").write_text(control)
    master.setup()
    for step in (f"{FIRST_VERSION}--9.9", f"9.9--{FIRST_VERSION}"):
        (folder / f"bdc--{step}.sql").unlink()


def test_upgrade_of_all_databases(people, master: Master, database: str, newer: None) -> None:
    admin = people("ada", "admin")
    admin.execute("CALL bdc.create_data_source('p', 'hdfs', 'hdfs://h:1')")
    said = master.setup()
    for name in ("template1", "bdc", "postgres", database):
        assert f'database "{name}": upgraded from {FIRST_VERSION} to 9.9' in said
    assert master.setup() == "nothing to do\n"
    with master.superuser(database) as connection:
        assert connection.execute("SELECT new_column, bdc.new_in_this_version() FROM bdc.source_definitions").fetchone() == ("filled", 2)
    assert admin.execute("SELECT count(*) FROM bdc.data_sources").fetchone() == (1,)


def test_a_database_of_before_gets_todays_code(people, master: Master, database: str) -> None:
    """And keeps its rows. Elsewhere nothing is to be done."""
    admin = people("ada", "admin")
    with master.superuser(database) as connection:
        fresh, clock = state(connection), "SELECT version FROM bdc.data_clock"
        connection.execute(EARLIER)
        admin.execute("CALL bdc.create_data_source('p', 'hdfs', 'hdfs://h:1')")
        before = connection.execute(clock).fetchone()
        assert state(connection) != fresh
        assert master.setup() == f'database "{database}": renewed {FIRST_VERSION}\n'
        assert state(connection) == fresh and connection.execute(clock).fetchone() == before
        assert admin.execute("SELECT count(*) FROM bdc.data_sources").fetchone() == (1,)
        assert master.setup() == "nothing to do\n"


def test_what_a_user_built_on_it_is_not_taken_away(master: Master, database: str) -> None:
    with master.superuser(database) as connection:
        connection.execute(EARLIER)
        connection.execute("CREATE VIEW public.mine AS SELECT bdc.given_up('a') AS a")
        connection.execute("CREATE VIEW public.ours AS SELECT id FROM bdc.query_history")
        with pytest.raises(AssertionError, match=r"view ours depends on view bdc\.query_history"):
            master.setup()
        connection.execute("DROP VIEW public.ours")
        assert "renewed" in master.setup()
        assert connection.execute("SELECT a FROM public.mine").fetchone() == ("a",)


def test_a_database_without_the_extension_gets_it(master: Master) -> None:
    with master.superuser("postgres") as connection:
        connection.execute("CREATE DATABASE bare TEMPLATE template0")
        try:
            assert master.setup() == f'database "bare": installed {FIRST_VERSION}\n'
            with master.superuser("bare") as bare:
                assert bare.execute("SELECT bdc.identity() IS NOT NULL, (SELECT count(*) > 1 FROM bdc.mapping_verifiers)").fetchone() == (
                    True,
                    True,
                )
        finally:
            connection.execute("DROP DATABASE bare WITH (FORCE)")


def test_statements_end_where_they_end() -> None:
    script = """CREATE FUNCTION f() AS $$ SELECT ';' $$; -- a; b
    SELECT 'it''s;', "a;b"; DO $x$ BEGIN; $$ ; $$ END $x$;"""
    assert list(statements_of(script)) == [
        "CREATE FUNCTION f() AS $$ SELECT ';' $$",
        """SELECT 'it''s;', "a;b\"""",
        "DO $x$ BEGIN; $$ ; $$ END $x$",
    ]


def test_files_are_one_script_per_version() -> None:
    files = extension_files()
    assert set(files) >= {"bdc.control", f"bdc--{FIRST_VERSION}.sql", f"bdc--{FIRST_VERSION}--{RENEWED}.sql"}
    assert all(content.startswith("\\echo Use") for name, content in files.items() if name.endswith(".sql"))
    # the substrate replaces its placeholders in every file: the scripts must not hold any by accident
    for content in files.values():
        assert not any(
            "{" + word in content for word in ("data}", "config}", "run}", "secrets}", "logs}", "python}", "program:", "port:", "host:")
        )
