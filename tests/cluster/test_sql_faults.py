"""Faults of data sources as a user of the master meets them: one error that says what, where and what next, and the next query works."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import psycopg
import pytest

from tests.cluster.sources import create_postgresql_source, create_source, create_table, master_connection
from tests.patience import SOON
from tests.services.cluster import Row, Stage
from tests.services.postgresql import PostgresqlServer, free_port

DATABASE = "sql_faults"
Master = psycopg.Connection[Row]


@pytest.fixture(scope="module")
def remote(postgresql: PostgresqlServer) -> Iterator[Master]:
    with postgresql.connect() as server:
        server.execute(f"CREATE DATABASE {DATABASE}")
    with postgresql.connect(DATABASE) as connection:
        connection.execute("CREATE TABLE kept AS SELECT i AS id, 'n' || i AS name FROM generate_series(1, 10) AS i")
        yield connection
    with postgresql.connect() as server:
        server.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture(scope="module")
def master(cluster: Stage, postgresql: PostgresqlServer, remote: Master) -> Iterator[Master]:
    with master_connection(cluster) as connection:
        connection.execute("CREATE SCHEMA sql_faults")
        create_postgresql_source(connection, "faulty", postgresql, DATABASE)
        create_table(connection, "sql_faults.kept", "faulty", "public.kept")
        yield connection
        connection.execute("DROP SCHEMA sql_faults CASCADE")
        for (name,) in connection.execute("SELECT name FROM bdc.data_sources WHERE name LIKE 'faulty%'").fetchall():
            connection.execute("CALL bdc.drop_data_source(%s, true)", [name])


@pytest.fixture(autouse=True)
def nothing_else_broke(master: Master) -> Iterator[None]:
    yield
    assert master.execute("SELECT count(*) FROM sql_faults.kept").fetchone() == (10,)


def fault(master: Master, statement: str, *parameters: object) -> psycopg.errors.Diagnostic:
    with pytest.raises(psycopg.Error) as caught:
        master.execute(statement.encode(), parameters).fetchall()
    return caught.value.diag


def test_an_unknown_source_is_named_with_the_way_to_list_them(master: Master) -> None:
    found = fault(master, "CALL bdc.create_virtual_table('sql_faults.a', 'nowhere', 'public.a')")
    assert (found.sqlstate, found.message_primary) == ("42704", 'data source "nowhere" does not exist')
    assert found.message_hint == "SELECT name FROM bdc.data_sources lists them."


def test_an_unknown_remote_table_is_named_when_it_is_detected(master: Master) -> None:
    found = fault(master, "CALL bdc.create_virtual_table('sql_faults.a', 'faulty', 'public.nowhere')")
    assert found.sqlstate == "HV00R"
    assert "faulty" in str(found.message_primary) and "nowhere" in str(found.message_primary)
    assert found.message_hint


def test_a_closed_port_is_an_unreachable_source(master: Master) -> None:
    port = free_port()
    create_source(master, "faulty_closed", f"postgresql://127.0.0.1:{port}/db", user="u", password="p")
    create_table(master, "sql_faults.closed", "faulty_closed", "public.t", {"id": "integer"})
    start = time.monotonic()
    for statement in ("SELECT * FROM bdc.test_source('faulty_closed')", "SELECT * FROM sql_faults.closed"):
        found = fault(master, statement)
        assert found.sqlstate == "08001"
        assert "faulty_closed" in str(found.message_primary) and str(port) in str(found.message_primary)
        assert found.message_hint == "Is the server running, and are host and port right?"
    assert time.monotonic() - start < SOON


def test_a_source_that_accepts_and_says_nothing_ends_in_its_time_limit(master: Master) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        location = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/db"
        create_source(master, "faulty_silent", location, user="u", password="p", connect_timeout="2")
        create_table(master, "sql_faults.silent", "faulty_silent", "public.t", {"id": "integer"})
        start = time.monotonic()
        found = fault(master, "SELECT * FROM sql_faults.silent")
    assert found.sqlstate == "08001"
    assert "did not answer in time" in str(found.message_primary) and "connect_timeout" in str(found.message_hint)
    assert time.monotonic() - start < SOON


def test_a_source_that_is_slow_ends_in_its_time_limit(master: Master, remote: Master, postgresql: PostgresqlServer) -> None:
    remote.execute("CREATE VIEW slow AS SELECT id, pg_sleep(20)::text AS nothing FROM kept")
    create_postgresql_source(master, "faulty_slow", postgresql, DATABASE, statement_timeout="1")
    create_table(master, "sql_faults.slow", "faulty_slow", "public.slow", {"id": "integer", "nothing": "text"})
    start = time.monotonic()
    found = fault(master, "SELECT * FROM sql_faults.slow")
    assert "faulty_slow" in str(found.message_primary) and "statement_timeout" in str(found.message_hint)
    assert found.sqlstate == "57014"
    assert time.monotonic() - start < SOON


def test_a_wrong_password_at_the_source_is_told_without_the_password(master: Master, postgresql: PostgresqlServer) -> None:
    location = f"postgresql://127.0.0.1:{postgresql.port}/{DATABASE}"
    create_source(master, "faulty_login", location, user="postgres", password="Not-the-password")
    create_table(master, "sql_faults.login", "faulty_login", "public.kept", {"id": "integer"})
    for statement in ("SELECT * FROM bdc.test_source('faulty_login')", "SELECT * FROM sql_faults.login"):
        found = fault(master, statement)
        assert found.sqlstate == "28000"
        assert "faulty_login" in str(found.message_primary) and "refused the login" in str(found.message_primary)
        assert "credential" in str(found.message_hint)
        assert "Not-the-password" not in f"{found.message_primary}{found.message_detail}{found.message_hint}{found.context}"


def test_a_remote_table_that_was_dropped_is_told_with_the_next_step(master: Master, remote: Master) -> None:
    remote.execute("CREATE TABLE dropped (id integer)")
    create_table(master, "sql_faults.dropped", "faulty", "public.dropped")
    remote.execute("DROP TABLE dropped")
    found = fault(master, "SELECT * FROM sql_faults.dropped")
    assert found.sqlstate == "HV00R"
    assert "public.dropped" in str(found.message_primary).replace('"', "") and "refresh_table" in str(found.message_hint)


def test_a_remote_column_that_was_dropped_is_told_and_refresh_heals(master: Master, remote: Master) -> None:
    remote.execute("CREATE TABLE narrowed AS SELECT 1 AS id, 'x' AS gone")
    create_table(master, "sql_faults.narrowed", "faulty", "public.narrowed")
    remote.execute("ALTER TABLE narrowed DROP COLUMN gone")
    found = fault(master, "SELECT * FROM sql_faults.narrowed")
    assert found.sqlstate == "HV00R"
    assert "gone" in str(found.message_primary) and "refresh_table" in str(found.message_hint)
    master.execute("CALL bdc.refresh_table('sql_faults.narrowed')")
    assert master.execute("SELECT * FROM sql_faults.narrowed").fetchall() == [(1,)]


@pytest.mark.parametrize(("kind", "value"), [("text", "'abc'"), ("timestamptz", "now()"), ("integer[]", "ARRAY[1, 2]")])
def test_a_remote_column_that_changed_its_type_is_told_and_refresh_heals(master: Master, remote: Master, kind: str, value: str) -> None:
    name = f"retyped_{kind.removesuffix('[]')}"
    remote.execute(f"CREATE TABLE {name} AS SELECT 1 AS id, 5 AS changed")
    create_table(master, f"sql_faults.{name}", "faulty", f"public.{name}")
    remote.execute(f"ALTER TABLE {name} ALTER changed TYPE {kind} USING {value}")
    found = fault(master, f"SELECT * FROM sql_faults.{name}")
    assert found.sqlstate in ("HV00R", "22000", "22P02")
    assert "faulty" in str(found.message_primary) and "refresh_table" in str(found.message_hint)
    if not kind.endswith("[]"):
        master.execute(f"CALL bdc.refresh_table('sql_faults.{name}')")
        assert len(master.execute(f"SELECT * FROM sql_faults.{name}").fetchall()) == 1


def test_an_unmappable_type_is_named_with_its_column(master: Master, remote: Master) -> None:
    remote.execute("CREATE TYPE mood AS (a integer, b integer); CREATE SCHEMA odd; CREATE TABLE odd.shapes (id integer, feeling mood)")
    found = fault(master, "CALL bdc.create_virtual_table('sql_faults.shapes', 'faulty', 'odd.shapes')")
    assert found.sqlstate == "0A000"
    assert 'column "feeling"' in str(found.message_primary) and "mood" in str(found.message_primary)
    assert "columns" in str(found.message_hint)
    said: list[str] = []
    master.add_notice_handler(lambda notice: said.append(f"{notice.severity} {notice.message_primary}"))
    master.execute("CALL bdc.import_schema('faulty', 'odd', 'sql_faults')")
    assert any(line.startswith("WARNING") and "feeling" in line and "mood" in line for line in said)
    assert master.execute("SELECT * FROM sql_faults.shapes").fetchall() == []


def test_a_function_that_neither_executor_knows_is_refused_with_the_next_step(cluster: Stage, master: Master) -> None:
    from tests.cluster.sources import pool_connection

    with pool_connection(cluster) as direct:
        found = fault(direct, "SELECT nobodys_function(id) FROM sql_faults.kept")
        assert found.sqlstate in ("42883", "0A000")
        assert "nobodys_function" in str(found.message_primary)
        assert found.message_hint
        assert direct.execute("SELECT count(*) FROM sql_faults.kept").fetchone() == (10,)
    master.execute("CREATE FUNCTION sql_faults.twice(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2'")
    assert master.execute("SELECT sum(sql_faults.twice(id)) FROM sql_faults.kept").fetchone() == (110,)


def test_a_source_that_was_restarted_between_two_queries_is_used_again(master: Master) -> None:
    from tests.services.postgresql import postgresql_server

    with postgresql_server() as server:
        with server.connect() as connection:
            connection.execute("CREATE TABLE restarted AS SELECT i AS id FROM generate_series(1, 5) AS i")
        create_postgresql_source(master, "faulty_restarted", server, "postgres")
        create_table(master, "sql_faults.restarted", "faulty_restarted", "public.restarted")
        assert master.execute("SELECT count(*) FROM sql_faults.restarted").fetchone() == (5,)
        with server.connect() as connection:
            killed = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'bdc %'"
            ended = connection.execute(killed).fetchone()
            assert ended is not None and ended[0] != 0
        assert master.execute("SELECT sum(id) FROM sql_faults.restarted").fetchone() == (15,)
    found = fault(master, "SELECT * FROM sql_faults.restarted")
    assert found.sqlstate == "08001" and "faulty_restarted" in str(found.message_primary) and found.message_hint
