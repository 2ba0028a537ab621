"""Data sources through SQL: what is stored, what is refused and with which words."""

from __future__ import annotations

import re
from contextlib import suppress

import psycopg
import pytest
from psycopg import errors

from tests.patience import PATIENCE
from tests.pools.master.conftest import Master

CREATE = "CALL bdc.create_data_source(%s, %s, %s, %s, %s)"
LEGACY = ("legacy", "postgresql", "postgresql://db:5432/sales", '{"timeout": 5}', '{"user": "reader", "sealed": "sealed:v2:QUJD"}')


def test_create_alter_and_drop(people, master: Master, database: str) -> None:
    admin = people("ada", "admin")
    admin.execute(CREATE, LEGACY)
    row = admin.execute("SELECT name, connector, location, options, credential, owner, version FROM bdc.data_sources").fetchone()
    assert row == ("legacy", "postgresql", "postgresql://db:5432/sales", {"timeout": "5"}, {"user": "reader", "sealed": "…"}, "ada", 1)
    admin.execute(
        "CALL bdc.alter_data_source('legacy', location => 'postgresql://db2:5432/sales', credential => %s)",
        ['{"user": "reader", "sealed": "sealed:v2:QUJE"}'],
    )
    row = admin.execute("SELECT location, options, version FROM bdc.data_sources").fetchone()
    assert row == ("postgresql://db2:5432/sales", {"timeout": "5"}, 2)
    with master.superuser(database) as connection:
        assert connection.execute("SELECT credential ->> 'sealed' FROM bdc.source_definitions").fetchone() == ("sealed:v2:QUJE",)
    admin.execute("CALL bdc.drop_data_source('legacy')")
    assert admin.execute("SELECT count(*) FROM bdc.data_sources").fetchone() == (0,)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("", "postgresql", "postgresql://h/d", None, None), errors.InvalidParameterValue, "name is missing"),
        (("a", "oracle9", "x://h", None, None), errors.InvalidParameterValue, 'connector "oracle9" does not exist.*mongodb, .*postgresql'),
        (("a", "hdfs", None, None, None), errors.InvalidParameterValue, "location is missing"),
        (("a", "hdfs", "/data", None, None), errors.InvalidParameterValue, r'location "/data" is none of connector "hdfs".*hdfs://namenode:8020'),
        (("a", "hdfs", "hdfs://u:secret@h:1", None, None), errors.InvalidParameterValue, "secret in clear text.*Seal it"),
        (("a", "postgresql", "postgresql://h/d?password=x", None, None), errors.InvalidParameterValue, "secret in clear text"),
        (("a", "hdfs", "hdfs://h:1", '{"password": "x"}', None), errors.InvalidParameterValue, 'option "password" looks like'),
        (("a", "hdfs", "hdfs://h:1", '{"o": "PWD=x"}', None), errors.InvalidParameterValue, 'option "o" looks like'),
        (("a", "hdfs", "hdfs://h:1", '{"o": []}', None), errors.InvalidParameterValue, 'option "o" must be a text'),
        (("a", "hdfs", "hdfs://h:1", "[]", None), errors.InvalidParameterValue, "options must be a JSON object"),
        (("a", "hdfs", "hdfs://h:1", None, '{"user": "u", "password": "p"}'), errors.InvalidParameterValue, "Seal|seal"),
        (("a", "hdfs", "hdfs://h:1", None, '{"sealed": "clear"}'), errors.InvalidParameterValue, "not a sealed value"),
        (("a", "hdfs", "hdfs://h:1", None, '{"mounted": "../etc/passwd"}'), errors.FeatureNotSupported, "mounted"),
    ],
)  # fmt: skip
def test_refusals_say_what_and_what_instead(resident, arguments, error, words: str) -> None:
    with pytest.raises(error) as caught:
        resident.execute(CREATE, arguments)
    text = f"{caught.value.diag.message_primary} {caught.value.diag.message_hint}"
    assert re.search(words, text), text
    assert resident.execute("SELECT count(*) FROM bdc.data_sources WHERE name = 'a'").fetchone() == (0,)


def test_duplicate_and_unknown(people) -> None:
    admin = people("ada", "admin")
    admin.execute(CREATE, LEGACY)
    with pytest.raises(errors.DuplicateObject, match='"legacy" already exists'):
        admin.execute(CREATE, LEGACY)
    with pytest.raises(errors.UndefinedObject, match='data source "nothing" does not exist'):
        admin.execute("CALL bdc.alter_data_source('nothing', location => 'hdfs://h:1')")
    with pytest.raises(errors.UndefinedObject):
        admin.execute("CALL bdc.drop_data_source('nothing')")


def test_names_with_metacharacters(people) -> None:
    admin = people("ada", "admin")
    for name in ('it\'s "quoted"', "x'; DROP SCHEMA bdc CASCADE; --", "größe 数据", "%s $1 \\"):
        admin.execute(CREATE, (name, *LEGACY[1:]))
        assert admin.execute("SELECT count(*) FROM bdc.data_sources WHERE name = %s", [name]).fetchone() == (1,)
        admin.execute("CALL bdc.drop_data_source(%s)", [name])


def test_rollback_leaves_nothing(people) -> None:
    admin = people("ada", "admin")
    with pytest.raises(ZeroDivisionError), admin.transaction():
        admin.execute(CREATE, LEGACY)
        raise ZeroDivisionError
    assert admin.execute("SELECT count(*) FROM bdc.data_sources").fetchone() == (0,)


