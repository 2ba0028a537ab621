"""Whole queries from the master to the compute pool through the module, every process real, beside what PostgreSQL itself answers."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from bdc.sealing import Recipient, seal
from tests.pools.compute.cluster import Cluster
from tests.services.postgresql import PostgresqlServer
from tests.virtualization.mixed import COLUMNS, rows

Connection = psycopg.Connection[tuple[object, ...]]

FILES = {
    "part": {"p_id": "integer", "p_name": "text", "p_brand": "text", "p_size": "integer", "p_retail": "numeric(15,2)"},
    "event": {
        "e_id": "integer", "e_customer": "integer", "e_at": "timestamp without time zone", "e_kind": "text", "e_ok": "boolean",
        "e_value": "numeric", "Note": "text",
    },
}  # fmt: skip
TABLES = {**COLUMNS, **FILES}
WHOLE = "Custom Scan (Whole query at the compute pool)"
HERE = pathlib.Path(__file__)
OWN = HERE.with_name("whole_queries.sql")
MIXED = HERE.parents[2] / "virtualization" / "mixed_queries.sql"


def statements(path: pathlib.Path) -> list[str]:
    """One a line."""
    return [line for line in path.read_text().splitlines() if line and not line.startswith("--")]


@pytest.fixture(scope="module")
def database(postgresql: PostgresqlServer, cluster: Cluster) -> Iterator[str]:
    """The tables of the mixed sources in one database, and as virtual tables of schema ``m``: two sources over it, so that the pool has
    something to join."""
    with postgresql.connect() as server:
        server.execute("CREATE DATABASE whole_queries")
        with postgresql.connect("whole_queries") as source, cluster.connect("ada") as master:
            for name, content in rows().items():
                definitions = ", ".join(f'"{column}" {of}' for column, of in TABLES[name].items())
                source.execute(f"CREATE TABLE {name} ({definitions})")
                with source.cursor().copy(f"COPY {name} FROM STDIN") as copy:
                    for row in content:
                        copy.write_row(row)
            source.execute("ANALYZE")
            location = f"postgresql://127.0.0.1:{postgresql.port}/whole_queries"
            sealed = seal(postgresql.password, Recipient(cluster.public_key, location, postgresql.user))
            for source_name in ("whole_a", "whole_b"):
                master.execute(
                    "CALL bdc.create_data_source(%s, 'postgresql', %s, '{}', %s)",
                    (source_name, location, json.dumps({"user": postgresql.user, "sealed": sealed})),
                )
            master.execute("CREATE SCHEMA m; GRANT USAGE ON SCHEMA m TO alice")
            for name in TABLES:
                where = "whole_b" if name in ("lineitem", "event", "nation") else "whole_a"
                master.execute(f"CALL bdc.create_virtual_table('m.{name}', '{where}', 'public.{name}')")
                master.execute(f"GRANT SELECT ON m.{name} TO alice")
        yield "whole_queries"
        server.execute("DROP DATABASE whole_queries WITH (FORCE)")


@pytest.fixture
def master(cluster: Cluster, database: str) -> Iterator[Connection]:
    """A session of alice's."""
    with cluster.connect("alice") as connection:
        connection.execute("SET search_path = m, public")
        yield connection


@pytest.fixture
def reference(postgresql: PostgresqlServer, database: str) -> Iterator[Connection]:
    with postgresql.connect(database) as connection:
        yield connection


def plan(connection: Connection, sql: str, *arguments: object) -> str:
    return "\n".join(str(line) for (line,) in connection.execute(f"EXPLAIN (VERBOSE, COSTS OFF) {sql}", arguments or None))


def answer(connection: Connection, sql: str) -> object:
    """Names, types, and the rows as texts, sorted; the error's SQLSTATE where there is one."""
    result = connection.pgconn.exec_(sql.encode())
    if result.status != psycopg.pq.ExecStatus.TUPLES_OK:
        return (result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b"").decode()
    columns = [(result.fname(at), result.ftype(at), result.fmod(at)) for at in range(result.nfields)]
    found = [tuple(result.get_value(row, at) for at in range(result.nfields)) for row in range(result.ntuples)]
    return columns, sorted(found, key=repr)


