"""Virtual tables: given and detected columns, statistics, refresh, import, names, grants."""

from __future__ import annotations

import pytest
from psycopg import errors

from tests.pools.master.conftest import Master

SOURCE = {"name": "legacy", "connector": "postgresql", "location": "postgresql://db:5432/sales", "options": {}, "credential": {}}
COLUMNS = '[{"name": "id", "type": "int8", "nullable": false}, {"name": "price", "type": "numeric(12,2)", "remote": "PRICE"}]'


@pytest.fixture
def admin(people):
    connection = people("ada", "admin")
    connection.execute("CALL bdc.create_data_source('legacy', 'postgresql', 'postgresql://db:5432/sales')")
    return connection


def columns_of_house(connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
        "WHERE attrelid = 'house'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    ).fetchall()


def detect(master: Master, database: str, answer: dict[str, object], **more: object) -> None:
    request = {"action": "detect", "source": SOURCE, "location": "public.house", "options": {}, "user": "ada", **more}
    master.pool.answer(database, request, {"options": {}, "rows": None, "unmapped": [], **answer})


def test_given_columns(admin, master: Master, database: str) -> None:
    admin.execute("CALL bdc.create_virtual_table('house', 'legacy', 'public.house', %s)", [COLUMNS])
    columns = columns_of_house(admin)
    assert columns == [("id", "bigint", True), ("price", "numeric(12,2)", False)]
    assert admin.execute("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'house'::regclass").fetchone() == ("ada",)
    with master.connect("bdc_pool", master.secrets["pool-password"], database) as pool:
        (table,) = pool.execute("SELECT bdc.pool_catalog() -> 'tables'").fetchone()[0]
    assert table == {
        "schema": "public", "name": "house", "source": "legacy", "location": "public.house", "options": {}, "rows": None,
        "columns": [{"name": "id", "type": "bigint", "nullable": False, "remote": "id"},
                    {"name": "price", "type": "numeric(12,2)", "nullable": True, "remote": "PRICE"}],
    }  # fmt: skip


def test_detected_columns_and_statistics(admin, master: Master, database: str) -> None:
    seen = [{"name": "id", "type": "bigint", "seen": "int 100 % of 9"}, {"name": "v", "type": "text", "seen": None}]
    detect(master, database, {"columns": seen, "options": {"header": "true"}, "rows": 506})
    admin.execute("CALL bdc.create_virtual_table('house', 'legacy', 'public.house')")
    assert admin.execute("SELECT options, rows FROM bdc.virtual_tables").fetchone() == ({"header": "true"}, 506)
    kept = admin.execute("SELECT columns #>> '{0,seen}', columns -> 1 ? 'seen' FROM bdc.virtual_tables").fetchone()
    assert kept == ("int 100 % of 9", False)
    assert admin.execute("SELECT reltuples FROM pg_class WHERE oid = 'house'::regclass").fetchone() == (506,)


def test_detection_in_a_transaction_sees_its_own_source(people, master: Master, database: str) -> None:
    admin = people("ada", "admin")
    detect(master, database, {"columns": [{"name": "id", "type": "bigint"}]})
    with admin.transaction():
        admin.execute("CALL bdc.create_data_source('legacy', 'postgresql', 'postgresql://db:5432/sales')")
        admin.execute("CALL bdc.create_virtual_table('house', 'legacy', 'public.house')")
    assert admin.execute("SELECT relation::text FROM bdc.virtual_tables").fetchone() == ("house",)


def test_unmappable_type_is_named_with_its_column(admin, master: Master, database: str) -> None:
    detect(master, database, {"columns": [{"name": "id", "type": "bigint"}], "unmapped": [["shape", "geometry", "no such type"]]})
    with pytest.raises(errors.FeatureNotSupported, match=r'column "shape": geometry \(no such type\)'):
        admin.execute("CALL bdc.create_virtual_table('house', 'legacy', 'public.house')")


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        ("[]", errors.InvalidParameterValue, "at least one column"),
        ('[{"name": "a"}]', errors.InvalidParameterValue, 'needs "name" and "type"'),
        ('[{"name": "a", "type": "blob9"}]', errors.UndefinedObject, 'column "a": type "blob9" does not exist'),
        ('[{"name": "a", "type": "int); DROP SCHEMA bdc CASCADE; --"}]', errors.UndefinedObject, "does not exist"),
        ('[{"name": "a", "type": "record"}]', errors.FeatureNotSupported, 'column "a": type "record"'),
        ('[{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]', errors.DuplicateColumn, "named twice"),
        ('[{"name": "' + "x" * 64 + '", "type": "int"}]', errors.NameTooLong, "longer than 63 bytes"),
    ],
)
def test_bad_columns(resident, columns: str, error, words: str) -> None:
    with pytest.raises(error, match=words):
        resident.execute("CALL bdc.create_virtual_table('t', 'resident', 'x', %s)", [columns])


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("t", "nosource", "x"), errors.UndefinedObject, 'data source "nosource" does not exist'),
        (("t", "resident", None), errors.InvalidParameterValue, "location is missing"),
        (("no.t", "resident", "x"), errors.InvalidSchemaName, 'schema "no" does not exist'),
        (("bdc.t", "resident", "x"), errors.InsufficientPrivilege, "the system's own"),
        (("pg_catalog.t", "resident", "x"), errors.InsufficientPrivilege, "the system's own"),
        (("a.b.c", "resident", "x"), errors.InvalidName, "no table name"),
        (("taken", "resident", "x"), errors.DuplicateTable, '"public.taken" already exists'),
    ],
)
def test_bad_arguments(resident, arguments, error, words: str) -> None:
    with pytest.raises(error, match=words):
        resident.execute("CALL bdc.create_virtual_table(%s, %s, %s, %s)", [*arguments, COLUMNS])


