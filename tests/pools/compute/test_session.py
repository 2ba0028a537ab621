"""Sessions of direct clients over real connections (psycopg), with a stand-in engine."""

from __future__ import annotations

import datetime

import psycopg
import pytest
from psycopg import errors

from tests.patience import SOON
from tests.pools.compute.conftest import RunningPool


def test_simple_query(pool: RunningPool) -> None:
    with pool.connect() as connection:
        cursor = connection.execute("SELECT id, name, day FROM public.numbers WHERE id < 3 ORDER BY id")
        assert cursor.fetchall() == [
            (0, None, datetime.date(2024, 1, 1)),
            (1, "name 1", datetime.date(2024, 1, 2)),
            (2, "name 2", datetime.date(2024, 1, 3)),
        ]
        assert cursor.statusmessage == "SELECT 3"


def test_several_statements_in_one_message(pool: RunningPool) -> None:
    with pool.connect() as connection:
        cursor = connection.execute("BEGIN; SELECT 1; SELECT count(*) FROM numbers; COMMIT")
        found = []
        while True:
            if cursor.description:
                found.append(cursor.fetchall())
            if not cursor.nextset():
                break
        assert found == [[(1,)], [(25_000,)]]


def test_all_rows_arrive(pool: RunningPool) -> None:
    with pool.connect() as connection:
        rows = connection.execute("SELECT id FROM numbers ORDER BY id").fetchall()
        assert [row[0] for row in rows] == list(range(25_000))


@pytest.mark.parametrize("binary", [False, True])
def test_parameters(pool: RunningPool, binary: bool) -> None:
    with pool.connect() as connection:
        cursor = connection.execute(
            "SELECT id, name, day FROM numbers WHERE id = %s AND name = %s AND day = %s",
            (8, "name 8", datetime.date(2024, 1, 9)), binary=binary,
        )  # fmt: skip
        assert cursor.fetchall() == [(8, "name 8", datetime.date(2024, 1, 9))]


def test_prepared_statement_is_described_and_reused(pool: RunningPool) -> None:
    with pool.connect(prepare_threshold=0) as connection:
        for number in (1, 2, 3):
            assert connection.execute("SELECT id FROM numbers WHERE id = %s", (number,)).fetchall() == [(number,)]