@pytest.mark.parametrize(
    ("zone", "asked"),
    [("UTC", OWN), ("America/New_York", OWN), pytest.param("Asia/Kathmandu", MIXED, marks=pytest.mark.full)],
    ids=["utc", "new-york", "mixed"],
)
def test_answers_are_postgresqls(master: Connection, reference: Connection, zone: str, asked: pathlib.Path) -> None:
    for connection in (master, reference):
        connection.execute(f"SET timezone = '{zone}'")
    different = [sql for sql in statements(asked) if answer(master, sql) != answer(reference, sql)]
    assert different == []


def test_most_shapes_are_handed_over(master: Connection) -> None:
    """Or shipped whole by postgres_fdw itself; those that fail when they are planned are neither."""
    kept = [sql for sql in statements(OWN) if not (tried(master, sql) or WHOLE).lstrip().startswith((WHOLE, "Foreign Scan"))]
    assert kept == []


def tried(connection: Connection, sql: str) -> str | None:
    try:
        return plan(connection, sql)
    except psycopg.Error:
        return None


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT o_id, o_total FROM orders WHERE o_id > 5",  # one scan says all of it
        "SELECT count(*) FROM orders",
        "SELECT DISTINCT o_status FROM orders WHERE random() < 2",
        "SELECT DISTINCT o_id FROM orders FOR UPDATE",
        "SELECT DISTINCT orders FROM orders",
        "SELECT DISTINCT tableoid FROM orders",
        "SELECT DISTINCT relname FROM pg_class, orders",
        "SELECT DISTINCT pg_typeof(o_id) FROM orders",
        "SELECT DISTINCT unnest(ARRAY[1, o_id]) FROM orders",
        "SELECT DISTINCT o_status FROM orders TABLESAMPLE SYSTEM (10)",
        'SELECT DISTINCT o_priority COLLATE "en-x-icu" FROM orders',
        "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 3) SELECT DISTINCT i FROM r, orders",
        "SELECT a.o_id, b.o_id FROM orders a, orders b",  # more rows than are read
        "SELECT DISTINCT pg_temp.own(o_id) FROM orders",
    ],
)
def test_what_is_not_handed_over(master: Connection, sql: str) -> None:
    master.execute("CREATE FUNCTION pg_temp.own(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1'")
    assert WHOLE not in (tried(master, sql) or "")


def test_the_setting_keeps_it_quiet_also_for_plans_made_before(master: Connection) -> None:
    sql = "SELECT DISTINCT o_status FROM orders"
    assert WHOLE in plan(master, sql)
    master.execute(f"PREPARE q AS {sql}")
    before = answer(master, "EXECUTE q")
    master.execute("SET bdc.offload = off")
    assert WHOLE not in plan(master, sql)
    assert answer(master, "EXECUTE q") == before
    explained = "\n".join(str(row[0]) for row in master.execute("EXPLAIN (ANALYZE, COSTS OFF) EXECUTE q"))
    assert WHOLE not in explained or "Ran In Parts: bdc.offload is off" in explained


def test_parameters_of_generic_and_custom_plans(master: Connection) -> None:
    for mode in ("force_generic_plan", "force_custom_plan"):
        master.execute(f"SET plan_cache_mode = {mode}")
        master.execute("PREPARE q(bigint, text, bigint[]) AS SELECT DISTINCT o_status, $2 FROM orders WHERE o_id < $1 OR o_id = ANY ($3)")
        assert WHOLE in plan(master, "EXECUTE q(3, 'it''s', '{}')")
        for low, text, more in ((3, "it's", [7, 8]), (1, "", []), (0, "ü\\", [None, 5])):
            wanted = {number for number in (*range(low), *more) if number}
            expected = {(status, text) for number, status in master.execute("SELECT o_id, o_status FROM orders") if number in wanted}
            assert set(psycopg.ClientCursor(master).execute("EXECUTE q(%s, %s, %s)", (low, text, more))) == expected
        master.execute("DEALLOCATE q")
    sql = "SELECT count(DISTINCT o_status) FROM orders WHERE o_date > %s AND o_priority = %s"
    assert master.execute(sql, ("2024-01-01", "2-HIGH"), prepare=True).fetchone() == (3,)
    assert master.execute(sql, (None, "2-HIGH"), prepare=True).fetchone() == (0,)