def test_names_with_metacharacters(admin) -> None:
    admin.execute('CREATE SCHEMA "we""ird \'; x"')
    name = '"we""ird \'; x"."t\'a"" %s ; é"'
    admin.execute("CALL bdc.create_virtual_table(%s, 'legacy', %s, %s)", [name, "l'o\"c", '[{"name": "c\'o\\"l; é", "type": "text"}]'])
    assert admin.execute("SELECT schema_name, table_name, location FROM bdc.virtual_tables").fetchone() == (
        "we\"ird '; x",
        "t'a\" %s ; é",
        "l'o\"c",
    )
    admin.execute("CALL bdc.drop_virtual_table(%s)", [name])
    assert admin.execute("SELECT count(*) FROM bdc.virtual_tables").fetchone() == (0,)


def test_refresh_follows_the_source(admin, master: Master, database: str) -> None:
    detect(master, database, {"columns": [{"name": "a", "type": "integer"}, {"name": "gone", "type": "text"}], "rows": 10})
    admin.execute("CALL bdc.create_virtual_table('house', 'legacy', 'public.house')")
    detect(master, database, {"columns": [{"name": "a", "type": "bigint"}, {"name": "new", "type": "date", "nullable": False}], "rows": 20})
    admin.execute("CALL bdc.refresh_table('house')")
    columns = columns_of_house(admin)
    assert columns == [("a", "bigint", False), ("new", "date", True)]
    assert admin.execute("SELECT rows, reltuples FROM bdc.virtual_tables, pg_class WHERE oid = relation").fetchone() == (20, 20)
    admin.execute("CREATE VIEW v AS SELECT new FROM house")
    detect(master, database, {"columns": [{"name": "a", "type": "bigint"}], "rows": 20})
    with pytest.raises(errors.DependentObjectsStillExist):
        admin.execute("CALL bdc.refresh_table('house')")


