"""Queries that are stopped in the middle: cancel, vanished clients, limits on time and memory, kill; the source must be told as well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from bdc.sealing import Recipient, seal
from tests.cluster.sources import create_postgresql_source, create_table, eventually, master_connection, pool_connection
from tests.patience import PATIENCE, SOON
from tests.services.cluster import Row, Stage
from tests.services.postgresql import PostgresqlServer

DATABASE = "sql_running"
Master = psycopg.Connection[Row]


@pytest.fixture(scope="module")
def remote(postgresql: PostgresqlServer) -> Iterator[Master]:
    with postgresql.connect() as server:
        server.execute(f"CREATE DATABASE {DATABASE}")
    with postgresql.connect(DATABASE) as connection:
        connection.execute("CREATE TABLE few AS SELECT i AS id FROM generate_series(1, 10) AS i")
        connection.execute("CREATE VIEW sleepy AS SELECT i AS id, pg_sleep(0.05)::text AS nothing FROM generate_series(1, 20000) AS i")
        connection.execute("CREATE TABLE many AS SELECT i AS id, repeat(md5(i::text), 20) AS text FROM generate_series(1, 150000) AS i")
        connection.execute(
            "CREATE VIEW wide AS SELECT i AS id, md5(i::text) || repeat('x', 2500) AS text FROM generate_series(1, 500000) AS i"
        )
        yield connection
    with postgresql.connect() as server:
        server.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")


@pytest.fixture(scope="module")
def master(cluster: Stage, postgresql: PostgresqlServer, remote: Master) -> Iterator[Master]:
    with master_connection(cluster) as connection:
        connection.execute("CREATE SCHEMA sql_running")
        create_postgresql_source(connection, "running", postgresql, DATABASE)
        create_table(connection, "sql_running.few", "running", "public.few")
        create_table(connection, "sql_running.sleepy", "running", "public.sleepy")
        create_table(connection, "sql_running.many", "running", "public.many")
        create_table(connection, "sql_running.wide", "running", "public.wide")
        yield connection
        connection.execute("DROP SCHEMA sql_running CASCADE")
        connection.execute("CALL bdc.drop_data_source('running', true)")


@pytest.fixture(autouse=True)
def nothing_is_left(master: Master, remote: Master) -> Iterator[None]:
    yield
    stops(master, remote)
    assert master.execute("SELECT count(*) FROM sql_running.few").fetchone() == (10,)


def at_the_source(remote: Master) -> int:
    """Statements of the pool that run there."""
    row = remote.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state = 'active' AND backend_type = 'client backend' "
        "AND pid <> pg_backend_pid()",
        [DATABASE],
    ).fetchone()
    assert row is not None
    return int(str(row[0]))


def in_the_pool(master: Master) -> int:
    row = master.execute("SELECT count(*) FROM bdc.queries()").fetchone()
    assert row is not None
    return int(str(row[0]))


def stops(master: Master, remote: Master) -> None:
    """Soon nothing runs any more, at the source and in the pool."""
    assert eventually(lambda: at_the_source(remote) == 0, SOON)[0]
    assert eventually(lambda: in_the_pool(master) == 0, SOON)[0]


@contextmanager
def running(connection: Master, statement: str, remote: Master) -> Iterator[list[BaseException]]:
    """``statement`` runs on a thread of its own, and the source works on it; what it raised is in the list at the end."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            connection.execute(statement.encode()).fetchall()
        except psycopg.Error as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert eventually(lambda: at_the_source(remote) or raised, PATIENCE)[0] and not raised, raised
    yield raised
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.parametrize("where", [lambda stage: master_connection(stage), pool_connection], ids=["master", "pool"])
def test_cancel_stops_the_work_in_the_pool_and_at_the_source(
    cluster: Stage, master: Master, remote: Master, where: Callable[[Stage], Master]
) -> None:
    with where(cluster) as client:
        with running(client, "SELECT count(nothing) FROM sql_running.sleepy", remote) as raised:
            client.cancel_safe()
            stops(master, remote)
        assert [type(error) for error in raised] == [psycopg.errors.QueryCanceled]
        assert client.execute("SELECT count(*) FROM sql_running.few").fetchone() == (10,)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_client_that_vanishes_in_the_middle_of_a_result_leaves_nothing(
    cluster: Stage, master: Master, remote: Master, end: signal.Signals
) -> None:
    code = (
        "import sys, psycopg; c = psycopg.connect(sys.stdin.readline().strip()); k = c.cursor(name='k');"
        "k.execute('SELECT * FROM sql_running.many'); print(len(k.fetchmany(10)), flush=True); k.fetchall()"
    )
    with master_connection(cluster) as own:
        where = own.info
        dsn = f"host={where.host} port={where.port} user=admin password={cluster.password} dbname=bdc"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(dsn + "\n")
            child.stdin.flush()
            assert child.stdout.readline().strip() == "10"
            assert eventually(lambda: at_the_source(remote), PATIENCE)[0]
        finally:
            os.kill(child.pid, end)
        stops(master, remote)


def test_a_client_of_the_pool_that_vanishes_leaves_nothing(cluster: Stage, master: Master, remote: Master) -> None:
    client = pool_connection(cluster)
    with client.transaction(), client.cursor(name="k") as cursor:
        cursor.execute("SELECT * FROM sql_running.many")
        assert len(cursor.fetchmany(10)) == 10
        assert eventually(lambda: at_the_source(remote), PATIENCE)[0]
        client.pgconn.finish()
        stops(master, remote)
        client.close()


