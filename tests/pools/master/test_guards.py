"""The event triggers: views, drops by hand, renames, options that would stand for somebody else's table."""

from __future__ import annotations

import pytest
from psycopg import errors

from tests.pools.master.conftest import Master

COLUMNS = '[{"name": "a", "type": "int"}]'


@pytest.fixture
def admin(people):
    connection = people("ada", "admin")
    connection.execute("CALL bdc.create_data_source('legacy', 'postgresql', 'postgresql://db:5432/sales')")
    for table in ("one", "two"):
        connection.execute("CALL bdc.create_virtual_table(%s, 'legacy', 'x', %s)", [table, COLUMNS])
    return connection


def invoker(connection, view: str) -> list[str] | None:
    return connection.execute("SELECT reloptions FROM pg_class WHERE oid = %s::regclass", [view]).fetchone()[0]


def test_views_over_virtual_tables_run_as_their_caller(admin) -> None:
    admin.execute("CREATE TABLE local (a int)")
    admin.execute("CREATE VIEW direct AS SELECT one.a FROM one JOIN local USING (a)")
    admin.execute('CREATE VIEW "over; it" AS SELECT * FROM direct')
    admin.execute("CREATE VIEW plain AS SELECT * FROM local")
    admin.execute("CREATE VIEW definer WITH (security_invoker = false) AS SELECT * FROM one")
    admin.execute("CREATE OR REPLACE VIEW plain AS SELECT local.a FROM local WHERE a IN (SELECT a FROM one)")
    assert invoker(admin, "direct") == invoker(admin, '"over; it"') == invoker(admin, "plain") == ["security_invoker=true"]
    assert invoker(admin, "definer") == ["security_invoker=false"]


def test_views_made_with_their_schema_run_as_their_caller(admin) -> None:
    admin.execute("CREATE SCHEMA s CREATE VIEW v AS SELECT * FROM public.one")
    assert invoker(admin, "s.v") == ["security_invoker=true"]


def test_views_over_local_tables_are_left_alone(admin) -> None:
    admin.execute("CREATE TABLE local (a int); CREATE VIEW plain AS SELECT * FROM local")
    assert invoker(admin, "plain") is None


def names(connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT table_name FROM bdc.virtual_tables ORDER BY 1")]


def test_drop_by_hand_forgets_the_definition(admin) -> None:
    admin.execute("DROP FOREIGN TABLE one")
    assert names(admin) == ["two"]
    admin.execute("ALTER TABLE two RENAME TO renamed; DROP FOREIGN TABLE renamed")
    assert names(admin) == []


def test_partitions_dropped_with_their_parent_are_forgotten(admin) -> None:
    admin.execute("CREATE TABLE parent (a int) PARTITION BY LIST (a); ALTER TABLE parent ATTACH PARTITION one FOR VALUES IN (1)")
    admin.execute("DROP TABLE parent")
    assert names(admin) == ["two"]


def test_drop_schema_and_rollback(admin) -> None:
    admin.execute("CREATE SCHEMA s")
    admin.execute("CALL bdc.create_virtual_table('s.t', 'legacy', 'x', %s)", [COLUMNS])
    with pytest.raises(ZeroDivisionError), admin.transaction():
        admin.execute("DROP SCHEMA s CASCADE")
        assert names(admin) == ["one", "two"]
        raise ZeroDivisionError
    assert names(admin) == ["one", "t", "two"]
    admin.execute("DROP SCHEMA s CASCADE")
    assert names(admin) == ["one", "two"]


def test_rename_keeps_the_key_and_frees_the_name(admin) -> None:
    admin.execute("ALTER FOREIGN TABLE one RENAME TO uno; ALTER TABLE uno RENAME COLUMN a TO b")
    admin.execute("CALL bdc.create_virtual_table('one', 'legacy', 'y', %s)", [COLUMNS])
    rows = dict(admin.execute("SELECT relation::text, table_name FROM bdc.virtual_tables").fetchall())
    assert rows["uno"] == "one" and rows["one"].startswith("one~")
    (plan,) = admin.execute("EXPLAIN (VERBOSE, FORMAT JSON) SELECT b FROM uno").fetchone()
    assert plan[0]["Plan"]["Remote SQL"] == "SELECT a FROM public.one"
    admin.execute("CALL bdc.drop_virtual_table('uno')")
    assert set(dict(admin.execute("SELECT relation::text, 1 FROM bdc.virtual_tables").fetchall())) == {"one", "two"}


@pytest.mark.parametrize(
    "option", ["SET table_name 'two'", "SET table_name 'unknown'", "SET schema_name 'bdc', SET table_name 'compute_request'"]
)
@pytest.mark.parametrize("verb", ["ALTER FOREIGN TABLE", "ALTER TABLE"])
def test_the_key_can_not_be_changed(admin, verb: str, option: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege, match="can't be changed"):
        admin.execute(f"{verb} one OPTIONS ({option})")
    admin.execute(f"{verb} one OPTIONS (ADD fetch_size '5')")


def test_the_key_can_not_be_changed_by_way_of_a_superusers_session(admin, master: Master, database: str) -> None:
    admin.execute(
        "CREATE FUNCTION trap() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS "
        "$$ BEGIN EXECUTE 'ALTER FOREIGN TABLE public.one OPTIONS (SET table_name ''two'')'; RETURN 1; END $$"
    )
    with master.superuser(database) as superuser, pytest.raises(errors.InsufficientPrivilege, match="can't be changed"):
        superuser.execute("SELECT trap()")


def test_others_alter_their_own_tables(admin, people) -> None:
    admin.execute("CREATE SCHEMA w; GRANT USAGE, CREATE ON SCHEMA w TO PUBLIC")
    people("uwe").execute("CREATE TABLE w.t (a int); ALTER TABLE w.t ADD COLUMN b int")


def test_virtual_tables_are_read_only_with_a_clear_error(admin) -> None:
    with pytest.raises(errors.ObjectNotInPrerequisiteState, match="does not allow inserts"):
        admin.execute("INSERT INTO one VALUES (1)")


def test_drop_virtual_table(admin, people) -> None:
    admin.execute("CREATE VIEW v AS SELECT * FROM one")
    with pytest.raises(errors.DependentObjectsStillExist):
        admin.execute("CALL bdc.drop_virtual_table('one')")
    admin.execute("CALL bdc.drop_virtual_table('one', true)")
    assert names(admin) == ["two"]
    admin.execute("CREATE TABLE local (a int)")
    for name in ("local", "nothing", "bdc.compute_request"):
        with pytest.raises(errors.UndefinedTable, match="does not exist"):
            admin.execute("CALL bdc.drop_virtual_table(%s)", [name])
    with pytest.raises(errors.InsufficientPrivilege, match=r"must be owner of virtual table public\.two"):
        people("uwe").execute("CALL bdc.drop_virtual_table('two')")