def test_cursors(master: Connection) -> None:
    sql = "SELECT DISTINCT o_id FROM orders ORDER BY o_id"
    first = [(number,) for number in range(1, 201)]
    with master.transaction():
        master.execute(f"DECLARE c CURSOR FOR {sql}; DECLARE s SCROLL CURSOR FOR {sql}")
        assert master.execute("FETCH 3 FROM c").fetchall() == first[:3]
        assert master.execute("FETCH 2 FROM s").fetchall() == first[:2]
        assert master.execute("FETCH PRIOR FROM s").fetchall() == first[:1]
        assert master.execute("FETCH LAST FROM s").fetchall() == first[-1:]
        assert master.execute("FETCH 2 FROM c").fetchall() == first[3:5]
        master.execute(f"DECLARE h CURSOR WITH HOLD FOR {sql}")
    assert master.execute("FETCH 2 FROM h").fetchall() == first[:2]
    master.execute("CLOSE h")


def test_functions_loops_and_savepoints(master: Connection) -> None:
    master.execute("""CREATE FUNCTION pg_temp.spread(most bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
      DECLARE one record;
      BEGIN
        FOR one IN SELECT DISTINCT o_status FROM m.orders WHERE o_id <= most ORDER BY 1 LOOP
          BEGIN
            RETURN NEXT one.o_status || (SELECT count(DISTINCT l_mode) FROM m.lineitem WHERE l_flag = 'A' AND l_order < most);
            PERFORM 1 / (SELECT count(*) - count(*) FROM (SELECT DISTINCT n_region FROM m.nation) n);
          EXCEPTION WHEN division_by_zero THEN NULL;
          END;
        END LOOP;
      END $$""")
    assert master.execute("SELECT pg_temp.spread(150)").fetchall() == [("F4",), ("O4",), ("P4",)]
    with master.transaction():
        with pytest.raises(errors.DivisionByZero), master.transaction():
            master.execute("SELECT DISTINCT 1 / (o_id - o_id) FROM orders")
        assert master.execute("SELECT count(*) FROM (SELECT DISTINCT o_status FROM orders) o").fetchone() == (3,)
        master.execute("CREATE TEMP TABLE kept AS SELECT DISTINCT o_status FROM orders")
        assert master.execute("SELECT count(*) FROM kept").fetchone() == (3,)


def test_what_the_pool_does_not_know_runs_in_parts(master: Connection) -> None:
    master.execute("SET timezone = 'XYZ+3'")
    sql = "SELECT date_trunc('month', o_date) AS m, count(*) FROM orders WHERE o_id < 10 GROUP BY 1"
    explained = "\n".join(str(row[0]) for row in master.execute(f"EXPLAIN (ANALYZE, COSTS OFF) {sql}"))
    assert 'Ran In Parts: the compute pool does not know the time zone "XYZ+3"' in explained
    with master.transaction():
        assert len(master.execute(sql).fetchall()) > 1
        assert master.execute("SELECT count(DISTINCT o_status) FROM orders").fetchone() == (3,)
        assert len(master.execute(sql).fetchall()) > 1
    master.execute("SET timezone = 'UTC'; SET intervalstyle = 'iso_8601'")
    assert WHOLE not in plan(master, sql)


def test_constants_that_fail_fail_only_where_a_row_asks(master: Connection) -> None:
    """Computed beforehand for the text, they would fail where PostgreSQL does not."""
    sql = "SELECT DISTINCT CASE WHEN o_id > 0 THEN 1 ELSE to_number('x' || current_user, '9')::integer END FROM orders"
    assert master.execute(sql).fetchall() == [(1,)]
    with pytest.raises(errors.InvalidTextRepresentation):
        master.execute("SELECT DISTINCT ('x' || current_user)::integer + o_id FROM orders")


