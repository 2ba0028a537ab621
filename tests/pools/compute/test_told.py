"""What the pool tells of its work, the whole way: explanations, the history of queries, texts passed through, changed columns."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.patience import PATIENCE
from tests.pools.compute.cluster import Cluster
from tests.services.postgresql import PostgresqlServer

pytestmark = pytest.mark.service


def explained(connection: psycopg.Connection[Any], sql: str, *, run: bool = False) -> dict[str, Any]:
    row = connection.execute("SELECT bdc.explain(%s, 'json', %s)", (sql, run)).fetchone()
    assert row is not None
    return json.loads(row[0])


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def codes(document: dict[str, Any]) -> set[str]:
    return {kept["code"] for kept in document["kept"]}


@pytest.fixture
def ada(cluster: Cluster) -> Iterator[psycopg.Connection[Any]]:
    """Of postgres_fdw's ways: whole queries have tests of their own."""
    with cluster.connect("ada") as connection:
        connection.execute("SET bdc.offload = off")
        yield connection


@pytest.fixture
def legacy(cluster: Cluster, postgresql: PostgresqlServer) -> Iterator[psycopg.Connection[Any]]:
    """The source itself."""
    with postgresql.connect("legacy") as connection:
        yield connection


# Explanations


@pytest.mark.parametrize(
    ("sql", "code", "what"),
    [
        ("SELECT abs(id) FROM orders", "fdw_select_list", "abs(id)"),
        ("SELECT id FROM orders WHERE now() > '2020-01-01' AND random() < 2", "fdw_filter", "random()"),
        ("SELECT DISTINCT customer FROM orders", "fdw_distinct", "customer"),
        ("SELECT id, row_number() OVER (ORDER BY id) FROM orders", "fdw_window", "row_number()"),
        ("SELECT id FROM orders UNION ALL SELECT 1 + id FROM orders WHERE id < 3", "fdw_set_operation", "Append"),
        ("SELECT string_agg(customer, ',' ORDER BY id), grouping(id) FROM orders GROUP BY ROLLUP (id)", "fdw_aggregate", "GROUPING(id)"),
        ("SELECT o.amount FROM orders o JOIN mine m ON m.id = o.id", "fdw_local_table", "m.id"),
        ("SELECT generate_series(1, id) FROM orders WHERE id < 3", "fdw_set_function", "generate_series"),
        ("SELECT id, (SELECT max(id) FROM orders) FROM mine", "fdw_sub_query", "InitPlan"),
        ("SELECT abs(id) FROM orders WHERE now() > '2024-01-01'", "fdw_select_list", "abs(id)"),
    ],
)
def test_why_the_master_kept_something(ada: psycopg.Connection[Any], sql: str, code: str, what: str) -> None:
    ada.execute("CREATE TEMP TABLE mine AS SELECT 1 AS id")
    document = explained(ada, sql)
    assert code in codes(document), document["kept"]
    assert any(what in kept["what"] and kept["why"] for kept in document["kept"] if kept["code"] == code), document["kept"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*), customer FROM orders WHERE id < 100 GROUP BY customer",
        "SELECT id, amount FROM orders WHERE abs(id) < 4 ORDER BY id LIMIT 3",
        "SELECT upper(customer), count(*) FILTER (WHERE amount > 5), customer || 'x' FROM orders GROUP BY 1, 3",
        "SELECT a.id FROM orders a JOIN orders b ON a.id = b.id WHERE b.amount > 3",
        "SELECT 1",
    ],
)
def test_what_is_shipped_whole_has_no_reasons(ada: psycopg.Connection[Any], sql: str) -> None:
    assert explained(ada, sql)["kept"] == []