def test_statement_timeout_ends_the_statement_at_the_source_too(cluster: Stage, master: Master, remote: Master) -> None:
    with master_connection(cluster) as client:
        client.execute("SET statement_timeout = '3s'")
        with running(client, "SELECT count(nothing) FROM sql_running.sleepy", remote) as raised:
            stops(master, remote)
        assert "statement timeout" in str(raised[0])


def test_query_list_and_kill_on_a_long_query(cluster: Stage, master: Master, remote: Master) -> None:
    with master_connection(cluster) as client, running(client, "SELECT count(nothing) FROM sql_running.sleepy", remote) as raised:
        listed = cluster.bdc("query", "list")
        assert isinstance(listed, list) and len(listed) == 1
        assert listed[0]["user"] == "admin" and listed[0]["database"] == "bdc" and "sleepy" in listed[0]["sql"]
        assert listed[0]["state"] in ("running", "planning") and listed[0]["seconds"] > 0
        cluster.bdc("query", "kill", str(listed[0]["id"]))
        stops(master, remote)
    assert "administrator" in str(raised[0])
    with pytest.raises(RuntimeError, match="no running query"):
        cluster.bdc("query", "kill", str(listed[0]["id"]))


def test_a_query_over_its_memory_spills_or_fails_cleanly(cluster: Stage, master: Master, remote: Master) -> None:
    query = "SELECT count(*) FROM (SELECT text, row_number() OVER (ORDER BY text DESC) FROM sql_running.wide) AS t WHERE text > '0'"
    with pool_connection(cluster) as client:
        try:
            assert client.execute(query).fetchone() == (500_000,)
        except (psycopg.errors.OutOfMemory, psycopg.errors.ConfigurationLimitExceeded) as error:
            assert error.diag.message_hint
        assert client.execute("SELECT count(*) FROM sql_running.few").fetchone() == (10,)


def test_ddl_that_is_rolled_back_leaves_nothing(cluster: Stage, master: Master, postgresql: PostgresqlServer) -> None:
    def state() -> list[Row]:
        return master.execute(
            "SELECT 'source', name FROM bdc.data_sources UNION ALL SELECT 'table', table_name FROM bdc.virtual_tables "
            "UNION ALL SELECT 'relation', relname FROM pg_class WHERE relkind = 'f' ORDER BY 1, 2"
        ).fetchall()

    before = state()
    with master_connection(cluster) as client, client.transaction(force_rollback=True):
        create_postgresql_source(client, "running_undone", postgresql, DATABASE)
        create_table(client, "sql_running.undone", "running_undone", "public.few")
        client.execute("CALL bdc.drop_virtual_table('sql_running.few')")
        assert state() == before
    assert state() == before
    with pytest.raises(psycopg.errors.UndefinedTable):
        master.execute("SELECT * FROM sql_running.undone")
    with pool_connection(cluster) as pool, pytest.raises(psycopg.errors.UndefinedTable):
        pool.execute("SELECT * FROM sql_running.undone")


def test_a_table_used_before_commit_is_the_named_error(cluster: Stage, master: Master) -> None:
    with master_connection(cluster) as client:
        client.execute("BEGIN")
        create_table(client, "sql_running.early", "running", "public.few")
        with pytest.raises(psycopg.errors.UndefinedTable) as caught:
            client.execute("SELECT * FROM sql_running.early")
        assert "COMMIT" in str(caught.value.diag.message_hint)
        client.execute("ROLLBACK")
        client.execute("BEGIN")
        create_table(client, "sql_running.early", "running", "public.few")
        client.execute("COMMIT")
        assert client.execute("SELECT count(*) FROM sql_running.early").fetchone() == (10,)


def test_a_query_right_after_a_committed_change_sees_it(cluster: Stage, master: Master, postgresql: PostgresqlServer) -> None:
    with postgresql.connect() as server:
        server.execute("CREATE TABLE moved AS SELECT 'old'::text AS place")
    with postgresql.connect(DATABASE) as server:
        server.execute("CREATE TABLE moved AS SELECT 'new'::text AS place")
    create_postgresql_source(master, "running_moved", postgresql, "postgres")
    create_table(master, "sql_running.moved", "running_moved", "public.moved")
    key = master.execute("SELECT bdc.sealing_key()").fetchone()
    assert key is not None
    try:
        for turn in range(20):
            database, place = [("postgres", "old"), (DATABASE, "new")][turn % 2]
            location = f"postgresql://127.0.0.1:{postgresql.port}/{database}"
            sealed = seal(postgresql.password, Recipient(str(key[0]), location, postgresql.user))
            credential = json.dumps({"user": postgresql.user, "sealed": sealed})
            master.execute("CALL bdc.alter_data_source('running_moved', location => %s, credential => %s)", [location, credential])
            assert master.execute("SELECT place FROM sql_running.moved").fetchone() == (place,)
    finally:
        master.execute("CALL bdc.drop_data_source('running_moved', true)")
        with postgresql.connect() as server:
            server.execute("DROP TABLE moved")


def test_current_user_in_a_direct_query_is_the_user(cluster: Stage, master: Master) -> None:
    with pool_connection(cluster) as pool:
        assert pool.execute("SELECT current_user, session_user, current_database(), count(*) FROM sql_running.few").fetchone() == (
            "admin", "admin", "bdc", 10,
        )  # fmt: skip


def test_a_database_is_dropped_although_the_pool_listens_in_it(cluster: Stage, master: Master) -> None:
    master.execute("CREATE DATABASE sql_dropped")
    with pool_connection(cluster, database="sql_dropped"):
        pass
    start = time.monotonic()
    master.execute("DROP DATABASE sql_dropped")
    assert time.monotonic() - start < SOON