def test_drop_names_dependent_tables(people) -> None:
    admin = people("ada", "admin")
    admin.execute(CREATE, LEGACY)
    admin.execute("CALL bdc.create_virtual_table('t1', 'legacy', 'public.t', '[{\"name\": \"a\", \"type\": \"int\"}]')")
    with pytest.raises(errors.DependentObjectsStillExist) as caught:
        admin.execute("CALL bdc.drop_data_source('legacy')")
    assert caught.value.diag.message_detail == "public.t1"
    admin.execute("CALL bdc.drop_data_source('legacy', true)")
    assert admin.execute("SELECT to_regclass('t1'), (SELECT count(*) FROM bdc.virtual_tables)").fetchone() == (None, 0)


def test_only_admins_create_and_grants_let_users_build_on_a_source(people) -> None:
    admin, user = people("ada", "admin"), people("uwe")
    with pytest.raises(errors.InsufficientPrivilege, match="only members of bdc_admin"):
        user.execute(CREATE, LEGACY)
    admin.execute(CREATE, LEGACY)
    admin.execute("CREATE SCHEMA work; GRANT USAGE, CREATE ON SCHEMA work TO uwe")
    table = "CALL bdc.create_virtual_table('work.t', 'legacy', 'public.t', '[{\"name\": \"a\", \"type\": \"int\"}]')"
    with pytest.raises(errors.InsufficientPrivilege) as caught:
        user.execute(table)
    assert caught.value.diag.message_hint is not None and "CALL bdc.grant_source('legacy', 'uwe')" in caught.value.diag.message_hint
    with pytest.raises(errors.InsufficientPrivilege, match='belongs to "ada"'):
        user.execute("CALL bdc.alter_data_source('legacy', options => '{}')")
    admin.execute("CALL bdc.grant_source('legacy', 'uwe')")
    user.execute(table)
    assert user.execute("SELECT owner FROM bdc.virtual_tables").fetchone() == ("uwe",)
    admin.execute("CALL bdc.revoke_source('legacy', 'uwe')")
    user.execute("CALL bdc.drop_virtual_table('work.t')")
    with pytest.raises(errors.InsufficientPrivilege):
        user.execute(table)


def test_a_sealed_secret_is_not_sent_elsewhere(people) -> None:
    admin = people("ada", "admin")
    admin.execute(CREATE, LEGACY)
    with pytest.raises(errors.InsufficientPrivilege, match="present server only"):
        admin.execute("CALL bdc.alter_data_source('legacy', location => 'postgresql://mine:5432/trap')")
    admin.execute("CALL bdc.alter_data_source('legacy', location => 'postgresql://db:5432/archive')")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM bdc.test_source('legacy')",
        "CALL bdc.create_virtual_table('work.t', 'legacy', 'public.t')",
        "CALL bdc.import_schema('legacy', 'public', 'work')",
    ],
)
def test_printed_plans_show_no_sealed_secret(people, statement: str) -> None:
    admin, user = people("ada", "admin"), people("uwe")
    admin.execute(CREATE, LEGACY)
    admin.execute("CREATE SCHEMA work; GRANT USAGE, CREATE ON SCHEMA work TO uwe; CALL bdc.grant_source('legacy', 'uwe')")
    shown: list[str] = []
    user.add_notice_handler(lambda notice: shown.append(f"{notice.message_primary} {notice.message_detail}"))
    user.execute("SET client_min_messages = log; SET debug_pretty_print = off")
    user.execute("SET debug_print_plan = on; SET debug_print_parse = on; SET debug_print_rewritten = on")
    with suppress(errors.Error):
        user.execute(statement)
    as_bytes = " ".join(str(byte) for byte in b"sealed:v2:QUJD")
    assert any("PLANNEDSTMT" in text for text in shown)
    assert not any("QUJD" in text or as_bytes in text for text in shown)


def test_the_caller_can_not_be_forged(people, database: str, master: Master) -> None:
    user = people("uwe")
    with pytest.raises(errors.InsufficientPrivilege):
        user.execute("INSERT INTO bdc.commands (command, arguments, caller) VALUES ('create_data_source', '{}', 'bdc_controller')")
    people("ada", "admin").execute("CREATE SCHEMA trap; GRANT USAGE, CREATE ON SCHEMA trap TO uwe")
    user.execute(
        "CREATE FUNCTION trap.f() RETURNS void LANGUAGE sql SECURITY DEFINER AS "
        "$$ CALL bdc.create_data_source('mine', 'hdfs', 'hdfs://h:1') $$; GRANT EXECUTE ON FUNCTION trap.f TO PUBLIC"
    )
    with master.superuser(database) as connection, pytest.raises(errors.InsufficientPrivilege, match="only members of bdc_admin"):
        connection.execute("SELECT trap.f()")  # the superuser's session, but uwe's function: uwe is the caller


def test_changes_are_told(people, master: Master, database: str) -> None:
    admin = people("ada", "admin")
    with master.connect("bdc_pool", master.secrets["pool-password"], database) as pool:
        pool.execute("LISTEN bdc_catalog")
        admin.execute(CREATE, LEGACY)
        (notice,) = pool.notifies(timeout=PATIENCE, stop_after=1)
        catalog = pool.execute("SELECT bdc.pool_catalog()").fetchone()[0]
    assert catalog["version"] == notice.payload
    assert catalog["database"] == database
    (source,) = catalog["sources"]
    assert source["credential"] == {"user": "reader", "sealed": "sealed:v2:QUJD"} and source["name"] == "legacy"


def test_a_superuser_is_not_needed_to_see(people) -> None:
    user = people("uwe")
    for view in ("data_sources", "virtual_tables"):
        assert user.execute(psycopg.sql.SQL("SELECT count(*) FROM bdc.{}").format(psycopg.sql.Identifier(view))).fetchone() == (0,)
