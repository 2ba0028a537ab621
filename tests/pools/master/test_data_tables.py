"""Tables of the data pool: made, refused, altered, dropped, copied, dumped and restored."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from tests.pools.master.conftest import Master
from tests.pools.master.data_tables import COLUMNS, SHARDS, Pool, announce_shards
from tests.pools.master.test_databases import dump, tool


def test_a_table_with_its_foreign_table(admin_of_data: psycopg.Connection, data_pool: Pool) -> None:
    admin_of_data.execute("CALL bdc.create_data_table('t', %s, 'hash(id)')", [COLUMNS])
    (table,) = data_pool.ask("catalog")["tables"]
    data = table["data"]
    assert table["location"] == data["id"] and table["source"] == "data_pool"
    assert data["columns"] == [
        {"id": 1, "name": "id", "type": "bigint", "nullable": False, "remote": "id"},
        {"id": 2, "name": "price", "type": "numeric(12,2)", "nullable": True, "remote": "price"},
    ]
    assert data["distribution"] == {"kind": "hash", "columns": ["id"], "hash_version": 1}
    assert (data["shards"], data["buckets"], data["schema_version"], data["primary_key"]) == (SHARDS, [0, 1] * 128, 1, [])
    assert data["identity"] == data_pool.ask("catalog")["identity"]
    options = dict(
        admin_of_data.execute("SELECT (pg_options_to_table(ftoptions)).* FROM pg_foreign_table WHERE ftrelid = 't'::regclass").fetchall()
    )
    assert (options["updatable"], options["truncatable"], int(options["batch_size"]) > 1) == ("true", "true", True)


def test_alter(data_table: str, admin_of_data: psycopg.Connection, data_pool: Pool) -> None:
    for change in (
        '{"add": {"name": "n", "type": "int", "nullable": false, "default": "7"}}',
        '{"widen": "n", "type": "int8"}',
        '{"rename": "n", "to": "m"}',
        '{"rename": "id", "to": "key"}',
        '{"drop": "price"}',
    ):
        admin_of_data.execute("CALL bdc.alter_data_table('t', %s)", [change])
    data = data_pool.ask("catalog")["tables"][0]["data"]
    assert data["schema_version"] == 6 and data["distribution"]["columns"] == ["key"]
    assert [(one["id"], one["name"], one["type"], one.get("default")) for one in data["columns"]] == [
        (1, "key", "bigint", None),
        (3, "m", "bigint", "7"),
    ]
    query = "SELECT attname, atttypid::regtype::text FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped"
    assert admin_of_data.execute(query).fetchall() == [("key", "bigint"), ("m", "bigint")]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ('{"add": {"name": "n", "type": "int", "nullable": false}}', errors.NotNullViolation),
        ('{"add": {"name": "price", "type": "int"}}', errors.DuplicateColumn),
        ('{"add": {"name": "n", "type": "int", "default": "now()"}}', errors.InvalidTextRepresentation),
        ('{"drop": "id"}', errors.FeatureNotSupported),
        ('{"drop": "none"}', errors.UndefinedColumn),
        ('{"widen": "price", "type": "numeric(10,2)"}', errors.FeatureNotSupported),
        ('{"rename": "price", "to": "id"}', errors.DuplicateColumn),
        ('{"other": 1}', errors.InvalidParameterValue),
    ],
)
def test_refused_changes(data_table: str, admin_of_data: psycopg.Connection, change: str, error: type[errors.Error]) -> None:
    with pytest.raises(error):
        admin_of_data.execute("CALL bdc.alter_data_table('t', %s)", [change])


@pytest.mark.parametrize(
    "change",
    [
        "ADD COLUMN n int",
        "DROP COLUMN price",
        "ALTER COLUMN price TYPE text",
        "ALTER COLUMN price SET NOT NULL",
        "ALTER COLUMN price OPTIONS (SET column_name 'id')",
    ],
)
@pytest.mark.parametrize("verb", ["ALTER TABLE", "ALTER FOREIGN TABLE"])
def test_columns_are_not_changed_behind_the_shards(data_table: str, admin_of_data: psycopg.Connection, verb: str, change: str) -> None:
    with pytest.raises(errors.FeatureNotSupported, match="not changed by ALTER TABLE") as refused:
        admin_of_data.execute(f"{verb} t {change}")
    assert "bdc.alter_data_table('public.t'" in (refused.value.diag.message_hint or "")


def test_what_the_shards_do_not_see_is_altered_as_ever(data_table: str, admin_of_data: psycopg.Connection) -> None:
    admin_of_data.execute("ALTER TABLE t ALTER COLUMN price SET STATISTICS 500; ALTER TABLE t RENAME COLUMN price TO cost")
    admin_of_data.execute("ALTER TABLE t RENAME TO u; ALTER FOREIGN TABLE u OPTIONS (ADD fetch_size '5')")
    admin_of_data.execute("""CALL bdc.alter_data_table('u', '{"add": {"name": "n", "type": "int"}}')""")


@pytest.mark.parametrize(
    ("columns", "distribution", "key", "error"),
    [
        ('[{"name": "a", "type": "money"}]', None, None, errors.FeatureNotSupported),
        ('[{"name": "a", "type": "jsonb"}]', "HASH(a)", None, errors.FeatureNotSupported),
        ('[{"name": "a", "type": "int"}]', "HASH(b)", None, errors.UndefinedColumn),
        ('[{"name": "a", "type": "int"}]', "HASH(a; DROP)", None, errors.InvalidParameterValue),
        ('[{"name": "a", "type": "int"}]', "RANDOM", None, errors.InvalidParameterValue),
        ('[{"name": "a", "type": "int"}]', "ROUND_ROBIN", ["a"], errors.InvalidTableDefinition),
        ('[{"name": "a", "type": "int", "default": "x"}]', None, None, errors.InvalidTextRepresentation),
        ('[{"name": "a", "type": "varchar(3)", "default": "abcd"}]', None, None, errors.StringDataRightTruncation),
    ],
)
def test_refused_tables(admin_of_data: psycopg.Connection, columns: str, distribution: str | None, key: list[str] | None, error) -> None:
    with pytest.raises(error):
        admin_of_data.execute("CALL bdc.create_data_table('x', %s, %s, %s)", [columns, distribution, key])


def test_names_and_keys(admin_of_data: psycopg.Connection) -> None:
    columns = '[{"name": "B c", "type": "varchar(5)"}, {"name": "a\\"", "type": "uuid"}, {"name": "d", "type": "text[]"}]'
    admin_of_data.execute("CALL bdc.create_data_table('x', %s, %s)", [columns, 'hash ( "B c" , "a""" )'])
    admin_of_data.execute("CALL bdc.create_data_table('y', %s, primary_key => ARRAY['B c'])", [columns])
    query = "SELECT distribution, primary_key, has_rows_here FROM bdc.data_tables_view ORDER BY table_name"
    assert admin_of_data.execute(query).fetchall() == [('HASH("B c", "a""")', [], True), ('HASH("B c")', ["B c"], True)]