def test_import_schema(admin, master: Master, database: str) -> None:
    admin.execute("CREATE SCHEMA sales")
    request = {"action": "objects", "source": SOURCE, "schema": "public", "user": "ada"}
    objects = [{"schema": "public", "name": name, "location": f"public.{name}", "kind": "table"} for name in ("house", "Ünï 'q'", "left")]
    master.pool.answer(database, request, *objects)
    detect(master, database, {"columns": [{"name": "a", "type": "text"}], "unmapped": [["g", "geometry", "why"]]})
    detect(master, database, {"columns": [{"name": "b", "type": "text"}], "rows": 3}, location="public.Ünï 'q'")
    notices: list[str] = []
    admin.add_notice_handler(lambda notice: notices.append(f"{notice.severity} {notice.message_primary}"))
    admin.execute("CALL bdc.import_schema('legacy', 'public', 'sales', leave_out => ARRAY['left'])")
    assert notices == [
        'WARNING public.house: left out columns whose types can\'t be carried: "g" geometry (why)',
        'NOTICE 2 virtual tables imported from "legacy"',
    ]
    assert admin.execute("SELECT array_agg(table_name ORDER BY 1) FROM bdc.virtual_tables").fetchone() == (["house", "Ünï 'q'"],)
    master.pool.answer(database, {**request, "schema": "empty"})
    with pytest.raises(errors.FdwSchemaNotFound, match="nothing to import"):
        admin.execute("CALL bdc.import_schema('legacy', 'empty', 'sales')")


def test_pool_errors_keep_code_message_and_hint_and_hide_the_request(admin, master: Master, database: str) -> None:
    master.pool.run(
        database,
        "ALTER TABLE bdc.compute_request RENAME TO was; CREATE FUNCTION bdc.fail() RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION USING ERRCODE = '28000', MESSAGE = 'the source refused', HINT = 'ask'; END $$;"
        "CREATE VIEW bdc.compute_request AS SELECT bdc.fail() AS request, 1 AS ordinal, ''::text AS response;"
        "GRANT SELECT ON bdc.compute_request TO PUBLIC",
    )
    with pytest.raises(errors.InvalidAuthorizationSpecification) as caught:
        admin.execute("CALL bdc.create_virtual_table('house', 'legacy', 'public.house')")
    diag = caught.value.diag
    assert (diag.message_primary, diag.message_hint, diag.message_detail) == ("the source refused", "ask", None)
    assert "compute_request WHERE" not in (caught.value.diag.context or "")


def test_default_grants(admin, people) -> None:
    user = people("uwe")
    admin.execute("INSERT INTO bdc.default_grants VALUES ('public', 'bdc_user'), (NULL, 'nobody here')")
    admin.execute("CALL bdc.create_virtual_table('seen', 'legacy', 'x', %s)", [COLUMNS])
    admin.execute("DELETE FROM bdc.default_grants")
    admin.execute("CALL bdc.create_virtual_table('hidden', 'legacy', 'x', %s)", [COLUMNS])
    query = "SELECT has_table_privilege('seen', 'SELECT'), has_table_privilege('hidden', 'SELECT')"
    assert user.execute(query).fetchone() == (True, False)
    with pytest.raises(errors.InsufficientPrivilege):
        user.execute("INSERT INTO bdc.default_grants VALUES (NULL, 'uwe')")


def test_test_queries_and_kill(admin, people, master: Master, database: str) -> None:
    master.pool.answer(database, {"action": "test", "source": SOURCE, "user": "ada"}, {"version": "PostgreSQL 18", "milliseconds": 1.5})
    assert admin.execute("SELECT * FROM bdc.test_source('legacy')").fetchone() == (True, "PostgreSQL 18", 1.5)
    running = [
        {"id": str(number), "user": user, "database": "d", "sql": "SELECT", "state": "running", "seconds": 1.0, "rows": 5}
        for number, user in enumerate(("ada", "uwe"))
    ]
    user = people("uwe")
    for name in ("ada", "uwe"):
        master.pool.answer(database, {"action": "queries", "user": name}, *running)
        master.pool.answer(database, {"action": "kill", "id": "1", "user": name}, {"killed": True})
    assert [row[0] for row in admin.execute("SELECT id FROM bdc.queries()")] == ["0", "1"]
    assert [row[0] for row in user.execute("SELECT id FROM bdc.queries()")] == ["1"]
    assert user.execute("SELECT bdc.kill_query('1')").fetchone() == (True,)
    with pytest.raises(errors.UndefinedObject):
        user.execute("SELECT bdc.kill_query('0')")
    with pytest.raises(errors.InsufficientPrivilege):
        user.execute("SELECT * FROM bdc.test_source('legacy')")