def test_the_remote_text_is_what_arrives(ada: psycopg.Connection[Any], postgresql: PostgresqlServer) -> None:
    sql = "SELECT customer, count(*) FROM orders WHERE amount > 4321.5 GROUP BY customer"
    (remote,) = explained(ada, sql)["remote"]
    (fragment,) = remote["pool"]["fragments"]
    assert fragment["text"] not in postgresql.log
    ada.execute(sql).fetchall()
    assert fragment["text"] in " ".join(postgresql.log.split()) or fragment["text"] in postgresql.log


def test_run_counts_what_moved_and_what_was_in_vain(ada: psycopg.Connection[Any]) -> None:
    sql = "SELECT customer FROM orders WHERE md5(customer || id::text) < '00' AND upper(customer) > 'B' AND id < 900"
    (remote,) = explained(ada, sql, run=True)["remote"]
    plan = remote["pool"]
    moved = sum(fragment["actual"]["rows"] for fragment in plan["fragments"])
    assert moved >= plan["rows"] and plan["milliseconds"] > 0
    assert plan["avoidable"]["rows"] == moved - plan["rows"] if plan["kept"] else plan["avoidable"]["rows"] == 0
    lines = "\n".join(row[0] for row in ada.execute("SELECT bdc.explain(%s, run => true)", (sql,)))
    assert "actual time=" in lines
    assert "bytes=" in lines


def test_a_statement_that_changes_rows_is_not_run(ada: psycopg.Connection[Any]) -> None:
    ada.execute("CREATE TEMP TABLE kept AS SELECT 1 AS id")
    with pytest.raises(errors.FeatureNotSupported, match="changes rows"):
        ada.execute("SELECT bdc.explain('WITH gone AS (DELETE FROM kept RETURNING id) SELECT * FROM gone', run => true)")
    assert ada.execute("SELECT count(*) FROM kept").fetchone() == (1,)


def test_parameters_of_a_remote_statement_are_said(ada: psycopg.Connection[Any]) -> None:
    ada.execute("SET plan_cache_mode = force_generic_plan; CREATE TEMP TABLE one AS SELECT 5 AS id; ANALYZE one")
    ada.execute("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off")
    sql = "SELECT one.id, (SELECT amount FROM orders WHERE orders.id = one.id) FROM one"
    (remote,) = explained(ada, sql, run=True)["remote"]
    assert "$1" in remote["remote_sql"] and "not run" in remote["pool"]["note"]
    assert remote["pool"]["fragments"][0]["actual"] is None


def test_directly_at_the_pool(cluster: Cluster) -> None:
    with cluster.direct("alice") as alice:
        (plans,) = alice.execute("EXPLAIN (ANALYZE, FORMAT JSON) SELECT count(*) FROM orders").fetchone()
        assert plans[0]["rows"] == 1 and plans[0]["residual"] is None
        lines = [row[0] for row in alice.execute("EXPLAIN ANALYZE SELECT id FROM orders WHERE id < 3")]
        assert any("actual rows=2" in line for line in lines)
        for wrong, error in (("(FORMAT YAML)", errors.FeatureNotSupported), ("(NONSENSE)", errors.SyntaxError)):
            with pytest.raises(error):
                alice.execute(f"EXPLAIN {wrong} SELECT 1")


# History


def test_history_tells_what_moved_to_whom_it_may_concern(cluster: Cluster, ada: psycopg.Connection[Any]) -> None:
    marked = "SELECT count(*) FROM orders WHERE id <> -4711"
    with cluster.connect("alice") as alice:
        alice.execute(marked)
        alice.execute("SELECT id FROM orders WHERE id < 8").fetchall()
        own = alice.execute('SELECT DISTINCT "user" FROM bdc.query_history').fetchall()
        assert own == [("alice",)]
    found = ada.execute(
        """SELECT "user", database, state, code, rows, rows_moved, rows_avoidable, reasons, fragments, milliseconds > 0, executor
           FROM bdc.query_history WHERE sql LIKE '%%4711%%' AND "user" = 'alice'"""
    ).fetchone()
    assert found is not None
    assert found[:8] == ("alice", "bdc", "done", None, 1, 1, 0, [])
    assert (found[8][0]["source"], found[8][0]["tables"], found[8][0]["rows"], found[9], found[10]) == (
        "legacy",
        ["public.orders"],
        1,
        True,
        None,
    )