def test_rights_are_the_masters(cluster: Cluster, database: str) -> None:
    with cluster.connect("ada") as ada, cluster.connect("alice") as alice:
        ada.execute(
            "CREATE SCHEMA v; GRANT USAGE ON SCHEMA v TO alice; CALL bdc.create_virtual_table('v.hidden', 'whole_a', 'public.orders')"
        )
        ada.execute("CREATE VIEW v.own WITH (security_invoker = false) AS SELECT o_status FROM v.hidden; GRANT SELECT ON v.own TO alice")
        ada.execute("CREATE VIEW v.asks AS SELECT o_status FROM v.hidden; GRANT SELECT ON v.asks TO alice")
        ada.execute("CREATE VIEW v.guarded WITH (security_barrier) AS SELECT * FROM m.orders; GRANT SELECT ON v.guarded TO alice")
        with pytest.raises(errors.InsufficientPrivilege):
            alice.execute("SELECT DISTINCT o_status FROM v.hidden")
        with pytest.raises(errors.InsufficientPrivilege):
            alice.execute("SELECT DISTINCT o_status FROM v.asks")
        assert WHOLE in plan(alice, "SELECT DISTINCT o_status FROM v.own")
        assert len(alice.execute("SELECT DISTINCT o_status FROM v.own").fetchall()) == 3
        assert WHOLE not in plan(alice, "SELECT DISTINCT o_status FROM v.guarded")
        assert WHOLE not in plan(alice, "SELECT DISTINCT a.o_status FROM v.own a JOIN m.orders b USING (o_status)")
        ada.execute("DROP SCHEMA v CASCADE")


def test_a_renamed_table_or_column_is_read_in_parts(cluster: Cluster, database: str) -> None:
    with cluster.connect("ada") as ada:
        ada.execute("CREATE SCHEMA r; CALL bdc.create_virtual_table('r.first', 'whole_a', 'public.orders')")
        before = answer(ada, "SELECT DISTINCT o_status FROM r.first")
        ada.execute("ALTER TABLE r.first RENAME TO second")
        assert WHOLE not in plan(ada, "SELECT DISTINCT o_status FROM r.second")
        assert answer(ada, "SELECT DISTINCT o_status FROM r.second") == before
        ada.execute("ALTER TABLE r.second RENAME TO first")
        ada.execute("ALTER TABLE r.first RENAME o_status TO s")
        assert WHOLE not in plan(ada, "SELECT DISTINCT s FROM r.first")
        ada.execute("DROP SCHEMA r CASCADE")


def test_explain_tells_it(master: Connection) -> None:
    sql = "SELECT DISTINCT o_status FROM orders WHERE o_date < current_date"
    lines = [str(line) for (line,) in master.execute("SELECT bdc.explain(%s)", (sql,))]
    assert any(WHOLE in line for line in lines) and any("SELECT DISTINCT" in line and "Remote SQL" in line for line in lines)
    assert "The master ships all of it." in lines
    assert any("DISTINCT" in line and line.startswith("Compute pool: ") for line in lines)
    zoned = "SELECT date_trunc('month', o_date) FROM orders GROUP BY 1"
    lines = [str(line) for (line,) in master.execute("SELECT bdc.explain(%s, run => true)", (zoned,))]
    assert any(line.startswith("Compute pool: ") and line.endswith("/*bdc timezone=UTC*/") for line in lines)


def test_the_user_cancels(cluster: Cluster, database: str) -> None:
    with cluster.connect("alice") as alice, cluster.connect("ada") as ada:
        assert WHOLE in plan(alice, "SELECT DISTINCT t FROM public.endless")
        alice.execute("SET statement_timeout = '700ms'")
        with pytest.raises(errors.QueryCanceled):
            alice.execute("SELECT DISTINCT t FROM public.endless")
        alice.execute("SET statement_timeout = 0")
        assert alice.execute("SELECT count(DISTINCT o_status) FROM m.orders").fetchone() == (3,)
        assert [row for row in ada.execute("SELECT * FROM bdc.queries()") if "endless" in str(row)] == []
