"""The real thing as a client: PostgreSQL's own postgres_fdw, against the pool's service."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from tests.patience import SOON
from tests.pools.compute.conftest import RunningPool
from tests.pools.compute.standin import PASSWORD
from tests.services.postgresql import PostgresqlServer

Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="module")
def database(postgresql: PostgresqlServer) -> Iterator[Connection]:
    """Of this module: making one takes longer than most of its tests."""
    with postgresql.connect() as admin:
        admin.execute("CREATE DATABASE of_postgres_fdw")
        with psycopg.connect(postgresql.dsn("of_postgres_fdw"), autocommit=True) as connection:
            yield connection
        admin.execute("DROP DATABASE of_postgres_fdw WITH (FORCE)")


@pytest.fixture
def master(postgresql: PostgresqlServer, database: Connection, pool: RunningPool) -> Iterator[Connection]:
    """A session with the pool's tables; whatever a test makes goes with its schemas."""
    with psycopg.connect(postgresql.dsn("of_postgres_fdw"), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION postgres_fdw")
        connection.execute(
            f"CREATE SERVER pool FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{pool.port}', dbname 'sales', "
            "fetch_size '10000', application_name 'bdc %p %c %u %d', fdw_tuple_cost '10000')"
        )
        connection.execute(f"CREATE USER MAPPING FOR postgres SERVER pool OPTIONS (user 'fdw:alice', password '{PASSWORD}')")
        for table in ("numbers", "slow", "many"):
            connection.execute(
                f"CREATE FOREIGN TABLE {table} (id bigint, name text, day date) SERVER pool "
                f"OPTIONS (schema_name 'public', table_name '{table}')"
            )
        yield connection
    database.execute(
        "DROP EXTENSION postgres_fdw CASCADE; DROP SCHEMA IF EXISTS imported; DROP SCHEMA public CASCADE; CREATE SCHEMA public"
    )


def test_scan(master: Connection) -> None:
    rows = master.execute("SELECT id, name, day FROM numbers").fetchall()
    assert len(rows) == 25_000
    assert sum(row[0] for row in rows) == 25_000 * 24_999 // 2  # type: ignore[misc]


def test_filter_aggregate_and_order_arrive_as_text(master: Connection, pool: RunningPool) -> None:
    row = master.execute("SELECT count(*), min(id) FROM numbers WHERE id > 24000").fetchone()
    assert row == (999, 24_001)
    assert any(text.startswith("SELECT count(*), min(id) FROM public.numbers") for text in pool.engine.planned)


def test_parameters(master: Connection) -> None:
    with master.transaction():
        master.execute("SET plan_cache_mode = force_generic_plan")
        master.execute("PREPARE q(bigint, text) AS SELECT id FROM numbers WHERE id = $1 AND name = $2")
        assert master.execute("EXECUTE q(8, 'name 8')").fetchall() == [(8,)]
        assert master.execute("EXECUTE q(9, 'it''s')").fetchall() == []


def test_rescan_with_and_without_new_parameters(master: Connection) -> None:
    master.execute("SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_memoize = off")
    master.execute("CREATE TABLE local (id bigint); INSERT INTO local VALUES (1), (2), (3)")
    rows = master.execute(
        "SELECT l.id, n.name FROM local l CROSS JOIN LATERAL (SELECT name FROM numbers n WHERE n.id = l.id OFFSET 0) n ORDER BY 1"
    ).fetchall()
    assert rows == [(1, "name 1"), (2, "name 2"), (3, "name 3")]
    rows = master.execute("SELECT l.id, count(*) FROM local l LEFT JOIN numbers n ON n.id % 3 < l.id GROUP BY 1 ORDER BY 1").fetchall()
    assert rows == [(1, 8334), (2, 16667), (3, 25000)]


def test_two_scans_at_once_on_one_connection(master: Connection) -> None:
    master.execute("SET enable_nestloop = off")  # without statistics the master would compare each with each
    row = master.execute(
        "SELECT count(*) FROM (SELECT id, random() FROM numbers) a JOIN (SELECT id, random() FROM numbers) b USING (id)"
    ).fetchone()
    assert row == (25_000,)


def test_transaction_with_savepoints_and_errors(master: Connection) -> None:
    with master.transaction():
        assert master.execute("SELECT count(*) FROM numbers").fetchone() == (25_000,)
        with pytest.raises(errors.UndefinedTable), master.transaction():
            master.execute("CREATE FOREIGN TABLE gone (id bigint) SERVER pool OPTIONS (schema_name 'public', table_name 'gone')")
            master.execute("SELECT * FROM gone")
        assert master.execute("SELECT count(*) FROM numbers WHERE id < 5").fetchone() == (5,)
    assert master.execute("SELECT min(day)::text FROM numbers").fetchone() == ("2024-01-01",)


def test_remote_estimates(master: Connection) -> None:
    master.execute("ALTER FOREIGN TABLE numbers OPTIONS (ADD use_remote_estimate 'true')")
    plan = "\n".join(str(row[0]) for row in master.execute("EXPLAIN SELECT id FROM numbers").fetchall())
    assert "rows=25000" in plan


@pytest.mark.parametrize("method", ["off", "auto", "random"])
def test_analyze(master: Connection, method: str) -> None:
    master.execute(f"ALTER FOREIGN TABLE numbers OPTIONS (ADD analyze_sampling '{method}')")
    master.execute("SET default_statistics_target = 10")
    master.execute("ANALYZE numbers")
    found = master.execute("SELECT reltuples FROM pg_class WHERE relname = 'numbers'").fetchone()
    assert found is not None
    assert 20_000 < float(str(found[0])) < 30_000


def test_import_foreign_schema(master: Connection) -> None:
    master.execute("CREATE SCHEMA imported")
    master.execute("IMPORT FOREIGN SCHEMA public LIMIT TO (numbers) FROM SERVER pool INTO imported")
    columns = master.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'imported' ORDER BY ordinal_position"
    ).fetchall()
    assert columns == [("numbers", "id", "bigint"), ("numbers", "name", "text"), ("numbers", "day", "date")]
    with pytest.raises(errors.FdwSchemaNotFound):
        master.execute("IMPORT FOREIGN SCHEMA elsewhere FROM SERVER pool INTO imported")


def test_limit_stops_the_query(master: Connection, pool: RunningPool) -> None:
    assert len(master.execute("SELECT id FROM numbers LIMIT 3").fetchall()) == 3
    assert all(stream.closed.wait(SOON) for stream in pool.engine.streams)


def test_statement_timeout_of_the_master_cancels_the_pool(master: Connection, pool: RunningPool) -> None:
    master.execute("SET statement_timeout = '500ms'")
    with pytest.raises(errors.QueryCanceled):
        master.execute("SELECT id FROM slow")
    assert all(stream.closed.wait(SOON) for stream in pool.engine.streams)
    assert pool.engine.contexts[-1].cancelled


def test_application_name_reaches_the_source(master: Connection, pool: RunningPool) -> None:
    master.execute("SELECT count(*) FROM numbers")
    assert pool.engine.contexts[-1].trace.startswith("bdc ")
