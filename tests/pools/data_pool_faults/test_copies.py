"""A database copied, or dumped and restored, under the very name of the first: the pool knows databases by name, rows by identity."""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Sequence

import psycopg
import pytest
from psycopg import errors
from pyarrow import flight

from pools.master.workloads import SUPERUSER
from tests.pools.compute.loads.rows import eventually, spread
from tests.services.data_pool import DataPool, refusal
from tests.services.postgresql import bin_folder

COLUMNS = '[{"name": "id", "type": "bigint"}, {"name": "name", "type": "text"}]'


@pytest.fixture
def name(data_pool: DataPool) -> Iterator[str]:
    """A database with the table ``t`` of two rows, and the local table ``notes`` of one."""
    name = f"db_{secrets.token_hex(4)}"
    server(data_pool, f"CREATE DATABASE {name}")
    with data_pool.connect("admin", database=name) as admin:
        admin.execute("CALL bdc.create_data_source('data_pool', 'datapool', 'datapool:')")
        await_pool(admin, "CALL bdc.create_data_table('public.t', %s, 'HASH(id)')", [COLUMNS])
        admin.execute("CREATE TABLE notes AS SELECT 7 AS x")
        await_pool(admin)
        admin.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
        assert admin.execute("SELECT id FROM t ORDER BY id").fetchall() == [(1,), (2,)]
    yield name
    for one in (name, f"{name}_kept"):
        server(data_pool, f"DROP DATABASE IF EXISTS {one} WITH (FORCE)")


def server(pool: DataPool, statement: str) -> None:
    with pool.admin("postgres") as postgres:
        postgres.execute(statement.encode())


def await_pool(session: psycopg.Connection[tuple[object, ...]], query: str = "SELECT count(*) FROM t", values: Sequence[str] = ()) -> None:
    """A database that was made or renamed a moment ago is one that the pool does not follow yet: it says so, and nothing else."""

    deadline = time.monotonic() + 60
    while True:
        try:
            session.execute(query.encode(), values)
        except errors.ObjectNotInPrerequisiteState:
            return
        except psycopg.OperationalError as error:
            assert time.monotonic() < deadline, error
            time.sleep(0.1)
        else:
            return


def alone(pool: DataPool, name: str, statement: str, then: str | None = None) -> None:
    """A statement that wants the database for itself: the pool's own sessions, which come back at any time, are kept out meanwhile.
    ``then``: its name afterwards."""

    def done() -> bool:
        with pool.admin("postgres") as postgres:
            postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            try:
                postgres.execute(statement.encode())
            except errors.ObjectInUse:
                return False
        return True

    server(pool, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    eventually(done, 60)
    server(pool, f"ALTER DATABASE {then or name} ALLOW_CONNECTIONS true")


def ids(pool: DataPool, name: str) -> list[int]:
    with pool.connect("admin", database=name) as session:
        await_pool(session)
        return [int(row[0]) for row in session.execute("SELECT id FROM t ORDER BY id").fetchall()]


def is_a_stranger(pool: DataPool, name: str) -> None:
    """Neither SQL nor a load reaches rows of the first one; what is local is there."""
    with pool.connect("admin", database=name) as session:
        assert session.execute("SELECT x FROM notes").fetchone() == (7,)
        await_pool(session)
        for statement in ("SELECT * FROM t", "INSERT INTO t VALUES (9, 'x')", "UPDATE t SET name = 'x'", "DELETE FROM t", "TRUNCATE t"):
            with pytest.raises(errors.ObjectNotInPrerequisiteState) as refused:
                session.execute(statement.encode())
            assert "bdc.adopt_data_tables" in (refused.value.diag.message_hint or "")
    client = pool.client("admin", database=name)
    with pytest.raises(flight.FlightError) as said:
        client.load("public.t", spread(9), "overwrite")
    assert refusal(said.value)["sqlstate"] == "55000"
    client.close()


def becomes_its_own(pool: DataPool, name: str) -> None:
    """Empty, and to be filled."""
    with pool.connect("admin", database=name) as session:
        session.execute("CALL bdc.adopt_data_tables()")
        session.execute("INSERT INTO t VALUES (9, 'x')")
    assert ids(pool, name) == [9]


def test_a_copy_takes_the_name_of_the_first(data_pool: DataPool, name: str) -> None:
    alone(data_pool, name, f"CREATE DATABASE {name}_copy TEMPLATE {name}")
    alone(data_pool, name, f"ALTER DATABASE {name} RENAME TO {name}_kept", f"{name}_kept")
    alone(data_pool, f"{name}_copy", f"ALTER DATABASE {name}_copy RENAME TO {name}", name)
    is_a_stranger(data_pool, name)
    becomes_its_own(data_pool, name)
    assert ids(data_pool, f"{name}_kept") == [1, 2]


def test_a_dump_is_restored_under_the_same_name(data_pool: DataPool, name: str) -> None:
    dump = tool(data_pool, "pg_dump", "-d", name)
    server(data_pool, f"DROP DATABASE {name} WITH (FORCE)")
    server(data_pool, f"CREATE DATABASE {name}")
    tool(data_pool, "psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", name, given=dump)
    is_a_stranger(data_pool, name)
    becomes_its_own(data_pool, name)


def test_a_dump_that_is_restored_half(data_pool: DataPool, name: str) -> None:
    """The pool reads the catalog at any moment: also between the definitions of tables and where their rows lie."""
    dump = "".join(
        line for line in tool(data_pool, "pg_dump", "-d", name).splitlines(True) if not line.startswith(("\\restrict", "\\unrestrict"))
    )
    before, copied, after = dump.partition("COPY bdc.data_tables ")
    assert copied and "COPY bdc.table_definitions " in before
    server(data_pool, f"DROP DATABASE {name} WITH (FORCE)")
    server(data_pool, f"CREATE DATABASE {name}")
    restore = ("psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", name)
    tool(data_pool, *restore, given=before)
    with data_pool.connect("admin", database=name) as session:
        await_pool(session)
        with pytest.raises(errors.ObjectNotInPrerequisiteState, match="its definition is not whole"):
            session.execute("SELECT id FROM t")
    tool(data_pool, *restore, given=copied + after)
    is_a_stranger(data_pool, name)


def tool(pool: DataPool, program: str, *arguments: str, given: str | None = None) -> str:
    """One of PostgreSQL's own, as the superuser."""
    login = {"PGHOST": "127.0.0.1", "PGPORT": str(pool.master.port), "PGUSER": SUPERUSER, "PGPASSWORD": pool.secrets["master-superuser"]}
    done = subprocess.run(
        [bin_folder() / program, *arguments], input=given, capture_output=True, text=True, env={**os.environ, **login}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