def test_history_tells_failures(cluster: Cluster, ada: psycopg.Connection[Any]) -> None:
    with cluster.direct("alice") as alice:
        with pytest.raises(errors.DivisionByZero):
            alice.execute("SELECT 1 / (id - 1) FROM orders WHERE id = 1").fetchall()
        with pytest.raises(errors.UndefinedTable):
            alice.execute("SELECT * FROM no_such_table_4712")
        alice.execute("SET statement_timeout = '300ms'")
        with pytest.raises(errors.QueryCanceled):
            alice.execute("SELECT * FROM endless")
    rows = dict(ada.execute("SELECT code, state FROM bdc.query_history WHERE code IS NOT NULL AND \"user\" = 'alice'").fetchall())
    assert {"22012", "42P01", "57014"} <= set(rows) and set(rows.values()) == {"failed"}


def test_history_outlives_the_pool(cluster: Cluster, ada: psycopg.Connection[Any]) -> None:
    ada.execute("SELECT count(*) FROM orders WHERE id <> -4713")
    query = "SELECT count(*) FROM bdc.query_history WHERE sql LIKE '%%4713%%' AND sql NOT LIKE '%%query_history%%'"
    before = ada.execute(query).fetchone()
    assert before is not None and before[0] >= 1
    cluster.stop_service()
    cluster.start_service()
    with cluster.connect("ada") as again:
        assert again.execute(query).fetchone() == before


# Texts of the user's own


def test_a_text_is_run_at_the_source_as_it_is(ada: psycopg.Connection[Any], postgresql: PostgresqlServer) -> None:
    text = "SELECT id, amount, 'a\"ß' AS t, NULL AS n FROM public.orders WHERE id < 3 ORDER BY id -- the source's own words"
    rows = [row[0] for row in ada.execute("SELECT bdc.remote_query('legacy', %s)", (text,))]
    assert rows == [{"id": number, "amount": pytest.approx(number * 1.5), "t": 'a"ß', "n": None} for number in (1, 2)]
    assert text in postgresql.log
    exact = ada.execute("SELECT * FROM bdc.remote_query('legacy', 'SELECT 1.10::numeric AS a') AS r, jsonb_to_record(r) AS t(a numeric)")
    assert str(exact.fetchone()[1]) == "1.10"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("CREATE TABLE made (id int)", errors.lookup("HV000")),
        ("SELECT 1) AS x; DROP TABLE public.orders; --", errors.lookup("HV000")),
        ("SELECT * FROM nowhere", errors.lookup("HV00R")),
        ("WITH gone AS (DELETE FROM public.orders RETURNING 1) SELECT * FROM gone", errors.lookup("HV000")),
        ("SELECT setval('public.counter', 7)", errors.lookup("HV000")),
        ("SELECT generate_series(1, 20000)", errors.lookup("54000")),
        (" ", errors.InvalidParameterValue),
    ],
)
def test_what_a_text_may_not(ada: psycopg.Connection[Any], legacy: psycopg.Connection[Any], text: str, error: type[Exception]) -> None:
    legacy.execute("CREATE SEQUENCE IF NOT EXISTS counter")
    with pytest.raises(error):
        ada.execute("SELECT bdc.remote_query('legacy', %s)", (text,)).fetchall()
    assert legacy.execute("SELECT count(*), to_regclass('made') FROM orders").fetchone() == (20_000, None)


