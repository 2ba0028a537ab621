"""What the planner knows of virtual tables' columns, and what it makes of it: joins of virtual tables are the pool's work."""

from __future__ import annotations

import json

import psycopg
import pytest

from tests.pools.master.conftest import Master

SOURCE = {"name": "legacy", "connector": "postgresql", "location": "postgresql://db:5432/sales", "options": {}, "credential": {}}
KEY = {"null_frac": 0.0, "avg_width": 8, "n_distinct": -1, "histogram_bounds": "{1,500000,2000000}"}
MAIN_QUERY = (
    "SELECT s.grp, count(*), sum(s.amount), max(p.note) FROM sales s JOIN points p ON p.id = s.id JOIN groups g ON g.grp = s.grp "
    "WHERE s.id BETWEEN 1 AND 200000 GROUP BY s.grp ORDER BY s.grp LIMIT 20"
)


@pytest.fixture
def admin(people):
    connection = people("ada", "admin")
    connection.execute("CALL bdc.create_data_source('legacy', 'postgresql', 'postgresql://db:5432/sales')")
    return connection


def make(admin, master: Master, database: str, name: str, rows: float | None, **statistics: object) -> None:
    types = {"id": "bigint", "grp": "integer", "amount": "numeric(12,2)", "note": "text"}
    columns = [{"name": column, "type": of} for column, of in types.items()]
    request = {"action": "detect", "source": SOURCE, "location": f"public.{name}", "options": {}, "user": "ada"}
    master.pool.answer(database, request, {"columns": columns, "options": {}, "rows": rows, "unmapped": [], "statistics": statistics})
    admin.execute(f"CALL bdc.create_virtual_table('{name}', 'legacy', 'public.{name}')")


def known(admin) -> list[tuple[object, ...]]:
    return admin.execute(
        "SELECT attname::text, null_frac, avg_width, n_distinct FROM pg_stats WHERE tablename = 'sales' ORDER BY attname"
    ).fetchall()


def test_detected_statistics_are_the_planners(admin, master: Master, database: str) -> None:
    make(
        admin,
        master,
        database,
        "sales",
        100,
        id=KEY,
        grp={"null_frac": 0.5, "avg_width": 4, "n_distinct": 7, "most_common_vals": "{1,3}", "most_common_freqs": "{0.5,0.25}"},
        stranger=KEY,
    )
    assert known(admin) == [("grp", 0.5, 4, 7), ("id", 0, 8, -1)]
    make_again = {"id": {"null_frac": 7, "avg_width": 0, "n_distinct": -3}}  # what a source says is brought into bounds
    request = {"action": "detect", "source": SOURCE, "location": "public.sales", "options": {}, "user": "ada"}
    columns = [{"name": "id", "type": "bigint"}, {"name": "grp", "type": "integer"}]
    master.pool.answer(database, request, {"columns": columns, "options": {}, "rows": 100, "unmapped": [], "statistics": make_again})
    admin.execute("CALL bdc.refresh_table('sales')")
    assert known(admin) == [("grp", 0.5, 4, 7), ("id", 1, 1, -1)]


@pytest.mark.parametrize("rows", [2_000_000, 200_000_000])
def test_joins_of_virtual_tables_beside_a_local_table_are_shipped(admin, master: Master, database: str, rows: int) -> None:
    make(admin, master, database, "sales", rows, id=KEY, grp={"null_frac": 0.0, "avg_width": 4, "n_distinct": 1000})
    make(admin, master, database, "points", 1_000_000, id=KEY)
    admin.execute("CREATE TABLE groups AS SELECT g AS grp FROM generate_series(0, 999) AS g")
    plan = json.dumps(admin.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {MAIN_QUERY}").fetchone()[0])
    assert plan.count('"Foreign Scan"') == 1
    assert "INNER JOIN" in plan


def test_aggregates_are_still_shipped(admin, master: Master, database: str) -> None:
    make(admin, master, database, "sales", 2_000_000, id=KEY, grp={"null_frac": 0.0, "avg_width": 4, "n_distinct": 1000})
    make(admin, master, database, "points", 1_000_000, id=KEY)
    for query in (
        "SELECT grp, count(*) FROM sales GROUP BY grp",
        "SELECT s.grp, sum(p.amount) FROM sales s JOIN points p ON p.id = s.id GROUP BY s.grp",
        "SELECT count(*) FROM sales s JOIN points p ON p.id = s.grp WHERE p.note = 'x'",
    ):
        plan = json.dumps(admin.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {query}").fetchone()[0])
        assert plan.count('"Node Type"') == 1, query


def facts(admin, name: str) -> dict[str, list[object]]:
    content = admin.execute("SELECT bdc.pool_catalog() -> 'tables'").fetchone()[0]
    return next(table["facts"] for table in content if table["name"] == name)


def test_the_pools_planner_is_told_too(admin, master: Master, database: str) -> None:
    make(admin, master, database, "sales", 100, id=KEY, grp={"null_frac": 0.5, "avg_width": 4, "n_distinct": 7})
    with master.superuser(database) as superuser:
        assert facts(superuser, "sales") == {"id": [-1, 0, 8, "1", "2000000"], "grp": [7, 0.5, 4, None, None]}


def test_analyze(admin, people, master: Master, database: str) -> None:
    make(admin, master, database, "sales", None)
    assert admin.execute("SELECT rows, analyzed_at IS NULL FROM bdc.virtual_tables").fetchone() == (None, True)
    columns = [
        {"name": name, "type": of} for name, of in (("id", "bigint"), ("grp", "integer"), ("amount", "numeric(12,2)"), ("note", "text"))
    ]
    table = {"schema": "public", "name": "sales", "source": "legacy", "location": "public.sales", "options": {}}
    full = [{**column, "nullable": True, "remote": column["name"]} for column in columns]
    request = {"action": "analyze", "source": SOURCE, "user": "ada", "sample": 500, "table": {**table, "columns": full}}
    answer = {"rows": 5000, "statistics": {"id": KEY}, "sampled": {"grp": [12, 0.25, 4, None, None]}}
    master.pool.answer(database, request, answer)
    assert admin.execute("CALL bdc.analyze('sales', 500)").fetchone()[0] == {"rows": 5000, "columns": 2}
    assert known(admin) == [("id", 0, 8, -1)]
    with master.superuser(database) as superuser:
        assert facts(superuser, "sales") == {"id": [-1, 0, 8, "1", "2000000"], "grp": [12, 0.25, 4, None, None]}
    admin.execute("GRANT SELECT ON sales TO PUBLIC")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        people("ulf").execute("CALL bdc.analyze('sales')")