def test_cursors_interleave(pool: RunningPool) -> None:
    with pool.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("DECLARE c1 CURSOR FOR SELECT id FROM public.numbers ORDER BY id")
        connection.execute("DECLARE c2 CURSOR FOR SELECT id FROM public.numbers ORDER BY id DESC")
        first, second = [], []
        for count in (10, 5_000, 1, 9_999, 20_000):
            first += connection.execute(f"FETCH {count} FROM c1").fetchall()
            second += connection.execute(f"FETCH {count} FROM c2").fetchall()
        assert [row[0] for row in first] == list(range(25_000))
        assert second == first[::-1]
        assert connection.execute("FETCH 10 FROM c1").fetchall() == []
        assert connection.execute("MOVE BACKWARD ALL IN c1").statusmessage == "MOVE 25000"
        assert connection.execute("FETCH 2 FROM c1").fetchall() == [(0,), (1,)]
        connection.execute("CLOSE c1")
        with pytest.raises(errors.InvalidCursorName):
            connection.execute("FETCH 1 FROM c1")
        with pytest.raises(errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        connection.execute("ROLLBACK")
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    assert all(stream.closed.wait(SOON) for stream in pool.engine.streams)


def test_savepoints_close_later_cursors(pool: RunningPool) -> None:
    with pool.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("DECLARE a CURSOR FOR SELECT id FROM numbers ORDER BY id")
        connection.execute("SAVEPOINT s2")
        connection.execute("DECLARE b CURSOR FOR SELECT id FROM numbers")
        with pytest.raises(errors.UndefinedTable):
            connection.execute("SELECT * FROM nowhere")
        connection.execute("ROLLBACK TO SAVEPOINT s2; RELEASE SAVEPOINT s2")
        assert connection.execute("FETCH 1 FROM a").fetchall() == [(0,)]
        with pytest.raises(errors.InvalidCursorName):
            connection.execute("FETCH 1 FROM b")


def test_portals_suspend(pool: RunningPool) -> None:
    """A server-side cursor of a driver that uses Execute with a row limit: psycopg's own speak DECLARE, so drive the protocol."""
    from tests.pools.compute.wire.client import RawClient

    with RawClient.logged_in(pool.port) as client:
        client.extended_begin("SELECT id FROM numbers ORDER BY id")
        assert client.execute("", 3) == ([b"0", b"1", b"2"], "suspended")
        assert client.execute("", 2) == ([b"3", b"4"], "suspended")
        rows, end = client.execute("", 0)
        assert (len(rows), end) == (24_995, "SELECT 24995")


def test_created_table_is_found_at_once(pool: RunningPool) -> None:
    table = pool.catalogs.tables.pop(("public", "numbers"))
    pool.catalogs.late[table.key] = table
    with pool.connect() as connection:
        assert connection.execute("SELECT count(*) FROM numbers").fetchone() == (25_000,)


def test_uncommitted_table_names_commit(pool: RunningPool) -> None:
    with pool.connect() as connection, pytest.raises(errors.UndefinedTable) as caught:
        connection.execute("SELECT * FROM just_made")
    assert "COMMIT" in (caught.value.diag.message_hint or "")


def test_direct_users_need_rights(pool: RunningPool) -> None:
    pool.catalogs.hidden.add(("public", "numbers"))
    with pool.connect("alice") as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute("SELECT * FROM numbers")
    with pool.connect("fdw:alice") as connection:
        assert connection.execute("SELECT count(*) FROM numbers").fetchone() == (25_000,)


def test_system_catalogs_are_refused_clearly(pool: RunningPool) -> None:
    with pool.connect() as connection, pytest.raises(errors.FeatureNotSupported) as caught:
        connection.execute("SELECT c.relname FROM pg_catalog.pg_class c")
    assert "master" in (caught.value.diag.message_hint or "")


def test_writes_are_refused_clearly(pool: RunningPool) -> None:
    with pool.connect() as connection, pytest.raises(errors.FeatureNotSupported):
        connection.execute("DELETE FROM numbers")


def test_session_functions(pool: RunningPool) -> None:
    with pool.connect(application_name="me") as connection:
        row = connection.execute("SELECT version(), current_database() AS db, current_user, pg_backend_pid(), current_schema()").fetchone()
        assert row is not None
        assert str(row[0]).startswith("PostgreSQL 18")
        assert row[1:] == ("sales", "alice", connection.info.backend_pid, "public")
        assert connection.info.backend_pid >> 20 == 3  # the key names the replica
        assert connection.execute("SHOW application_name").fetchone() == ("me",)


def test_settings(pool: RunningPool) -> None:
    with pool.connect() as connection:
        for statement in ("SET search_path = pg_catalog", "SET timezone = 'GMT'", "SET datestyle = ISO",
                          "SET intervalstyle = postgres", "SET extra_float_digits = 3"):  # fmt: skip
            assert connection.execute(statement).statusmessage == "SET"
        assert connection.info.parameter_status("TimeZone") == "UTC"
        connection.execute("BEGIN; SET LOCAL timezone = 'Europe/Berlin'; COMMIT")
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
        with pytest.raises(errors.FeatureNotSupported):
            connection.execute("SET datestyle = German")
        with pytest.raises(errors.UndefinedObject):
            connection.execute("SET no_such_thing = 1")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("SET ROLE postgres")


@pytest.mark.parametrize(
    ("statements", "zone"),
    [
        ("SET LOCAL timezone = 'Asia/Tokyo'", "UTC"),
        ("BEGIN; SET LOCAL timezone = 'Asia/Tokyo'; SET timezone = 'Europe/Berlin'; COMMIT", "Europe/Berlin"),
        ("BEGIN; SET timezone = 'Europe/Berlin'; SET LOCAL timezone = 'Asia/Tokyo'; COMMIT", "Europe/Berlin"),
        ("BEGIN; SET LOCAL timezone = 'Asia/Tokyo'; SET timezone = 'Europe/Berlin'; ROLLBACK", "UTC"),
        ("SET timezone = 'Europe/Berlin'; BEGIN; RESET timezone; ROLLBACK", "Europe/Berlin"),
    ],
)
def test_how_long_a_setting_lasts(pool: RunningPool, statements: str, zone: str) -> None:
    with pool.connect() as connection:
        for statement in statements.split("; "):
            connection.execute(statement)
        assert connection.execute("SHOW timezone").fetchone() == (zone,)


def test_pushdown_of_one_connection(pool: RunningPool) -> None:
    asked = pool.engine.pushdown
    with pool.connect() as connection, pool.connect() as other:
        for statement, expected in (
            ("SET bdc.pushdown = 'off'", "off"), ("SET bdc.pushdown TO Forced", "forced"), ("RESET bdc.pushdown", "on"),
            ("SET bdc.pushdown = off", "off"), ("DISCARD ALL", "on"), ("SET bdc.pushdown = forced", "forced"), ("RESET ALL", "on"),
        ):  # fmt: skip
            connection.execute(statement)
            connection.execute("SELECT sum(id) FROM numbers")
            assert asked[-1] == expected
            assert connection.execute("SHOW bdc.pushdown").fetchone() == (expected,)
            other.execute("SELECT sum(id) FROM numbers")
            assert asked[-1] == "on"
        with pytest.raises(errors.InvalidParameterValue, match=r"bdc\.pushdown"):
            connection.execute("SET bdc.pushdown = 'sometimes'")


def test_explain_has_the_form_that_postgres_fdw_reads(pool: RunningPool) -> None:
    with pool.connect() as connection:
        lines = connection.execute("EXPLAIN SELECT id FROM numbers").fetchall()
        assert "(cost=100.00..350.00 rows=25000 width=" in str(lines[0][0])


def test_wrong_password_and_unknown_user_look_alike(pool: RunningPool) -> None:
    texts = []
    for user, password in (("alice", "wrong"), ("nobody", "wrong"), ("fdw:nobody", "correct horse")):
        with pytest.raises(psycopg.OperationalError) as caught:
            pool.connect(user, password)
        texts.append(str(caught.value).replace(user, "USER").split("FATAL")[1])
    assert len(set(texts)) == 1
    assert "password authentication failed" in texts[0]