def test_a_session_that_a_text_changed_is_used_by_nobody(ada: psycopg.Connection[Any]) -> None:
    text = "SELECT set_config('default_transaction_read_only', 'off', false), pg_backend_pid() AS pid"
    (first,) = ada.execute("SELECT bdc.remote_query('legacy', %s)", (text,)).fetchone()
    shown = "SELECT current_setting('default_transaction_read_only') AS ro, pg_backend_pid() AS pid"
    (second,) = ada.execute("SELECT bdc.remote_query('legacy', %s)", (shown,)).fetchone()
    assert second["ro"] == "on" and second["pid"] != first["pid"]


def test_texts_are_for_who_may_make_tables_and_are_cancelled_at_the_source(
    cluster: Cluster, ada: psycopg.Connection[Any], legacy: psycopg.Connection[Any]
) -> None:
    with cluster.connect("alice") as alice:
        with pytest.raises(errors.InsufficientPrivilege):
            alice.execute("SELECT bdc.remote_query('legacy', 'SELECT 1')")
        ada.execute("CALL bdc.grant_source('legacy', 'alice')")
        assert alice.execute("SELECT bdc.remote_query('legacy', 'SELECT 1 AS one')").fetchone() == ({"one": 1},)
        running = (
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%pg_sleep(61)%%' AND pid <> pg_backend_pid() AND state = 'active'"
        )
        caught: list[Exception] = []

        def run() -> None:
            try:
                alice.execute("SELECT bdc.remote_query('legacy', 'SELECT pg_sleep(61)')")
            except psycopg.Error as error:
                caught.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        wait_for(lambda: legacy.execute(running).fetchone() == (1,))
        assert ada.execute("SELECT \"user\" FROM bdc.queries() WHERE sql LIKE '%%pg_sleep(61)%%'").fetchone() == ("alice",)
        alice.cancel_safe()
        thread.join(PATIENCE)
        assert isinstance(caught[0], errors.QueryCanceled)
        wait_for(lambda: legacy.execute(running).fetchone() == (0,))
    ada.execute("CALL bdc.revoke_source('legacy', 'alice')")


# Columns that changed


def test_refresh_tells_and_takes_over_when_asked(ada: psycopg.Connection[Any], legacy: psycopg.Connection[Any]) -> None:
    legacy.execute("CREATE TABLE moving (id int NOT NULL, gone text, price numeric(8,2))")
    ada.execute("CALL bdc.create_virtual_table('public.moving', 'legacy', 'public.moving')")
    ada.execute("GRANT SELECT ON moving TO alice; CREATE VIEW over_moving AS SELECT id FROM moving")
    legacy.execute("ALTER TABLE moving DROP gone, ADD added date, ALTER price TYPE numeric(12,2), ALTER id DROP NOT NULL")
    with pytest.raises(psycopg.Error) as caught:
        ada.execute("SELECT * FROM moving")
    assert "gone" in str(caught.value) and "bdc table refresh" in str(caught.value)
    (changes,) = ada.execute("CALL bdc.refresh_table('moving', false)").fetchone()
    assert {(one["column"], one["change"], one["applied"]) for one in changes} == {
        ("id", "null", True),
        ("gone", "gone", False),
        ("price", "type", False),
        ("added", "new", False),
    }
    seen = ada.execute("SELECT jsonb_array_length(drift) FROM bdc.virtual_tables WHERE table_name = 'moving'").fetchone()
    assert seen == (3,)
    (changes,) = ada.execute("CALL bdc.refresh_table('moving')").fetchone()
    assert all(one["applied"] for one in changes) and len(changes) == 3
    assert ada.execute("SELECT * FROM moving").fetchall() == []
    assert ada.execute("SELECT drift FROM bdc.virtual_tables WHERE table_name = 'moving'").fetchone() == ([],)
    assert ada.execute("SELECT has_table_privilege('alice', 'moving', 'SELECT'), to_regclass('over_moving')").fetchone() == (
        True,
        "over_moving",
    )
    ada.execute("DROP VIEW over_moving; CALL bdc.drop_virtual_table('moving')")
    legacy.execute("DROP TABLE moving")