def test_a_restored_dump_has_no_rows_until_adopted(
    data_table: str, admin_of_data: psycopg.Connection, master: Master, database: str
) -> None:
    text = dump(master, database)
    restored = f"{database}_restored"
    with master.superuser("postgres") as connection:
        connection.execute(f"CREATE DATABASE {restored}")
    try:
        tool(master, "psql", "-d", restored, "-v", "ON_ERROR_STOP=1", "-q", stdin=text)
        announce_shards(master, restored, "ada")
        pool = Pool(master, restored)
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match=r"data table public\.t has no rows in this database"):
            pool.begin()
        with master.connect("ada", admin_of_data.info.password, restored) as ada:
            ada.execute("CALL bdc.adopt_data_tables()")
            assert ada.execute("SELECT has_rows_here, id::text <> %s FROM bdc.data_tables_view", [data_table]).fetchone() == (True, True)
        assert pool.decide(pool.begin()["load"])["state"] == "committed"
        pool.connection.close()
    finally:
        with master.superuser("postgres") as connection:
            connection.execute(f"DROP DATABASE {restored} WITH (FORCE)")
        master.pool.drop_database(restored)


POOL_ONLY = [
    "SELECT bdc.pool_begin_load('max', '{}')",
    "SELECT bdc.pool_decide_load(gen_random_uuid())",
    "SELECT bdc.pool_abort_load(gen_random_uuid(), '')",
    "SELECT bdc.pool_renew_load(gen_random_uuid(), 1)",
    "SELECT bdc.pool_load(gen_random_uuid())",
    "SELECT bdc.pool_loads()",
    "SELECT bdc.pool_states('{}')",
    "SELECT bdc.pool_applied('{}')",
    "SELECT bdc.pool_snapshot()",
    "SELECT bdc.pool_sweep()",
    "SELECT bdc.pool_collected('{}')",
    "SELECT bdc.pool_table_right('ada', gen_random_uuid(), 'SELECT')",
    "SELECT bdc.pool_backend_xid('1.1', gen_random_uuid())",
    "SELECT bdc.rename_column(1, 'a', 'b')",
    "SELECT bdc.make_data_table('ada', '{}')",
    "SELECT * FROM bdc.data_loads",
    "UPDATE bdc.data_clock SET version = 0",
    "SELECT nextval('bdc.data_generations')",
    "SELECT * FROM bdc.data_heads",
]


def test_the_pools_functions_are_for_the_pool(admin_of_data: psycopg.Connection, people) -> None:
    user = people("uwe")
    for statement in POOL_ONLY:
        for connection in (admin_of_data, user):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement)
    assert user.execute("SELECT count(*) FROM bdc.loads").fetchone() == (0,)
    with pytest.raises(errors.InsufficientPrivilege):
        user.execute("CALL bdc.adopt_data_tables()")
    with pytest.raises(errors.InsufficientPrivilege):
        user.execute('CALL bdc.create_data_table(\'public.x\', \'[{"name": "a", "type": "int"}]\')')
